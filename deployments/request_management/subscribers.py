"""What residents are told whose home the same fault concerns: of another's request never more than how it stands."""

import hashlib
from collections.abc import Mapping, Sequence

from core.actions import NotifyParameters
from core.correlation import current_correlation
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind
from core.labels import Status, Urgency
from core.record import RequestRecord
from core.request import ExecutionId, ResidentId

TOLD = frozenset(
    {
        Status.AWAITING_SELECTION,
        Status.AWAITING_APPROVAL,
        Status.APPROVED,
        Status.IN_PROGRESS,
        Status.ESCALATED,
        Status.NEEDS_REVIEW,
        Status.RESOLVED,
        Status.CLOSED,
        Status.REOPENED,
        Status.CANCELLED,
    }
)
"""Of which statuses they hear."""


def status_news(record: RequestRecord, status: Status) -> tuple[ExecutionCommand, ...]:
    """The command that tells all subscribers of a new status; none where nobody subscribed."""
    if status not in TOLD:
        return ()
    labels = record.request.classification
    topic = str(labels.trade or labels.category) if labels else ""
    return tell(record, "status", record.subscribers, "incident_status", topic=topic, status=status)


def tell(
    record: RequestRecord, purpose: str, residents: Sequence[ResidentId], event: str, **fields: str
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
        actions=tuple(_notice(resident, event, fields) for resident in residents),
        correlation_id=current_correlation() or record.correlation_id,
        requested_by="system",
    )
    return (command,)


def _notice(resident: ResidentId, event: str, fields: Mapping[str, str]) -> ActionCall:
    parameters = NotifyParameters(recipient_kind="resident", recipient=resident, event=event, fields={**fields})
    return ActionCall(action=ActionKind.NOTIFY, parameters=parameters.model_dump(mode="json"))
