"""Who leads an incident: on the leading request its work is ordered, and on none of those that follow it."""

from collections.abc import Sequence
from datetime import datetime

from core.errors import Invalid, WrongState
from core.execution_labels import ActionKind, ExecutionStatus
from core.record import RequestRecord
from core.request import Request, RequestId
from core.status import ENDED

WORK = frozenset(
    {
        ActionKind.DISPATCH_WORK_ORDER,
        ActionKind.CREATE_STAFF_TASK,
        ActionKind.SCHEDULE_VISIT,
        ActionKind.ORDER_PART,
        ActionKind.CLOSE_AMENITY,
    }
)
"""What is done about a fault, and so once for all who report it; a credit or a code is one resident's own."""


class HandledTogether(WrongState):
    """The request follows another one, on which the work is done."""

    code = "handled_by_incident"

    def __init__(self, incident_id: str) -> None:
        Exception.__init__(self, incident_id)
        self.incident_id = incident_id
        self.detail = (
            f"This request is handled together with others in the incident {incident_id}; its leading request carries"
            " the work. It has work of its own again when it is taken out, or the incident is dismissed."
        )

    def members(self) -> dict[str, object]:
        return {"incident_id": self.incident_id}


def require_own_work(record: RequestRecord) -> None:
    """Pass where work may be ordered on the request itself; else raise `HandledTogether`.

    Nobody in danger waits for another home's crew: on an emergency work may always be ordered.
    """
    labels = record.request.classification
    if labels is not None and labels.emergency:
        return
    if record.led_by is not None and record.request.incident_id is not None:
        raise HandledTogether(record.request.incident_id)


def require_orderable(record: RequestRecord, action: ActionKind) -> None:
    """As `require_own_work`, of one order; what is no work on the fault may be ordered on any request."""
    if action in WORK:
        require_own_work(record)


def leader_of(wanted: RequestId | None, members: Sequence[Request]) -> RequestId:
    """Who leads an incident that is being accepted: the wanted one, else the earliest on which work was ordered.

    Where none was, the earliest that is open. `members` are its requests as they are now. Raises `Invalid` for one
    that can't lead, `WrongState` where none can.
    """
    able = [one for one in members if one.status not in ENDED]
    if not able:
        raise WrongState("All requests of the incident have ended; dismiss it.")
    if wanted is None:
        return min(able, key=_precedence).request_id
    if wanted not in {one.request_id for one in able}:
        raise Invalid(f"Request {wanted[:80]} is no open request of this incident and can't lead it.")
    return wanted


def _precedence(request: Request) -> tuple[bool, datetime, str]:
    execution = request.execution
    is_ordered = execution is not None and execution.status is not ExecutionStatus.DEAD_LETTERED
    return not is_ordered, request.created_at, request.request_id
