"""What residents are told whose home the same fault concerns: of another's request never more than how it stands."""

import hashlib
from collections.abc import Sequence

from core.actions import NotifyParameters
from core.correlation import current_correlation
from core.labels import ActionKind, Status, Urgency
from core.messages import ActionCall, ExecutionCommand
from core.record import RequestRecord
from core.request import ExecutionId, ResidentId

_SENTENCES = {
    Status.AWAITING_SELECTION: "Staff look at how to go on.",
    Status.AWAITING_APPROVAL: "The cost of the repair is being agreed to.",
    Status.APPROVED: "The work was ordered.",
    Status.IN_PROGRESS: "The work has started.",
    Status.ESCALATED: "Staff have taken it over.",
    Status.NEEDS_REVIEW: "Staff look at it.",
    Status.RESOLVED: "The work is reported as done. If it is not so in your home, please reopen your request.",
    Status.CLOSED: "It was confirmed as done.",
    Status.REOPENED: "It is not done after all; staff look at it again.",
    Status.CANCELLED: "The request that led the work was withdrawn; staff go on with the others.",
}


def status_news(record: RequestRecord, status: Status) -> tuple[ExecutionCommand, ...]:
    """The command that tells all subscribers of a new status; none where nobody subscribed."""
    sentence = _SENTENCES.get(status)
    if sentence is None:
        return ()
    labels = record.request.classification
    topic = (labels.trade or labels.category) if labels else None
    what = f" ({str(topic).lower()})" if topic else ""
    body = f"The fault in your building that you reported or follow{what}: {sentence}"
    return tell(record, "status", record.subscribers, "News of the fault in your building", body)


def tell(
    record: RequestRecord, purpose: str, residents: Sequence[ResidentId], subject: str, body: str
) -> tuple[ExecutionCommand, ...]:
    """One command that tells these residents; without the request's id, which is none of their business."""
    if not residents:
        return ()
    request = record.request
    # As every command's, the id is the same for the same version; but the request can't be told from it.
    digest = hashlib.sha256(f"{request.request_id}:{request.version}:{purpose}".encode()).hexdigest()
    command = ExecutionCommand(
        execution_id=ExecutionId(f"EXE_{digest[:24]}"),
        request_id=None,
        urgency=Urgency.MEDIUM,
        actions=tuple(_notice(resident, subject, body) for resident in residents),
        correlation_id=current_correlation() or record.correlation_id,
        requested_by="system",
    )
    return (command,)


def _notice(resident: ResidentId, subject: str, body: str) -> ActionCall:
    parameters = NotifyParameters(recipient_kind="resident", recipient=resident, subject=subject, body=body)
    return ActionCall(action=ActionKind.NOTIFY, parameters=parameters.model_dump(mode="json"))
