"""Everything that is held about one resident, as one JSON document that is written little by little."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.contract import Contract, UtcTime, rfc3339
from core.errors import NotFound
from core.execution import Notification
from core.identity import Principal
from core.labels import Category, Urgency
from core.messages import DecisionTrace, Retrieved
from core.ports.store import RequestStore
from core.record import LabelCorrection, LabelObjection
from core.request import Event, Request, RequestId, ResidentId
from core.service_terms import ServiceTerms
from deployments.request_management.attachments import AttachmentAddress, Attachments
from deployments.request_management.audit import PORTFOLIO, AuditEntry, AuditLog
from deployments.request_management.incidents import Incidents
from deployments.request_management.intake import named_home
from deployments.request_management.peers import ExecutionDesk

PAGE = 50


class HeldRequest(Contract):
    """A request with its timeline."""

    request: Request
    chosen_category: Category | None
    chosen_urgency: Urgency | None
    terms: ServiceTerms | None
    timeline: tuple[Event, ...]
    """For the resident without what is for staff only."""
    objections: tuple[LabelObjection, ...] = ()
    """What the resident said against the labels."""
    corrections: tuple[LabelCorrection, ...] | None = None
    """For managers."""
    trace: DecisionTrace | None = None
    """What the decision rested on; for managers."""
    retrieved: tuple[Retrieved, ...] | None = None
    """For managers."""


class HeldNotification(Contract):
    """What the resident was sent."""

    notification_id: str
    channel: str
    at: UtcTime
    notification: Notification


class HeldIncident(Contract):
    """An incident that the resident follows or has a request in; nothing of anybody else."""

    incident_id: str
    building_id: str
    status: str
    title: str
    since: UtcTime
    updated_at: UtcTime
    request_ids: tuple[RequestId, ...]
    """The resident's own."""
    subscribed: bool
    unsubscribed: bool


class ResidentData(Contract):
    """`GET /residents/{resident_id}/export`."""

    resident_id: str
    exported_at: UtcTime
    requests: tuple[HeldRequest, ...]
    """Newest first."""
    attachments: tuple[AttachmentAddress, ...]
    """Oldest first; their addresses hold for ten minutes."""
    notifications: tuple[HeldNotification, ...]
    """Newest first."""
    incidents: tuple[HeldIncident, ...]
    audit: tuple[AuditEntry, ...]
    """Who did something to any of it, newest first; for managers."""


@dataclass
class _Seen:
    """What the parts that are written first tell the later ones."""

    request_ids: set[str] = field(default_factory=set[str])
    is_part: bool = False
    """Some of it belongs to buildings that are not the caller's."""
    buildings: set[str] = field(default_factory=set[str])


class ResidentDataExport:
    """Writes down what is held about a resident, for themself or for a manager of their building."""

    def __init__(
        self,
        store: RequestStore,
        attachments: Attachments,
        incidents: Incidents,
        execution: ExecutionDesk,
        audit: AuditLog,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._attachments = attachments
        self._incidents = incidents
        self._execution = execution
        self._audit = audit
        self._clock = clock

    async def open(self, principal: Principal, resident_id: str, base_url: str) -> AsyncIterator[bytes]:
        """The document's bytes, made as they are taken; one that breaks off is no JSON. Raises `NotFound` at once."""
        await self._require_known(principal, resident_id)
        return self._document(principal, resident_id, base_url)

    async def _document(self, principal: Principal, resident_id: str, base_url: str) -> AsyncIterator[bytes]:
        seen = _Seen()
        home = named_home(resident_id)
        if home is not None:
            is_covered = principal.is_resident or principal.covers(home[0])
            seen.buildings |= {home[0]} if is_covered else set()
            seen.is_part = not is_covered
        parts: Sequence[tuple[str, AsyncIterator[Contract]]] = (
            ("requests", self._requests(principal, resident_id, seen)),
            ("attachments", self._files(principal, resident_id, base_url, seen)),
            ("notifications", self._notifications(resident_id, seen)),
            ("incidents", self._followed(resident_id, seen)),
            ("audit", self._audited(principal, resident_id, seen)),
        )
        head = _Head(resident_id=resident_id, exported_at=self._clock())
        yield head.model_dump_json().removesuffix("}").encode()
        for name, items in parts:
            yield f',"{name}":['.encode()
            between = b""
            async for item in items:
                yield between + item.model_dump_json().encode()
                between = b","
            yield b"]"
        yield b"}"

    async def _require_known(self, principal: Principal, resident_id: str) -> None:
        """Raises `NotFound` for another resident, and for a manager to whose buildings nothing of them belongs."""
        hidden = NotFound("There is no such resident.")
        if principal.is_resident:
            if principal.sub != resident_id:
                raise hidden
            return
        home = named_home(resident_id)
        if principal.buildings is None or (home is not None and principal.covers(home[0])):
            return
        async for request in self._each_request(resident_id):
            if principal.covers(request.building_id):
                return
        if not any(principal.covers(file.building_id) for file in await self._attachments.of_resident(resident_id)):
            raise hidden

    async def _each_request(self, resident_id: str) -> AsyncIterator[Request]:
        cursor: str | None = None
        while True:
            page = await self._store.list_by_resident(ResidentId(resident_id), limit=PAGE, cursor=cursor)
            for request in page.items:
                yield request
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _requests(self, principal: Principal, resident_id: str, seen: _Seen) -> AsyncIterator[Contract]:
        async for request in self._each_request(resident_id):
            if not principal.is_resident and not principal.covers(request.building_id):
                seen.is_part = True
                continue
            record = await self._store.get(request.request_id)
            if record is None or record.request.resident_id != resident_id:
                continue
            seen.request_ids.add(request.request_id)
            seen.buildings.add(request.building_id)
            events = await self._store.events(request.request_id)
            for_staff: dict[str, Any] = {
                "corrections": record.corrections,
                "trace": record.trace,
                "retrieved": record.retrieved,
            }
            yield HeldRequest(
                request=record.request,
                chosen_category=record.chosen_category,
                chosen_urgency=record.chosen_urgency,
                terms=record.terms,
                objections=record.objections,
                timeline=tuple(event for event in events if not (event.internal and principal.is_resident)),
                **({} if principal.is_resident else for_staff),
            )

    async def _files(
        self, principal: Principal, resident_id: str, base_url: str, seen: _Seen
    ) -> AsyncIterator[Contract]:
        for file in await self._attachments.of_resident(resident_id):
            if principal.is_resident or principal.covers(file.building_id):
                seen.buildings.add(file.building_id)
                yield await self._attachments.address(principal, file.attachment_id, base_url)

    async def _notifications(self, resident_id: str, seen: _Seen) -> AsyncIterator[Contract]:
        cursor: str | None = None
        while True:
            page = await self._execution.notifications(recipient=resident_id, limit=PAGE, cursor=cursor)
            for one in page.items:
                # Of what names no request, nobody can tell to which building it belongs.
                if not seen.is_part or one.notification.request_id in seen.request_ids:
                    yield HeldNotification(
                        notification_id=one.notification_id,
                        channel=one.channel,
                        at=one.at,
                        notification=one.notification,
                    )
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _followed(self, resident_id: str, seen: _Seen) -> AsyncIterator[Contract]:
        async for one in self._incidents.about(seen.buildings, resident_id, seen.request_ids):
            own = tuple(each for each in (*one.members, *one.candidates, *one.left) if each in seen.request_ids)
            yield HeldIncident(
                incident_id=one.incident_id,
                building_id=one.building_id,
                status=one.status,
                title=one.title,
                since=one.created_at,
                updated_at=one.updated_at,
                request_ids=own,
                subscribed=resident_id in one.subscribers,
                unsubscribed=resident_id in one.unsubscribed,
            )

    async def _audited(self, principal: Principal, resident_id: str, seen: _Seen) -> AsyncIterator[Contract]:
        if principal.is_resident:
            return
        named = {resident_id, *seen.request_ids}
        chains = [*sorted(seen.buildings), *([PORTFOLIO] if principal.buildings is None else [])]
        for chain in chains:
            cursor: str | None = None
            while True:
                page = await self._audit.entries(principal, chain, PAGE, cursor)
                for entry in page.items:
                    if not named.isdisjoint(part.partition("=")[2] for part in entry.target.split()):
                        yield entry
                cursor = page.next_cursor
                if cursor is None:
                    break


class _Head(Contract):
    resident_id: str
    exported_at: UtcTime


def file_name(now: datetime) -> str:
    """What the document is called where it is kept as a file; nothing in it names the resident."""
    return f"resident-data-{rfc3339(now)[:10]}.json"
