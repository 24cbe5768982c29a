"""The commands that a decision or a selection gives to Execution."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from core.actions import AlertParameters, JobParameters, NotifyParameters
from core.correlation import current_correlation
from core.labels import ActionKind, Role, Status, Urgency
from core.messages import ActionCall, ExecutionCommand, ItemFailure, Resolved
from core.record import RequestRecord
from core.request import Classification, ExecutionId, OptionId, PlanStep, Request, ResolutionOption

POLICY = "policy"
JOB_ACTION: Mapping[ActionKind, ActionKind] = {
    ActionKind.DISPATCH_WORK_ORDER: ActionKind.DISPATCH_WORK_ORDER,
    ActionKind.CREATE_STAFF_TASK: ActionKind.CREATE_STAFF_TASK,
    ActionKind.ALERT_ON_CALL: ActionKind.DISPATCH_WORK_ORDER,
    ActionKind.NOTIFY: ActionKind.CREATE_STAFF_TASK,
}
"""As what an option's own job comes to the desk: it has a crew and steps also where its action is to tell somebody."""
INSTRUCTION_CHARACTERS = 8000


def execution_id(request: Request, purpose: str) -> ExecutionId:
    """The same id for the same purpose at the same version of a request, so that a repetition is the same command."""
    return ExecutionId(f"EXE_{request.request_id.removeprefix('REQ_')}_{purpose}{request.version}")


def option_command(
    record: RequestRecord, option: ResolutionOption, requested_by: str, now: datetime
) -> ExecutionCommand:
    """Carry out a selected option and tell the resident."""
    request = record.request
    urgency = request.classification.urgency if request.classification else Urgency.MEDIUM
    chosen = " We chose it for you; you can cancel it until it is done." if requested_by == POLICY else ""
    return _command(
        record,
        "opt",
        urgency,
        requested_by,
        (
            *option_jobs(request, option, now),
            _tell_resident(
                request,
                "We are on it",
                f"{option.title}: this is under way. You can follow it in your request.{chosen}",
            ),
        ),
        option.option_id,
    )


def commands_for_decision(
    record: RequestRecord, classification: Classification, resolved: Resolved, now: datetime
) -> tuple[ExecutionCommand, ...]:
    """What policy starts by itself: the emergency action with its alert, or word to the staff."""
    request = record.request
    acting = next((option for option in resolved.options if option.option_id == resolved.act_now), None)
    if acting is not None:
        return (_emergency_command(record, classification, resolved, acting, now),)
    if resolved.status is Status.ESCALATED:
        reason = resolved.decision.escalation.reason if resolved.decision.escalation else "a person is asked for"
        return (
            _command(
                record,
                "esc",
                classification.urgency,
                POLICY,
                (_tell_staff(request, f"Request {request.request_id} needs a person: {reason}"),),
            ),
        )
    return ()


def unjudged_alert(record: RequestRecord, failure: ItemFailure) -> ExecutionCommand:
    """Tell the person on call that nothing could judge a message; an emergency, where the safety screen says so."""
    if failure.safety_rule is None:
        return review_alert(record, failure.detail)
    request = record.request
    advice = failure.safety_advice or "If anybody is in danger, call 911 now. The person on call has been alerted."
    return _command(
        record,
        "rev",
        Urgency.EMERGENCY,
        POLICY,
        (
            _alarm(request, f"The safety rule {failure.safety_rule} fires, and the message could not be judged."),
            _tell_resident(request, "Help is on its way", advice),
        ),
    )


def recall_notice(record: RequestRecord, requested_by: str) -> ExecutionCommand:
    """Tell staff to stop the work that policy had ordered."""
    request = record.request
    body = f"Request {request.request_id} was cancelled by {requested_by}; please stop its work if it has begun."
    return _command(record, "rec", Urgency.MEDIUM, requested_by, (_tell_staff(request, body),))


def emergency_alert(record: RequestRecord, requested_by: str) -> ExecutionCommand:
    """Tell the person on call that somebody has raised a request to an emergency."""
    alarm = _alarm(record.request, f"{requested_by} says that it is an emergency.")
    return _command(record, "alm", Urgency.EMERGENCY, requested_by, (alarm,))


def _alarm(request: Request, reason: str) -> ActionCall:
    alert = AlertParameters(
        role=Role.STAFF,
        building_id=request.building_id,
        subject=f"EMERGENCY in {request.building_id} {request.unit or ''}".strip(),
        body=f"{reason}\n\n{request.message_text}",
    )
    return _call(ActionKind.ALERT_ON_CALL, alert)


def review_alert(record: RequestRecord, reason: str) -> ExecutionCommand:
    """Tell the person on call that a message waits which nothing has judged, or that somebody asks for a person."""
    request = record.request
    body = f"Request {request.request_id} in building {request.building_id} waits for a person: {reason}"
    alert = AlertParameters(
        role=Role.STAFF, building_id=request.building_id, subject="A request waits for a person", body=body
    )
    return _command(record, "rev", Urgency.HIGH, POLICY, (_call(ActionKind.ALERT_ON_CALL, alert),))


def _emergency_command(
    record: RequestRecord,
    classification: Classification,
    resolved: Resolved,
    option: ResolutionOption,
    now: datetime,
) -> ExecutionCommand:
    request = record.request
    escalation = resolved.decision.escalation
    alert = AlertParameters(
        role=Role.STAFF,
        building_id=request.building_id,
        subject=f"EMERGENCY {classification.category} in {request.building_id} {request.unit or ''}".strip(),
        body=f"{escalation.reason if escalation else 'Emergency'}\n\n{request.message_text}",
    )
    advice = classification.safety_advice or "Help is on its way."
    return _command(
        record,
        "emg",
        Urgency.EMERGENCY,
        POLICY,
        (
            _call(ActionKind.ALERT_ON_CALL, alert),
            *option_jobs(request, option, now),
            _tell_resident(request, "Help is on its way", f"{advice}\n\nWe have started: {option.title}."),
        ),
        option.option_id,
    )


def _command(
    record: RequestRecord,
    purpose: str,
    urgency: Urgency,
    requested_by: str,
    actions: tuple[ActionCall, ...],
    option_id: OptionId | None = None,
) -> ExecutionCommand:
    return ExecutionCommand(
        execution_id=execution_id(record.request, purpose),
        request_id=record.request.request_id,
        option_id=option_id,
        urgency=urgency,
        actions=actions,
        correlation_id=current_correlation() or record.correlation_id,
        requested_by=requested_by,
    )


def _call(action: ActionKind, parameters: JobParameters | AlertParameters | NotifyParameters) -> ActionCall:
    return ActionCall(action=action, parameters=parameters.model_dump(mode="json"))


def option_jobs(request: Request, option: ResolutionOption, now: datetime) -> tuple[ActionCall, ...]:
    """What an option puts on the operations desk at this moment: one job, or one for each step of its plan."""
    if not option.plan:
        job = JobParameters(
            title=option.title,
            crew=option.crew,
            steps=option.steps,
            building_id=request.building_id,
            unit=request.unit,
            instructions=_instructions(request),
            cost_limit_usd=option.estimated_cost_usd.p90,
            vendor=option.vendor,
            licence=option.licence,
            not_before=option.entry.not_before(now) if option.entry else None,
        )
        return (_call(JOB_ACTION[option.action], job),)
    limits = _shares(option.estimated_cost_usd.p90, [step.cost_share for step in option.plan])
    return tuple(
        _call(JOB_ACTION[step.action], _step_job(request, option, step, limit, now))
        for step, limit in zip(option.plan, limits, strict=True)
    )


def job_count(command: ExecutionCommand) -> int:
    """How many jobs it opens on the operations desk."""
    return sum(
        call.action in (ActionKind.DISPATCH_WORK_ORDER, ActionKind.CREATE_STAFF_TASK) for call in command.actions
    )


def _step_job(request: Request, option: ResolutionOption, step: PlanStep, limit: float, now: datetime) -> JobParameters:
    place = [each.step_id for each in option.plan].index(step.step_id) + 1
    titles = {each.step_id: each.title for each in option.plan}
    waits = "; ".join(titles[name] for name in step.after)
    told = f"Step {place} of {len(option.plan)}: {option.title}."
    told += f" Begin only when this is done: {waits}." if waits else " It waits for no other step."
    return JobParameters(
        title=step.title[:300],
        crew=step.crew,
        building_id=request.building_id,
        unit=request.unit,
        instructions=f"{told}\n{_instructions(request)}"[:INSTRUCTION_CHARACTERS],
        cost_limit_usd=limit,
        vendor=step.vendor,
        licence=step.licence,
        not_before=step.entry.not_before(now) if step.entry else None,
    )


def _shares(total_usd: float, shares: Sequence[float]) -> list[float]:
    """The total in cents by these shares, or in equal ones where there are none; they sum to it exactly."""
    cents, whole = round(total_usd * 100), sum(shares)
    parts = [share / whole for share in shares] if whole > 0 else [1 / len(shares)] * len(shares)
    bounds = [round(cents * sum(parts[:place])) for place in range(len(parts))] + [cents]
    return [(after - before) / 100 for before, after in pairwise(bounds)]


def _instructions(request: Request) -> str:
    """The wishes come first: a long message must not push them out."""
    wishes = request.preferences.model_dump(exclude_none=True, exclude_defaults=True) if request.preferences else {}
    return "\n".join([*(f"{name}: {value}" for name, value in wishes.items()), request.message_text])


def _tell_resident(request: Request, subject: str, body: str) -> ActionCall:
    return _call(
        ActionKind.NOTIFY,
        NotifyParameters(recipient_kind="resident", recipient=request.resident_id, subject=subject, body=body),
    )


def _tell_staff(request: Request, body: str) -> ActionCall:
    return _call(
        ActionKind.NOTIFY,
        NotifyParameters(
            recipient_kind="staff_role", recipient=Role.STAFF, subject=f"Request {request.request_id}", body=body
        ),
    )
