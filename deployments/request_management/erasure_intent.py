"""What an erasure is to come to and came to: as it is asked for, kept until it is done, recorded, and told."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from core.contract import Contract, UtcTime
from core.erasure import ErasureScope
from core.errors import Conflict
from core.ports.documents import Document
from core.request import RequestId, ResidentId

KIND = "erasure"
"""What is still to be finished, by resident."""
DONE_KIND = "erasure-record"
"""What was erased, by pseudonym: nothing in it names the resident."""
PARTITION = "all"


class ErasureOrder(Contract):
    """`DELETE /residents/{resident_id}`."""

    reason: str = Field(min_length=1, max_length=300)
    """Kept with the record of the erasure: it should name nobody."""


class Erasure(Contract):
    """What an erasure comes to."""

    resident_id: str
    status: Literal["planned", "in_progress", "done"]
    """`planned` for a dry run. `in_progress` goes on by itself; the same call says how far it is."""
    requests: int
    attachments: int
    incidents: int
    """That the resident follows or that their requests are in."""
    notifications: int
    """That were sent to the resident."""
    open_requests: tuple[RequestId, ...] = ()
    """They must have ended first."""
    pseudonym: str | None = None
    """Takes the place of the resident's id on the requests; null for a dry run, or where there was nothing."""


class Intent(Contract):
    """An erasure that has begun, as it is stored."""

    resident_id: ResidentId
    pseudonym: ResidentId
    request_ids: tuple[RequestId, ...]
    buildings: tuple[str, ...]
    attachments: int
    incidents: int
    notifications: int
    reason: str
    requested_by: str
    requested_at: UtcTime
    tried_at: UtcTime

    @property
    def scope(self) -> ErasureScope:
        """Whose data."""
        return ErasureScope(self.resident_id, self.pseudonym, frozenset(self.request_ids))


class ErasureRecord(Contract):
    """That data were erased, without whose."""

    pseudonym: ResidentId
    buildings: tuple[str, ...]
    requests: int
    attachments: int
    reason: str
    requested_by: str
    requested_at: UtcTime
    finished_at: UtcTime


class OpenRequests(Conflict):
    """The resident has requests that somebody still has to act on."""

    code = "open_requests"

    def __init__(self, request_ids: tuple[str, ...]) -> None:
        Exception.__init__(self, request_ids)
        self.request_ids = request_ids
        self.detail = f"{len(request_ids)} requests of the resident are open; end them first, then erase."

    def members(self) -> dict[str, object]:
        return {"open_requests": list(self.request_ids)}


@dataclass(frozen=True)
class Holdings:
    """What there is of a resident."""

    request_ids: tuple[RequestId, ...]
    open_requests: tuple[RequestId, ...]
    buildings: frozenset[str]
    attachments: int
    incidents: int
    notifications: int

    @property
    def is_nothing(self) -> bool:
        """Whether there is anything to erase."""
        return not (self.request_ids or self.attachments or self.incidents or self.notifications)


def report(begun: Intent, status: Literal["in_progress", "done"], waiting: tuple[RequestId, ...] = ()) -> Erasure:
    """How a begun erasure stands."""
    return Erasure(
        resident_id=begun.resident_id,
        status=status,
        requests=len(begun.request_ids),
        attachments=begun.attachments,
        incidents=begun.incidents,
        notifications=begun.notifications,
        open_requests=waiting,
        pseudonym=begun.pseudonym,
    )


def read(document: Document) -> Intent:
    """The intent as it is stored."""
    return Intent.model_validate(dict(document.body))


def document_of(begun: Intent, version: int) -> Document:
    """The document that keeps it until it is done."""
    body = begun.model_dump(mode="json")
    return Document(KIND, begun.resident_id, PARTITION, body["requested_at"], version, body)
