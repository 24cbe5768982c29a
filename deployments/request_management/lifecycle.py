"""What may be done to a request, as pure functions from an item to its next form and the events that tell of it.

Each returns a `Change` or raises an error of `core.errors`; nothing here reads a clock or a store.
"""

from collections.abc import Sequence
from datetime import datetime

from core.contract import rfc3339
from core.errors import Forbidden, UnknownOption, WrongState
from core.labels import ApprovalTier, Category, ExecutionStatus, Intent, Status, Urgency
from core.messages import ExecutionCommand, ItemFailure, Resolved
from core.record import RequestRecord
from core.request import (
    Approval,
    Classification,
    Confidences,
    ExecutionSummary,
    Feedback,
    ResolutionOption,
    Risk,
)
from core.status import ENDED, require_legal
from deployments.request_management.change import SYSTEM, Change, Draft, end_work, quoted, require_status
from deployments.request_management.commands import (
    POLICY,
    commands_for_decision,
    emergency_alert,
    job_count,
    option_command,
    recall_notice,
    review_alert,
    unjudged_alert,
)


def open_record(record: RequestRecord, actor: str, now: datetime) -> Change:
    """The first form of a new request: submitted by `actor`, and in processing from the same moment on."""
    draft = Draft(record, now, actor)
    draft.tell("submitted", "The message was received.")
    draft.move(Status.PROCESSING, "The message is being looked at.")
    change = draft.done()
    # A new item is version 1 however it came about.
    request = change.record.request.model_copy(update={"version": 1})
    return Change(change.record.model_copy(update={"request": request}), change.events)


def apply_decision(
    record: RequestRecord, classification: Classification, risk: Risk, resolved: Resolved, now: datetime
) -> Change:
    """Store what was understood and decided, and start what policy starts by itself."""
    require_status(record, Status.PROCESSING)
    draft = Draft(record, now, SYSTEM)
    decision = resolved.decision
    draft.set(
        classification=classification,
        risk=risk,
        options=resolved.options,
        decision=decision,
        answer=resolved.answer,
        sla=resolved.sla,
        needs_attention=resolved.status in (Status.ESCALATED, Status.NEEDS_REVIEW),
    )
    draft.record_fields.update(trace=resolved.trace, retrieved=resolved.retrieved)
    draft.schedule(None, None)
    draft.tell(
        "classified",
        f"Understood as {classification.category}, {classification.urgency}.",
        source=classification.source,
        safety_rule=classification.safety_rule,
        confidence=round(classification.confidence, 4),
    )
    draft.move(resolved.status, _decision_sentence(resolved))
    acting = resolved.act_now is not None
    if acting:
        option = _require_option(record, resolved.options, str(resolved.act_now))
        _act_at_once(draft, option, resolved)
    draft.send(commands_for_decision(record, classification, resolved, draft.at))
    _queue_execution(draft)
    return draft.done()


def _act_at_once(draft: Draft, option: ResolutionOption, resolved: Resolved) -> None:
    """Policy agrees to the emergency action in advance; the tier that its cost needs agrees afterwards."""
    escalation, required = resolved.decision.escalation, option.approval
    in_advance = {"granted_by": POLICY, "at": draft.at} if required.rank else {}
    approval = Approval(required=required).model_copy(update=in_advance)
    draft.set(selected_option_id=option.option_id, approval=approval)
    draft.tell(
        "emergency_action",
        f"Policy starts this at once: {option.title}.",
        option_id=option.option_id,
        rule=escalation.rule if escalation else None,
    )
    if resolved.document_by is not None:
        whose = f" and agreed to by the {required}" if required.rank else ""
        draft.tell(
            "documentation_due",
            f"What was done is to be documented{whose} by {resolved.document_by:%Y-%m-%d %H:%M} UTC.",
            due_at=rfc3339(resolved.document_by),
            approval=str(required),
        )


def _decision_sentence(resolved: Resolved) -> str:
    if resolved.decision.escalation is not None:
        return resolved.decision.escalation.reason
    if resolved.status is Status.ANSWERED:
        return "The question was answered from the building's documents."
    if resolved.status is Status.NEEDS_REVIEW and resolved.trace.inputs.get("answered") is False:
        return "I don't know: the building's documents hold no sure answer. A person will answer you."
    if resolved.status is Status.NEEDS_REVIEW:
        return "A person will look at it."
    return f"{len(resolved.options)} options are ready to choose from."


def give_to_person(record: RequestRecord, failure: ItemFailure, now: datetime) -> Change:
    """The system can't do its part: the person on call is told at once, and what the safety screen found goes along."""
    require_status(record, Status.PROCESSING)
    draft = Draft(record, now, SYSTEM)
    draft.set(needs_attention=True)
    draft.schedule(None, None)
    draft.move(
        Status.NEEDS_REVIEW,
        f"A person will look at it: {failure.detail}",
        code=failure.code,
        safety_rule=failure.safety_rule,
    )
    draft.send((unjudged_alert(record, failure),))
    return draft.done()


def select_option(
    record: RequestRecord, option_id: str, actor: str, now: datetime, reason: str | None = None
) -> Change:
    """Choose an option; it is approved at once, or waits for whoever must agree. `reason` says why policy chose it."""
    require_status(record, Status.AWAITING_SELECTION)
    option = _require_option(record, record.request.options, option_id)
    draft = Draft(record, now, actor)
    draft.set(selected_option_id=option.option_id, approval=Approval(required=option.approval))
    draft.record_fields["selected_by"] = actor
    why = f" {reason}" if reason else ""
    draft.tell("option_selected", f"Chosen: {option.title}.{why}", option_id=option.option_id)
    if option.approval is ApprovalTier.NONE:
        _approve(draft, option, "No approval is needed at this cost.")
    else:
        draft.set(needs_attention=True)
        draft.move(Status.AWAITING_APPROVAL, f"The {option.approval} has to agree to the cost.")
    return draft.done()


def approve(record: RequestRecord, actor: str, authority: ApprovalTier, comment: str | None, now: datetime) -> Change:
    """Agree to the selected option's cost; `authority` is the highest tier that the actor may stand for.

    What an emergency started at once is agreed to afterwards, and its status stays as it is.
    """
    approval, option = record.request.approval, _selected(record)
    afterwards = approval is not None and approval.granted_by == POLICY
    if not afterwards:
        require_status(record, Status.AWAITING_APPROVAL)
    if approval is None or option is None:
        raise WrongState("No option is selected.")
    if approval.required.rank > authority.rank:
        raise ApprovalLimitExceeded(f"This cost needs the {approval.required}; your limit is the {authority} tier.")
    draft = Draft(record, now, actor)
    granted = approval.model_copy(update={"granted_by": actor, "at": now})
    if afterwards:
        draft.set(approval=granted)
        draft.tell("approved_afterwards", f"The emergency action was documented and agreed to.{quoted(comment)}")
        return draft.done()
    draft.set(approval=granted, needs_attention=False)
    _approve(draft, option, f"The cost was agreed to.{quoted(comment)}")
    return draft.done()


class ApprovalLimitExceeded(Forbidden):
    """The cost is above what the caller may agree to."""

    code = "approval_limit_exceeded"


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
    """Say that the matter is done, and what it took."""
    draft = Draft(record, now, actor)
    end_work(draft, notes, actual_cost_usd, actual_hours)
    return draft.done()


def confirm(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """The resident agrees that it is done."""
    draft = Draft(record, now, actor)
    draft.move(Status.CLOSED, f"Confirmed as done.{quoted(comment)}")
    return draft.done()


def reopen(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """It is not done after all; staff see it."""
    draft = Draft(record, now, actor)
    draft.move(Status.REOPENED, f"Reopened.{quoted(comment)}")
    draft.set(needs_attention=True)
    return draft.done()


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


RECALLABLE = frozenset({Status.AWAITING_APPROVAL, Status.APPROVED, Status.IN_PROGRESS})
"""Where a selection that policy made in the resident's place may still be cancelled."""


def _recall(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """The status machine has no such arrow: it is for what people selected."""
    selected, before = record.request.selected_option_id, record.request.status
    kept = tuple(command for command in record.outbox if command.option_id != selected)
    draft = Draft(record.model_copy(update={"outbox": kept}), now, actor)
    draft.record_fields["outbox"] = kept
    draft.set(status=Status.CANCELLED, needs_attention=False)
    draft.tell(
        "status_changed",
        f"Cancelled; policy had selected it in the resident's place.{quoted(comment)}",
        **{"from": str(before), "to": str(Status.CANCELLED)},
    )
    if before is not Status.AWAITING_APPROVAL:
        # What the queue holds already can't be taken out of it.
        draft.send((recall_notice(draft.record, actor),))
    return draft.done()


def escalate(record: RequestRecord, actor: str, comment: str | None, now: datetime) -> Change:
    """A person is asked to take over."""
    _require_judged(record)
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


def amend(
    record: RequestRecord,
    actor: str,
    now: datetime,
    *,
    status: Status | None = None,
    comment: str | None = None,
    category: Category | None = None,
    urgency: Urgency | None = None,
) -> Change:
    """A staff member's correction of labels, status or both, with a comment.

    A status that spends money or needs an option can't be set here: it has a call of its own. While the message is
    being looked at only a comment may be added, so that nothing keeps it from the safety screen.
    """
    draft = Draft(record, now, actor)
    if category is not None or urgency is not None or status is not None:
        _require_judged(record)
    if category is not None or urgency is not None:
        _correct_labels(draft, category, urgency)
    if status is not None:
        _set_status(draft, status, comment)
    elif comment is not None:
        draft.tell("comment", comment)
    return draft.done()


def _require_judged(record: RequestRecord) -> None:
    if record.request.status in (Status.SUBMITTED, Status.PROCESSING):
        raise WrongState("The message is still being looked at; please try again in a moment.")


def _set_status(draft: Draft, status: Status, comment: str | None) -> None:
    request = draft.record.request
    require_legal(draft.status, status)
    if status in (Status.APPROVED, Status.AWAITING_APPROVAL):
        raise WrongState("Choose an option with select-option and agree to its cost with approve.")
    if status is Status.AWAITING_SELECTION:
        if not request.options:
            raise WrongState("There are no options to choose from.")
        draft.set(selected_option_id=None, approval=None)
        draft.record_fields["selected_by"] = None
    message = f"Set by staff.{quoted(comment)}"
    if status is Status.RESOLVED:
        end_work(draft, comment or "Resolved by staff.")
    else:
        draft.move(status, message)
    draft.set(needs_attention=status in (Status.ESCALATED, Status.NEEDS_REVIEW, Status.REOPENED))


def _correct_labels(draft: Draft, category: Category | None, urgency: Urgency | None) -> None:
    before = draft.record.request.classification
    after = _corrected(before, category, urgency)
    draft.set(classification=after)
    draft.tell(
        "labels_corrected",
        f"Corrected to {after.category}, {after.urgency}.",
        category_before=str(before.category) if before else None,
        urgency_before=str(before.urgency) if before else None,
    )
    if after.emergency and not (before and before.emergency) and draft.status not in ENDED:
        _raise_alarm(draft)


def _corrected(before: Classification | None, category: Category | None, urgency: Urgency | None) -> Classification:
    """The labels after a correction; a message that nothing could judge gets its first ones from the person."""
    if before is None:
        if category is None or urgency is None:
            raise WrongState("The request has no labels yet; give both category and urgency.")
        before = Classification(
            category=category,
            urgency=urgency,
            intent=Intent.SOLVE_PROBLEM,
            confidence=1.0,
            source="user",
            emergency=False,
            model_version="none",
        )
    kind, level = category or before.category, urgency or before.urgency
    trade = before.trade if kind is Category.MAINTENANCE else None
    changes = {"category": kind, "urgency": level, "trade": trade, "source": "user"}
    certain: dict[str, object] = {
        "emergency": level is Urgency.EMERGENCY,
        "confidences": _surer(before.confidences, category, urgency),
    }
    if category is not None:
        certain["confidence"] = 1.0
    return before.model_copy(update={**changes, **certain})


def _surer(before: Confidences | None, category: Category | None, urgency: Urgency | None) -> Confidences | None:
    """There is no doubt about what a person said."""
    said = {"category": category, "urgency": urgency}
    certain: dict[str, float | None] = {head: 1.0 for head, label in said.items() if label is not None}
    if category not in (None, Category.MAINTENANCE):
        certain["trade"] = None
    return before and before.model_copy(update=certain)


def _raise_alarm(draft: Draft) -> None:
    """Somebody has seen that it is an emergency: the person on call is told, and it waits for no selection."""
    draft.set(needs_attention=True)
    if draft.status is Status.AWAITING_SELECTION:
        draft.move(Status.ESCALATED, "It is an emergency after all and waits for no selection.")
    draft.send((emergency_alert(draft.record, draft.actor),))


def _approve(draft: Draft, option: ResolutionOption, message: str) -> None:
    draft.move(Status.APPROVED, message)
    request = draft.record.request.model_copy(update=draft.fields)
    command = option_command(draft.record.model_copy(update={"request": request}), option, draft.actor, draft.at)
    draft.send((command,))
    _queue_execution(draft)


def _queue_execution(draft: Draft) -> None:
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


def _require_option(record: RequestRecord, options: Sequence[ResolutionOption], option_id: str) -> ResolutionOption:
    for option in options:
        if option.option_id == option_id:
            return option
    raise UnknownOption(f"Request {record.request.request_id} has no option {option_id[:80]}.")
