"""The commands that a decision or a selection gives to Execution."""

from core.actions import AlertParameters, JobParameters, NotifyParameters
from core.correlation import current_correlation
from core.labels import ActionKind, Role, Status, Urgency
from core.messages import ActionCall, ExecutionCommand, ItemFailure, Resolved
from core.record import RequestRecord
from core.request import Classification, ExecutionId, OptionId, Request, ResolutionOption

POLICY = "policy"


def execution_id(request: Request, purpose: str) -> ExecutionId:
    """The same id for the same purpose at the same version of a request, so that a repetition is the same command."""
    return ExecutionId(f"EXE_{request.request_id.removeprefix('REQ_')}_{purpose}{request.version}")


def option_command(record: RequestRecord, option: ResolutionOption, requested_by: str) -> ExecutionCommand:
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
            _job(request, option),
            _tell_resident(
                request,
                "We are on it",
                f"{option.title}: this is under way. You can follow it in your request.{chosen}",
            ),
        ),
        option.option_id,
    )


def commands_for_decision(
    record: RequestRecord, classification: Classification, resolved: Resolved
) -> tuple[ExecutionCommand, ...]:
    """What policy starts by itself: the emergency action with its alert, or word to the staff."""
    request = record.request
    acting = next((option for option in resolved.options if option.option_id == resolved.act_now), None)
    if acting is not None:
        return (_emergency_command(record, classification, resolved, acting),)
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
    record: RequestRecord, classification: Classification, resolved: Resolved, option: ResolutionOption
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
            _job(request, option),
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


def _job(request: Request, option: ResolutionOption) -> ActionCall:
    wishes = request.preferences.model_dump(exclude_none=True, exclude_defaults=True) if request.preferences else {}
    # The wishes come first: a long message must not push them out.
    instructions = "\n".join([*(f"{name}: {value}" for name, value in wishes.items()), request.message_text])
    job = JobParameters(
        title=option.title,
        crew=option.crew,
        steps=option.steps,
        building_id=request.building_id,
        unit=request.unit,
        instructions=instructions,
        cost_limit_usd=option.estimated_cost_usd.p90,
    )
    return _call(option.action, job)


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
