"""What staff correct on a request: its status, its labels, what it waits for; pure functions."""

from datetime import datetime
from typing import Literal

from core.errors import WrongState
from core.labels import Category, Intent, Status, Urgency
from core.record import LabelCorrection, NextAction, RequestRecord
from core.request import Classification, Confidences
from core.status import ENDED, require_legal
from deployments.request_management.change import Change, Draft, quoted
from deployments.request_management.ending import end_work
from deployments.request_management.lifecycle import begin_again, document, raise_emergency, require_judged
from deployments.request_management.orders import at_work, set_selection_aside

WAITING: dict[Literal["access"], str] = {"access": "The work waits for access to the home."}


def amend(
    record: RequestRecord,
    actor: str,
    now: datetime,
    *,
    status: Status | None = None,
    comment: str | None = None,
    category: Category | None = None,
    urgency: Urgency | None = None,
    waiting_for_access: bool | None = None,
) -> Change:
    """A staff member's correction of labels, status or both, with a comment.

    A status that spends money or needs an option can't be set here: it has a call of its own. While the message is
    being looked at only a comment may be added, so that nothing keeps it from the safety screen.
    """
    draft = Draft(record, now, actor)
    if not (category is urgency is status is waiting_for_access is None):
        require_judged(record)
    if category is not None or urgency is not None:
        _correct_labels(draft, category, urgency)
    if waiting_for_access is not None:
        _wait(draft, waiting_for_access)
    if status is not None:
        _set_status(draft, status, comment)
    elif comment is not None:
        document(draft)
        draft.tell("comment", comment)
    if "classification" in draft.fields:
        _follow_labels(draft)
    return draft.done()


def _wait(draft: Draft, waiting: bool) -> None:
    if draft.status in ENDED:
        raise WrongState(f"The request is {draft.status}; it waits for nothing.")
    if waiting == (draft.record.waiting_for == "access"):
        return
    draft.record_fields["waiting_for"] = "access" if waiting else None
    if waiting:
        draft.tell("waiting", WAITING["access"], waiting_for="access")
    else:
        draft.tell("waiting_ended", "There is access to the home.", waiting_for="access")


def _set_status(draft: Draft, status: Status, comment: str | None) -> None:
    require_legal(draft.status, status)
    if status in (Status.APPROVED, Status.AWAITING_APPROVAL):
        raise WrongState("Choose an option with select-option and agree to its cost with approve.")
    if status is Status.AWAITING_SELECTION:
        _require_free_choice(draft.record)
        set_selection_aside(draft)
    message = f"Set by staff.{quoted(comment)}"
    draft.set(needs_attention=status in (Status.ESCALATED, Status.NEEDS_REVIEW))
    if status is Status.RESOLVED:
        document(draft)
        end_work(draft, comment or "Resolved by staff.")
    elif status is Status.REOPENED:
        begin_again(draft, message)
    else:
        draft.move(status, message)


def _require_free_choice(record: RequestRecord) -> None:
    execution = record.request.execution
    if not record.request.options:
        raise WrongState("There are no options to choose from.")
    if record.document_by is not None:
        raise WrongState("What policy started for the emergency has to be documented and agreed to first.")
    if execution is not None and at_work(execution):
        raise WrongState(f"The selected option is being carried out, by {execution.execution_id}.")


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
    if before is None or (before.category, before.urgency) != (after.category, after.urgency):
        _keep_correction(draft, before, after)


def _follow_labels(draft: Draft) -> None:
    """What corrected labels cause in the status that the request has by then."""
    if draft.status in ENDED:
        return
    before: Classification | None = draft.record.request.classification
    after: Classification = draft.fields["classification"]
    alarmed = draft.record_fields.get("alarmed", draft.record.alarmed)
    draft.schedule(NextAction.REVISE, draft.at)
    if after.emergency and not (before and before.emergency and alarmed):
        raise_emergency(draft)


def _keep_correction(draft: Draft, before: Classification | None, after: Classification) -> None:
    correction = LabelCorrection(
        at=draft.at,
        by=draft.actor,
        category_before=before.category if before else None,
        category_after=after.category,
        urgency_before=before.urgency if before else None,
        urgency_after=after.urgency,
        model_version=before.model_version if before else None,
        confidence=before.confidence if before else None,
    )
    draft.record_fields["corrections"] = (*draft.record.corrections, correction)


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
