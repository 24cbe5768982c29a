"""What staff and services order for a request, beside its selected option or in its place; pure functions."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.actions import (
    PARAMETERS,
    ActionParameters,
    JobParameters,
    NotifyParameters,
    VisitParameters,
    parse_parameters,
)
from core.contract import rfc3339
from core.entry import EntryTerms
from core.errors import Invalid, UnknownOption, WrongState
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import MESSAGES, ActionKind, ExecutionStatus, NoticeKind, StepStatus
from core.labels import ApprovalTier, Crew, Role, Urgency
from core.notices import EVENTS
from core.record import RequestRecord
from core.request import ExecutionId, ExecutionStep, ExecutionSummary, Request, ResolutionOption
from core.status import ENDED
from core.visits import first_window, require_allowed
from deployments.request_management.change import Change, Draft
from deployments.request_management.commands import job_count, option_jobs
from deployments.request_management.incident_lead import require_orderable
from deployments.request_management.schemas import ExecutionOrder


@dataclass(frozen=True)
class CheckedOrder:
    """An order that fits its request as that stands."""

    option: ResolutionOption | None
    """The selected option, where the order carries it out again."""
    parameters: ActionParameters
    urgency: Urgency
    cost_usd: float
    """What it may spend beside all that counts as committed before."""
    is_again: bool = False
    """It carries the option out once more after a reopening, to which nobody has agreed yet."""

    @property
    def needs_agreement(self) -> bool:
        """Whether it spends what nobody has agreed to."""
        return self.cost_usd > 0 or self.is_again


LEAST_TIER: Mapping[ActionKind, ApprovalTier] = {
    ActionKind.CREDIT_BILL: ApprovalTier.SUPERVISOR,
    ActionKind.CORRECT_BILL: ApprovalTier.MANAGER,
}
"""Who has to stand for it at least, whatever its amount: what a charge was, only its caller says."""
PERSONS_ONLY = frozenset(
    {
        ActionKind.CREDIT_BILL,
        ActionKind.CORRECT_BILL,
        ActionKind.REROUTE_PARCEL,
        ActionKind.ISSUE_ACCESS_CODE,
    }
)
"""What gives money, goods or doors away: no other program orders it."""


NOT_IN_HOMES = frozenset({Crew.OFFICE, Crew.CONCIERGE, Crew.SECURITY})


def enters_home(order: ExecutionOrder, request: Request) -> bool:
    """Whether it sends somebody into a home at a time that policy has to allow."""
    if order.action is ActionKind.SCHEDULE_VISIT:
        return True
    if order.action is not ActionKind.DISPATCH_WORK_ORDER or order.option_id is not None or request.unit is None:
        return False
    return order.parameters.get("crew", _defaults(order.action, request).get("crew")) not in NOT_IN_HOMES


def order_execution_id(request_id: str) -> str:
    """An id for an order's command, from which its request can be told."""
    return f"EXE_{request_id.removeprefix('REQ_')[:80]}_ord{secrets.token_hex(4)}"


def check_order(record: RequestRecord, order: ExecutionOrder, entry: EntryTerms | None = None) -> CheckedOrder:
    """The order with what its request knows; `entry` is what a visit waits for.

    Raises `Invalid`, `UnknownOption`, `WrongState`.
    """
    request = record.request
    option = _agreed_option(request, order) if order.option_id is not None else None
    parameters = parse_parameters(order.action, _completed(order, request, option))
    if isinstance(parameters, JobParameters):
        # Neither notice nor quiet hours are whoever orders it to say.
        parameters = parameters.model_copy(update={"entry": entry})
    if order.action not in MESSAGES and request.status in ENDED:
        raise WrongState(f"The request is {request.status}; reopen it first.")
    require_orderable(record, order.action)
    cost_usd = parameters.cost_usd if option is None else 0.0
    is_again = option is not None and request.execution is None
    return CheckedOrder(option, parameters, judged_urgency(record), cost_usd, is_again)


def committed_usd(record: RequestRecord) -> float:
    """What may be spent on the request by now: all that was ordered, and the selected option at its 90th percentile."""
    selected = record.request.selected_option_id
    option = record.request.option(selected) if selected is not None else None
    return record.ordered_usd + (option.estimated_cost_usd.p90 if option is not None else 0.0)


def at_work(execution: ExecutionSummary | None) -> bool:
    """Whether the selected option is still being carried out."""
    if execution is None or execution.status is ExecutionStatus.DEAD_LETTERED:
        return False
    return execution.status is not ExecutionStatus.SUCCEEDED or execution.jobs_done < execution.jobs


def set_selection_aside(draft: Draft) -> None:
    """Deselect; the money of an option whose command was given to Execution stays counted."""
    record = draft.record
    if record.request.execution is not None:
        draft.record_fields["ordered_usd"] = committed_usd(record)
    draft.set(selected_option_id=None, approval=None, execution=None)
    draft.record_fields["selected_by"] = None


def set_work_aside(draft: Draft) -> None:
    """The selected option's work is over, whether done or cancelled: it may be ordered again, and both cost money.

    What was given up stays, since it may be tried again as it is.
    """
    execution = draft.record.request.execution
    if execution is None or execution.status is ExecutionStatus.DEAD_LETTERED:
        return
    draft.record_fields["ordered_usd"] = committed_usd(draft.record)
    draft.set(execution=None)


def place_order(
    record: RequestRecord,
    order: ExecutionOrder,
    execution_id: str,
    by: str,
    correlation_id: str,
    now: datetime,
    entry: EntryTerms | None = None,
) -> Change | None:
    """Count the order's money and put its command into the outbox; None where that was done before."""
    if execution_id in record.orders:
        return None
    checked = check_order(record, order, entry)
    command = ExecutionCommand(
        execution_id=ExecutionId(execution_id),
        request_id=record.request.request_id,
        option_id=checked.option.option_id if checked.option is not None else None,
        urgency=checked.urgency,
        actions=_actions(order, record.request, checked, now),
        correlation_id=correlation_id,
        requested_by=by,
    )
    draft = Draft(record, now, by)
    draft.record_fields.update(ordered_usd=record.ordered_usd + checked.cost_usd, orders=(*record.orders, execution_id))
    if checked.option is not None:
        # From now on this is how the option is carried out, and its news ends the request.
        draft.set(
            execution=ExecutionSummary(
                execution_id=command.execution_id, status=ExecutionStatus.QUEUED, jobs=job_count(command)
            )
        )
    draft.tell(
        "action_ordered",
        f"An action was ordered: {order.action}.",
        execution_id=execution_id,
        cost_usd=checked.cost_usd,
    )
    draft.send((command,))
    return draft.done()


def _actions(order: ExecutionOrder, request: Request, checked: CheckedOrder, now: datetime) -> tuple[ActionCall, ...]:
    """What is done: a plan is all of its jobs, and a visit begins no sooner than its option may."""
    option, parameters = checked.option, checked.parameters
    if option is not None and (option.plan or not isinstance(parameters, JobParameters)):
        return option_jobs(request, option, now)
    if isinstance(parameters, VisitParameters):
        return _visit(request, parameters, checked.urgency, now)
    if option is not None and option.entry is not None and isinstance(parameters, JobParameters):
        parameters = parameters.model_copy(update={"not_before": option.entry.not_before(now), "entry": option.entry})
    elif isinstance(parameters, JobParameters) and parameters.entry is not None:
        allowed = parameters.entry.not_before(now)
        moments = [moment for moment in (parameters.not_before, allowed) if moment is not None]
        parameters = parameters.model_copy(update={"not_before": max(moments, default=None)})
    return (ActionCall(action=order.action, parameters=parameters.model_dump(mode="json")),)


def _visit(
    request: Request, parameters: VisitParameters, urgency: Urgency, now: datetime
) -> tuple[ActionCall, ActionCall]:
    """The visit at a time that the rules allow, and word of it to the resident once it is arranged."""
    emergency, entry = urgency is Urgency.EMERGENCY, parameters.entry
    if parameters.window_start is not None and parameters.window_end is not None:
        window = (parameters.window_start, parameters.window_end)
        require_allowed(window, entry, now, emergency)
    else:
        window = first_window(
            entry,
            now=now,
            duration=timedelta(hours=parameters.duration_hours),
            preferred_days=parameters.preferred_days,
            preferred_time_slots=parameters.preferred_time_slots,
            avoid_days=parameters.avoid_days,
            emergency=emergency,
        )
    start, end = window
    # Notice is told now: what the queue takes is not counted against it.
    told_at = entry.not_before(now) if entry is not None and entry.notice else None
    arranged = parameters.model_copy(update={"window_start": start, "window_end": end, "not_before": told_at})
    told = NotifyParameters(
        recipient_kind="resident",
        recipient=request.resident_id,
        event="visit_scheduled",
        fields={"title": parameters.title, "starts": rfc3339(start), "ends": rfc3339(end)},
    )
    return (
        ActionCall(action=ActionKind.SCHEDULE_VISIT, parameters=arranged.model_dump(mode="json")),
        ActionCall(action=ActionKind.NOTIFY, parameters=told.model_dump(mode="json"), needs=(0,)),
    )


def judged_urgency(record: RequestRecord) -> Urgency:
    """The urgency that the first decision rested on: correcting labels must not widen anybody's limit."""
    before = record.corrections[0].urgency_before if record.corrections else None
    if before is not None:
        return before
    if record.trace is not None and not record.corrections:
        return Urgency(record.trace.inputs["classification"]["urgency"])
    labels = record.request.classification
    return Urgency.MEDIUM if labels is None else min(labels.urgency, Urgency.MEDIUM, key=_rank)


def _rank(urgency: Urgency) -> int:
    return urgency.rank


def _agreed_option(request: Request, order: ExecutionOrder) -> ResolutionOption:
    """The selected option, with the agreement that it needs, where it is not carried out already."""
    option = request.option(order.option_id or "")
    if option is None:
        raise UnknownOption(f"Request {request.request_id} has no option {str(order.option_id)[:80]}.")
    approval, execution = request.approval, request.execution
    agreed = approval is not None and (approval.required is ApprovalTier.NONE or approval.granted_by is not None)
    if request.selected_option_id != option.option_id or not agreed:
        raise WrongState("This option is not selected, or its cost is not agreed to yet.")
    if execution is not None and execution.status is not ExecutionStatus.DEAD_LETTERED:
        raise WrongState(f"This option is carried out already, by {execution.execution_id}.")
    if execution is not None and any(_stands(step) for step in execution.steps):
        raise WrongState(f"A part of it is done: POST /executions/{execution.execution_id}/retry tries the rest again.")
    if order.action is not option.action:
        raise Invalid(f"The option's action is {option.action}.")
    return option


def _stands(step: ExecutionStep) -> bool:
    return step.action not in MESSAGES and step.status in (StepStatus.SUCCEEDED, StepStatus.NOT_UNDONE)


def _completed(order: ExecutionOrder, request: Request, option: ResolutionOption | None) -> dict[str, Any]:
    """The parameters with what the request knows; whose home and whose inbox it is are the request's alone."""
    if order.action in MESSAGES:
        return _message(order, request)
    home: dict[str, Any] = {"building_id": request.building_id, "unit": request.unit}
    fields = PARAMETERS[order.action].model_fields
    if "resident_id" in fields:
        home["resident_id"] = request.resident_id
    if "waits_for" in fields:
        home["waits_for"] = ()
    if option is None or "crew" not in fields:
        defaults = _defaults(order.action, request)
        return {**{name: value for name, value in defaults.items() if name in fields}, **order.parameters, **home}
    agreed = {name: getattr(option, name) for name in ("title", "crew", "steps", "vendor", "licence")}
    return {
        "instructions": request.message_text,
        **order.parameters,
        **home,
        **agreed,
        "cost_limit_usd": option.estimated_cost_usd.p90,
    }


def _message(order: ExecutionOrder, request: Request) -> dict[str, Any]:
    """Words of somebody's own, or those of a template that may be sent by hand: nobody speaks for the system."""
    event = order.parameters.get("event")
    if event is not None and not (isinstance(event, str) and event in EVENTS and EVENTS[event].by_hand):
        raise Invalid("This template is not sent by hand; write the words yourself.")
    if order.action is ActionKind.ALERT_ON_CALL:
        return {"role": Role.STAFF, **order.parameters, "building_id": request.building_id}
    to_resident = order.parameters.get("recipient_kind", "resident") == "resident"
    whose = {"recipient": request.resident_id, "recipient_kind": "resident"} if to_resident else {}
    kind = NoticeKind.REQUEST if to_resident else NoticeKind.WORK
    return {**order.parameters, **whose, "kind": kind}


def _defaults(action: ActionKind, request: Request) -> dict[str, Any]:
    """What the request says of an action: its words, its labels, and the resident's wishes for a visit."""
    known: dict[str, Any] = {"instructions": request.message_text, "description": request.message_text}
    if action is ActionKind.SCHEDULE_VISIT and request.preferences is not None:
        wishes = request.preferences
        known |= {name: getattr(wishes, name) for name in ("preferred_time_slots", "preferred_days", "avoid_days")}
    labels = request.classification
    if labels is None:
        return known
    crew = Crew(labels.trade) if labels.trade is not None else Crew.OFFICE
    return {**known, "title": f"{labels.category} request {request.request_id}", "crew": crew}
