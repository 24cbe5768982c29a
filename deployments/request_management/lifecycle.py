"""What may be done to a request, as pure functions from an item to its next form and the events that tell of it.

Each returns a `Change` or raises an error of `core.errors`; nothing here reads a clock or a store.
"""

from collections.abc import Sequence
from datetime import datetime

from core.errors import Forbidden, UnknownOption, WrongState
from core.execution import ExecutionCommand
from core.execution_labels import ExecutionStatus
from core.labels import ApprovalTier, Status
from core.record import NextAction, RequestRecord
from core.request import Approval, Classification, ExecutionSummary, Feedback, ResolutionOption
from core.status import ENDED, RECALLABLE, UNJUDGED
from deployments.request_management.change import Change, Draft, quoted, require_status
from deployments.request_management.commands import (
    POLICY,
    emergency_alert,
    job_count,
    option_command,
    recall_notice,
    reopening_notice,
    review_alert,
)
from deployments.request_management.ending import end_work
from deployments.request_management.incident_lead import require_own_work
from deployments.request_management.orders import set_selection_aside, set_work_aside


def open_record(record: RequestRecord, actor: str, now: datetime) -> Change:
    """The first form of a new request: submitted by `actor`, and in processing from the same moment on."""
    draft = Draft(record, now, actor)
    draft.tell("submitted", "The message was received.")
    draft.move(Status.PROCESSING, "The message is being looked at.")
    change = draft.done()
    # A new item is version 1 however it came about.
    request = change.record.request.model_copy(update={"version": 1})
    return Change(change.record.model_copy(update={"request": request}), change.events)


def select_option(
    record: RequestRecord,
    option_id: str,
    actor: str,
    now: datetime,
    reason: str | None = None,
    *,
    required: ApprovalTier = ApprovalTier.NONE,
) -> Change:
    """Choose an option; it is approved at once, or waits for whoever must agree. `reason` says why policy chose it.

    `required` is the tier that its cost needs together with what was ordered beside it.
    """
    require_own_work(record)
    require_status(record, Status.AWAITING_SELECTION)
    draft = Draft(record, now, actor)
    option = require_option(record, record.request.options, option_id)
    choose(draft, option, reason, required)
    return draft.done()


def choose(
    draft: Draft, option: ResolutionOption, reason: str | None = None, required: ApprovalTier = ApprovalTier.NONE
) -> None:
    """Select an option for the draft's actor."""
    needed = higher(option.approval, required)
    draft.set(selected_option_id=option.option_id, approval=Approval(required=needed))
    draft.record_fields["selected_by"] = draft.actor
    why = f" {reason}" if reason else ""
    draft.tell("option_selected", f"Chosen: {option.title}.{why}", option_id=option.option_id)
    if needed is ApprovalTier.NONE:
        _approve(draft, option, "No approval is needed at this cost.")
    else:
        draft.set(needs_attention=True)
        draft.move(Status.AWAITING_APPROVAL, f"The {needed} has to agree to the cost.")


def higher(first: ApprovalTier, second: ApprovalTier) -> ApprovalTier:
    """The one of two tiers that may agree to more."""
    return first if first.rank >= second.rank else second


def approve(
    record: RequestRecord,
    actor: str,
    authority: ApprovalTier,
    comment: str | None,
    now: datetime,
    *,
    required: ApprovalTier = ApprovalTier.NONE,
) -> Change:
    """Agree to the selected option's cost; `authority` is the highest tier that the actor may stand for.

    `required` is the tier that the cost needs together with what was ordered beside it. What an emergency started at
    once is agreed to afterwards, and its status stays as it is.
    """
    approval, option = record.request.approval, _selected(record)
    afterwards = approval is not None and approval.granted_by == POLICY
    if not afterwards:
        require_own_work(record)
        require_status(record, Status.AWAITING_APPROVAL)
    if approval is None or option is None:
        raise WrongState("No option is selected.")
    needed = higher(approval.required, required)
    if needed.rank > authority.rank:
        raise ApprovalLimitExceeded(needed, authority)
    draft = Draft(record, now, actor)
    granted = approval.model_copy(update={"required": needed, "granted_by": actor, "at": now})
    if afterwards:
        draft.set(approval=granted)
        draft.record_fields["document_by"] = None
        draft.tell("approved_afterwards", f"The emergency action was documented and agreed to.{quoted(comment)}")
        return draft.done()
    draft.set(approval=granted, needs_attention=False)
    _approve(draft, option, f"The cost was agreed to.{quoted(comment)}")
    return draft.done()


class ApprovalLimitExceeded(Forbidden):
    """The cost is above what the caller may agree to."""

    code = "approval_limit_exceeded"

    def __init__(self, required: ApprovalTier, limit: ApprovalTier) -> None:
        Exception.__init__(self, required, limit)
        self.required, self.limit = required, limit
        self.detail = f"This cost needs the {required}; your limit is the {limit} tier."

    def members(self) -> dict[str, object]:
        return {"required_tier": str(self.required), "limit_tier": str(self.limit)}


def reject(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """Refuse the selected option; another may be chosen."""
    require_status(record, Status.AWAITING_APPROVAL)
    draft = Draft(record, now, actor)
    draft.set(selected_option_id=None, approval=None, needs_attention=False)
    draft.record_fields["selected_by"] = None
    draft.move(Status.AWAITING_SELECTION, f"The cost was not agreed to; please choose again.{quoted(comment)}")
    return draft.done()


def resolve(
    record: RequestRecord,
    actor: str,
    notes: str,
    now: datetime,
    *,
    actual_cost_usd: float | None = None,
    actual_hours: float | None = None,
) -> Change:
    """Say that the matter is done, and what it took; a cost is this job's own, not the request's in all."""
    draft = Draft(record, now, actor)
    document(draft)
    end_work(draft, notes, actual_cost_usd, actual_hours)
    return draft.done()


def confirm(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """The resident agrees that it is done."""
    draft = Draft(record, now, actor)
    draft.move(Status.CLOSED, f"Confirmed as done.{quoted(comment)}")
    return draft.done()


def reopen(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """It is not done after all, or the answer was none: staff are told, and the clock goes on."""
    draft = Draft(record, now, actor)
    begin_again(draft, f"Reopened.{quoted(comment)}")
    return draft.done()


def begin_again(draft: Draft, message: str) -> None:
    """Reopen the request of a draft; an emergency's alarm is raised anew."""
    labels = _labels(draft)
    # What nothing could label was one where a safety rule had raised the alarm.
    emergency = draft.record.alarmed if labels is None else labels.emergency
    draft.move(Status.REOPENED, message)
    set_work_aside(draft)
    draft.set(needs_attention=True, reopened=draft.record.request.reopened + 1)
    draft.send((reopening_notice(draft.record),))
    draft.record_fields["alarmed"] = False
    if emergency:
        raise_emergency(draft, f"It is an emergency, and {draft.actor} says that it is not over.")


def raise_emergency(draft: Draft, reason: str | None = None) -> None:
    """A person has seen that it is an emergency, which waits for nobody; once in a change.

    The person on call and the resident are told in this very change; policy's action follows as soon as policy is
    asked.
    """
    if draft.record_fields.get("emergency_raised_at") is not None:
        return
    draft.schedule(NextAction.REVISE, draft.at)
    draft.set(needs_attention=True)
    if draft.status is Status.AWAITING_APPROVAL:
        set_selection_aside(draft)
        draft.move(Status.AWAITING_SELECTION, "It is an emergency after all and waits for no agreement.")
    if draft.status is Status.AWAITING_SELECTION:
        draft.move(Status.ESCALATED, "It is an emergency after all and waits for no selection.")
    draft.record_fields.update(alarmed=True, emergency_raised_at=draft.at)
    labels = _labels(draft)
    advice = labels.safety_advice if labels is not None else None
    draft.tell("alarm_raised", "The person on call was alerted to an emergency.")
    draft.send((emergency_alert(draft.record, draft.actor, advice, reason),))


def _labels(draft: Draft) -> Classification | None:
    return draft.fields.get("classification", draft.record.request.classification)


def cancel(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """It is no longer wanted.

    A selection can't be taken back once work was ordered, but for one that policy made in the resident's place: that
    can be cancelled until the work is done, and staff are told to stop it.
    """
    if record.selected_by == POLICY and record.request.status in RECALLABLE:
        return _recall(record, actor, comment, now)
    draft = Draft(record, now, actor)
    draft.move(Status.CANCELLED, f"Cancelled.{quoted(comment)}")
    draft.set(needs_attention=False)
    return draft.done()


def _recall(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    selected, before = record.request.selected_option_id, record.request.status
    kept = tuple(command for command in record.outbox if command.option_id != selected)
    draft = Draft(record.model_copy(update={"outbox": kept}), now, actor)
    draft.record_fields["outbox"] = kept
    draft.set(needs_attention=False)
    draft.recall(f"Cancelled; policy had selected it in the resident's place.{quoted(comment)}")
    if before is not Status.AWAITING_APPROVAL:
        # What the queue holds already can't be taken out of it.
        draft.send((recall_notice(draft.record, actor),))
    return draft.done()


def escalate(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """A person is asked to take over."""
    require_judged(record)
    draft = Draft(record, now, actor)
    draft.move(Status.ESCALATED, f"A person was asked to take over.{quoted(comment)}")
    draft.set(needs_attention=True)
    draft.send((review_alert(record, "the resident or staff asked for a person"),))
    return draft.done()


def give_feedback(record: RequestRecord, actor: str, rating: int, comment: str | None, now: datetime) -> Change:
    """Keep how the resident found it."""
    require_status(record, *ENDED - {Status.CANCELLED})
    draft = Draft(record, now, actor)
    draft.set(feedback=Feedback(rating=rating, comment=comment, at=now))
    draft.tell("feedback", f"Rated {rating} of 5.", rating=rating)
    return draft.done()


def _approve(draft: Draft, option: ResolutionOption, message: str) -> None:
    draft.move(Status.APPROVED, message)
    request = draft.record.request.model_copy(update=draft.fields)
    command = option_command(draft.record.model_copy(update={"request": request}), option, draft.actor, draft.at)
    draft.send((command,))
    show_execution(draft)


def show_execution(draft: Draft) -> None:
    """Show the command that carries out the selected option as the request's execution."""
    outbox: tuple[ExecutionCommand, ...] = draft.record_fields.get("outbox", ())
    selected = draft.fields.get("selected_option_id", draft.record.request.selected_option_id)
    for command in outbox:
        if selected is not None and command.option_id == selected:
            draft.set(
                execution=ExecutionSummary(
                    execution_id=command.execution_id, status=ExecutionStatus.QUEUED, jobs=job_count(command)
                )
            )


def _selected(record: RequestRecord) -> ResolutionOption | None:
    selected = record.request.selected_option_id
    return None if selected is None else record.request.option(selected)


def require_option(record: RequestRecord, options: Sequence[ResolutionOption], option_id: str) -> ResolutionOption:
    for option in options:
        if option.option_id == option_id:
            return option
    raise UnknownOption(f"Request {record.request.request_id} has no option {option_id[:80]}.")


def require_judged(record: RequestRecord) -> None:
    """Pass where the message is no longer being looked at; else raise `WrongState`."""
    if record.request.status in UNJUDGED:
        raise WrongState("The message is still being looked at; please try again in a moment.")


def document(draft: Draft) -> None:
    """What a person says of an emergency's action documents it; a cost that needs a tier needs its agreement too."""
    approval = draft.record.request.approval
    if draft.record.document_by is not None and (approval is None or approval.required is ApprovalTier.NONE):
        draft.record_fields["document_by"] = None
