"""The commands that a decision or a selection gives to Execution."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Literal

from core.actions import (
    AlertParameters,
    JobParameters,
    NotifyParameters,
    Parameters,
    ParcelParameters,
)
from core.contract import rfc3339
from core.correlation import current_correlation
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import MESSAGES, ActionKind
from core.identity import POLICY
from core.labels import Role, Status, Urgency
from core.messages import Resolved
from core.record import RequestRecord
from core.request import Classification, ExecutionId, OptionId, PlanStep, Request, ResolutionOption

JOB_ACTION: Mapping[ActionKind, ActionKind] = {
    ActionKind.DISPATCH_WORK_ORDER: ActionKind.DISPATCH_WORK_ORDER,
    ActionKind.ALERT_ON_CALL: ActionKind.DISPATCH_WORK_ORDER,
}
"""As what an option's own job is carried out, where it is no staff task.

It has a crew and steps also where its action is to tell somebody, or is one of which the request does not say enough
(which amount, which door): then the task is to find that out and to order it.
"""
INSTRUCTION_CHARACTERS = 8000
ADVICE = "If anybody is in danger, call 911 now. The person on call has been alerted."


def execution_id(request: Request, purpose: str) -> ExecutionId:
    """The same id for the same purpose at the same version of a request, so that a repetition is the same command."""
    return ExecutionId(f"EXE_{request.request_id.removeprefix('REQ_')}_{purpose}{request.version}")


def option_command(
    record: RequestRecord, option: ResolutionOption, requested_by: str, now: datetime
) -> ExecutionCommand:
    """Carry out a selected option and tell the resident."""
    request = record.request
    urgency = request.classification.urgency if request.classification else Urgency.MEDIUM
    event = "work_started_for_you" if requested_by == POLICY else "work_started"
    jobs = option_jobs(request, option, now)
    # Nobody is told of work that could not be ordered.
    told = _tell_resident(request, event, title=option.title).model_copy(update={"needs": tuple(range(len(jobs)))})
    return _command(record, "opt", urgency, requested_by, (*jobs, told), option.option_id)


def commands_for_decision(
    record: RequestRecord, classification: Classification, resolved: Resolved, now: datetime
) -> tuple[ExecutionCommand, ...]:
    """What policy starts by itself: the emergency action with its alert, or word to the staff."""
    request = record.request
    acting = next((option for option in resolved.options if option.option_id == resolved.act_now), None)
    if acting is not None:
        return (emergency_command(record, classification, resolved, acting, now, alert=not record.alarmed),)
    if resolved.status is Status.ESCALATED:
        reason = resolved.decision.escalation.reason if resolved.decision.escalation else "a person is asked for"
        return (
            _command(
                record,
                "esc",
                classification.urgency,
                POLICY,
                (_tell_staff(request, "request_needs_person", reason=reason),),
            ),
        )
    return ()


def unjudged_alert(record: RequestRecord, safety_rule: str | None, advice: str | None) -> ExecutionCommand:
    """Tell the person on call and the resident of an emergency that nothing could decide about."""
    found = f"The safety rule {safety_rule} fires" if safety_rule else "It was judged an emergency"
    return _alarm_command(record, "rev", POLICY, f"{found}, and the message could not be judged.", advice)


def early_alarm(record: RequestRecord, labels: Classification) -> ExecutionCommand:
    """Tell the person on call and the resident of an emergency before policy's action can be decided on."""
    found = f"The safety rule {labels.safety_rule} fires" if labels.safety_rule else "It was judged an emergency"
    reason = f"{found}, and what policy starts could not be decided yet."
    return _alarm_command(record, "alm", POLICY, reason, labels.safety_advice)


def emergency_alert(
    record: RequestRecord, requested_by: str, advice: str | None = None, reason: str | None = None
) -> ExecutionCommand:
    """Tell the person on call and the resident that somebody has raised a request to an emergency."""
    said = reason or f"{requested_by} says that it is an emergency."
    return _alarm_command(record, "alm", requested_by, said, advice)


def _alarm_command(
    record: RequestRecord, purpose: str, requested_by: str, reason: str, advice: str | None
) -> ExecutionCommand:
    request = record.request
    actions = (_alarm(request, reason), _tell_resident(request, "help_is_coming", advice=advice or ADVICE))
    return _command(record, purpose, Urgency.EMERGENCY, requested_by, actions)


def recall_notice(record: RequestRecord, requested_by: str) -> ExecutionCommand:
    """Tell staff to stop the work that policy had ordered."""
    request = record.request
    told = _tell_staff(request, "request_recalled", by=requested_by)
    return _command(record, "rec", Urgency.MEDIUM, requested_by, (told,))


def reopening_notice(record: RequestRecord) -> ExecutionCommand:
    """Tell staff that a request is not done after all."""
    request = record.request
    return _command(record, "reo", urgency_of(request), POLICY, (_tell_staff(request, "request_reopened"),))


def review_notice(record: RequestRecord, reason: str) -> ExecutionCommand:
    """Tell staff that an emergency to which the person on call was alerted waits for a person."""
    request = record.request
    told = _tell_staff(request, "request_needs_person", reason=reason)
    return _command(record, "rev", Urgency.EMERGENCY, POLICY, (told,))


TargetEvent = Literal["target_near", "response_missed", "target_missed"]
_TARGETS: Mapping[TargetEvent, str] = {
    "target_near": "The target is near.",
    "response_missed": "Nobody has acted on it in time.",
    "target_missed": "It was not done in time.",
}


def target_notice(record: RequestRecord, purpose: str, event: TargetEvent) -> ExecutionCommand:
    """Tell staff that a target is near or missed; the person on call, where it is an emergency's."""
    request = record.request
    urgency = urgency_of(request)
    told = _tell_staff(request, event)
    if urgency is Urgency.EMERGENCY:
        told = _alert(request, "emergency_target", request_id=request.request_id, what=_TARGETS[event])
    return _command(record, purpose, urgency, POLICY, (told,))


def documentation_notice(record: RequestRecord, due: datetime, *, overdue: bool) -> ExecutionCommand:
    """Tell staff, and managers where a tier has to agree, that an emergency's action is not documented."""
    request = record.request
    event = "documentation_overdue" if overdue else "documentation_due"
    tier = request.approval.required.rank if request.approval else 0
    roles = (Role.STAFF, Role.MANAGER) if tier else (Role.STAFF,)
    actions = tuple(_tell_staff(request, event, role, due=rfc3339(due)) for role in roles)
    return _command(record, "doc", Urgency.HIGH, POLICY, actions)


def selection_reminder(record: RequestRecord) -> ExecutionCommand:
    """Remind the resident that options wait for a choice."""
    request = record.request
    told = _tell_resident(request, "choose_an_option", count=str(len(request.options)))
    return _command(record, "rem", Urgency.LOW, POLICY, (told,))


def comment_notice(record: RequestRecord, text: str, *, by_staff: bool) -> ExecutionCommand:
    """Tell the resident what staff wrote to them, or staff that the resident wrote something."""
    request = record.request
    if by_staff:
        told = _tell_resident(request, "staff_comment", request_id=request.request_id, text=text)
    else:
        told = _tell_staff(request, "resident_comment")
    command = _command(record, "cmt", urgency_of(request), POLICY, (told,))
    # The comment itself is the line of the story; that it was passed on is none.
    return command.model_copy(update={"request_id": None})


def objection_notice(record: RequestRecord) -> ExecutionCommand:
    """Tell staff that the resident says that their message was understood wrongly."""
    request = record.request
    told = _tell_staff(request, "request_needs_person", reason="The resident says that it was understood wrongly.")
    command = _command(record, "obj", urgency_of(request), POLICY, (told,))
    # The objection itself is the line of the story; that it was passed on is none.
    return command.model_copy(update={"request_id": None})


def urgency_of(request: Request) -> Urgency:
    """As labelled; an emergency is one whatever its urgency says, and what nobody labelled is taken for High."""
    labels = request.classification
    if labels is None:
        return Urgency.HIGH
    return Urgency.EMERGENCY if labels.emergency else labels.urgency


def _alarm(request: Request, reason: str) -> ActionCall:
    labels = request.classification
    return _alert(
        request,
        "emergency",
        unit=request.unit or "",
        category=labels.category if labels else "",
        reason=reason,
        text=request.message_text,
    )


def review_alert(record: RequestRecord, reason: str) -> ExecutionCommand:
    """Tell the person on call that a message waits which nothing has judged, or that somebody asks for a person."""
    request = record.request
    alert = _alert(request, "review_needed", request_id=request.request_id, reason=reason)
    return _command(record, "rev", Urgency.HIGH, POLICY, (alert,))


def emergency_command(
    record: RequestRecord,
    classification: Classification,
    resolved: Resolved,
    option: ResolutionOption,
    now: datetime,
    *,
    alert: bool = True,
) -> ExecutionCommand:
    """What policy starts at once in an emergency; without the alert where the person on call has had one."""
    request = record.request.model_copy(update={"classification": classification})
    escalation = resolved.decision.escalation
    advice = classification.safety_advice or "Help is on its way."
    alerts = (_alarm(request, escalation.reason if escalation else "Emergency"),) if alert else ()
    told = _tell_resident(request, "help_has_started", advice=advice, title=option.title)
    # In danger no step waits for another, and none is taken back because a later one failed; the desk keeps the order.
    jobs = [job.model_copy(update={"needs": ()}) for job in option_jobs(request, option, now, first_place=len(alerts))]
    actions = (*alerts, *jobs, told)
    return _command(record, "emg", Urgency.EMERGENCY, POLICY, actions, option.option_id)


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


def _call(action: ActionKind, parameters: Parameters) -> ActionCall:
    return ActionCall(action=action, parameters=parameters.model_dump(mode="json"))


def option_jobs(
    request: Request, option: ResolutionOption, now: datetime, first_place: int = 0
) -> tuple[ActionCall, ...]:
    """What carries an option out that is chosen at this moment: one job, or one for each step of its plan.

    `first_place` is that of the first of them in its command. A step's job is opened only when those before it are,
    in whatever systems; the operations desk lets it begin only when they are done.
    """
    if option.action is ActionKind.TRACE_PARCEL:
        return (_call(option.action, _parcel(request)),)
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
            entry=option.entry,
        )
        return (_call(_job_action(option.action), job),)
    limits = _shares(option.estimated_cost_usd.p90, [step.cost_share for step in option.plan])
    places = {step.step_id: first_place + number for number, step in enumerate(option.plan)}
    jobs = [
        _step_job(request, option, step, limit, now, places) for step, limit in zip(option.plan, limits, strict=True)
    ]
    return tuple(
        _call(_job_action(step.action), job).model_copy(update={"needs": job.waits_for})
        for step, job in zip(option.plan, jobs, strict=True)
    )


def job_count(command: ExecutionCommand) -> int:
    """How many of its actions are work, whose end somebody or something has to tell."""
    return sum(call.action not in MESSAGES for call in command.actions)


def _job_action(action: ActionKind) -> ActionKind:
    return JOB_ACTION.get(action, ActionKind.CREATE_STAFF_TASK)


def _parcel(request: Request) -> ParcelParameters:
    return ParcelParameters(
        building_id=request.building_id,
        unit=request.unit,
        resident_id=request.resident_id,
        description=request.message_text,
        instructions=_instructions(request),
    )


def _step_job(
    request: Request,
    option: ResolutionOption,
    step: PlanStep,
    limit: float,
    now: datetime,
    places: Mapping[str, int],
) -> JobParameters:
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
        entry=step.entry,
        waits_for=tuple(places[name] for name in step.after),
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


def _tell_resident(request: Request, event: str, **fields: str) -> ActionCall:
    return _call(
        ActionKind.NOTIFY,
        NotifyParameters(recipient_kind="resident", recipient=request.resident_id, event=event, fields=fields),
    )


def _tell_staff(request: Request, event: str, role: Role = Role.STAFF, **fields: str) -> ActionCall:
    of_request = {"request_id": request.request_id, "building_id": request.building_id}
    parameters = NotifyParameters(
        recipient_kind="staff_role",
        recipient=role,
        building_id=request.building_id,
        event=event,
        fields={**of_request, **fields},
    )
    return _call(ActionKind.NOTIFY, parameters)


def _alert(request: Request, event: str, **fields: str) -> ActionCall:
    labels = request.classification
    parameters = AlertParameters(
        role=Role.STAFF,
        building_id=request.building_id,
        category=labels.category if labels else None,
        event=event,
        fields={"building_id": request.building_id, **fields},
    )
    return _call(ActionKind.ALERT_ON_CALL, parameters)
