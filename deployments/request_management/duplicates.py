"""Repeats: what a resident is shown before they send a message again, and attaching a request to an earlier one."""

from collections.abc import Callable
from datetime import datetime

from pydantic import Field

from core.contract import Contract, Probability, UtcTime
from core.errors import Invalid, NotFound, WrongState
from core.identity import Principal
from core.labels import Category, Status
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import BuildingId, Request, RequestId
from core.status import ENDED, UNJUDGED
from deployments.request_management import access, following
from deployments.request_management.change import Change
from deployments.request_management.dispatch import Dispatcher, change_record
from deployments.request_management.incidents import Incidents, building_of
from deployments.request_management.likeness import Matter, duplicate_matches, incident_match, model, unpack
from deployments.request_management.matters import SYSTEMS, mentions_of
from deployments.request_management.peers import DecisionSimulation
from deployments.request_management.schemas import Identifier, MessageText
from deployments.request_management.similarity import nearest_open

NOBODY = "nobody"


class SimilarQuestion(Contract):
    """`POST /requests/similar`."""

    message_text: MessageText
    building_id: Identifier | None = None
    """Needed from staff, unless there is but one that they may see."""


class SimilarRequest(Contract):
    """An open request that seems to say the same."""

    request_id: RequestId
    status: Status
    created_at: UtcTime
    category: Category | None
    message_text: str
    likeness: Probability


class KnownIncident(Contract):
    """A fault of the building that staff know of; nobody's words."""

    incident_id: str
    title: str
    since: UtcTime
    likely: bool = False
    """The message names what the fault is of."""


class Similar(Contract):
    """What there is already."""

    requests: tuple[SimilarRequest, ...]
    """Likeliest first."""
    incidents: tuple[KnownIncident, ...]
    """The likeliest first, then the others that staff know of."""


class AttachOrder(Contract):
    """`POST /requests/{request_id}/attach`."""

    request_id: Identifier = Field(description="The earlier request, which goes on.")


class Duplicates:
    """Compares messages of one resident, and attaches one request to another."""

    def __init__(
        self,
        store: RequestStore,
        incidents: Incidents,
        decision: DecisionSimulation,
        dispatcher: Dispatcher,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._incidents = incidents
        self._decision = decision
        self._dispatcher = dispatcher
        self._clock = clock

    async def similar(self, principal: Principal, question: SimilarQuestion) -> Similar:
        """What says the same already: a resident's own open requests and known incidents; for staff, everybody's."""
        access.require_role(principal, access.SUBMITTERS)
        building = building_of(principal, question.building_id)
        vector = (await self._decision.embed([question.message_text]))[0]
        resident = principal.sub if principal.is_resident else NOBODY
        new = Matter(
            "", resident, None, self._clock(), None, None, None, unpack(vector), mentions_of(question.message_text)
        )
        nearby, records = await nearest_open(
            self._store, building, new, self._clock(), of_resident=principal.is_resident
        )
        requests = self._alike(new, nearby, records, own=principal.is_resident)
        return Similar(requests=requests, incidents=await self._known(building, new))

    def _alike(
        self, new: Matter, nearby: list[Matter], records: dict[str, RequestRecord], *, own: bool
    ) -> tuple[SimilarRequest, ...]:
        if own:
            likely = {
                match.request_id: match.probability for match in duplicate_matches(new, nearby, model().duplicate)
            }
        else:
            each = (incident_match(new, [old], {}, model().incident) for old in nearby)
            likely = {match.request_ids[0]: match.probability for match in each if match is not None}
        shown = [_shown(records[request_id].request, likeness) for request_id, likeness in likely.items()]
        return tuple(sorted(shown, key=lambda one: -one.likeness))

    async def _known(self, building: BuildingId, new: Matter) -> tuple[KnownIncident, ...]:
        accepted = await self._incidents.accepted(building)
        named = {SYSTEMS[system][0] for system in (new.mentions.systems if new.mentions else ())}
        known = (
            KnownIncident(
                incident_id=one.incident_id,
                title=one.title,
                since=one.created_at,
                likely=one.title.split(":")[0] in named,
            )
            for one in accepted
        )
        return tuple(sorted(known, key=lambda one: not one.likely))

    async def attach(self, principal: Principal, request_id: str, earlier_id: str) -> Request:
        """End a request in favour of the resident's earlier one. Raises `Invalid`, `WrongState`, `NotFound`.

        Two items change: the earlier one gets the words first, so that they are never lost; a repeated call finishes.
        """
        record = await self._visible(principal, request_id)
        earlier = await self._visible(principal, earlier_id)
        if record.request.duplicate_of == earlier.request.request_id:
            return record.request
        _require_attachable(principal, record, earlier)
        now = self._clock()
        text, actor = record.request.message_text, principal.sub

        def repeated(current: RequestRecord) -> Change | None:
            _require_attachable(principal, record, current)
            return following.attached_text(current, record.request.request_id, text, actor, now)

        # Tried before anything is written: an illegal end must not leave words on the other request.
        following.attach(record, earlier.request.request_id, actor, now)
        await change_record(self._store, earlier.request.request_id, repeated)
        present = await self._visible(principal, earlier_id)

        def ended(current: RequestRecord) -> Change | None:
            _require_attachable(principal, current, present)
            return following.attach(current, present.request.request_id, actor, now)

        attached = await change_record(self._store, record.request.request_id, ended)
        if attached.outbox:
            self._dispatcher.start(attached)
        return attached.request

    async def _visible(self, principal: Principal, request_id: str) -> RequestRecord:
        record = await self._store.get(RequestId(request_id))
        access.require_visible(principal, record.request if record else None)
        if record is None:
            raise NotFound("There is no such request.")
        return record


def _require_attachable(principal: Principal, record: RequestRecord, earlier: RequestRecord) -> None:
    request, first = record.request, earlier.request
    if (request.resident_id, request.building_id) != (first.resident_id, first.building_id):
        raise Invalid("Both requests must be of the same resident and home.")
    if request.request_id == first.request_id or request.created_at < first.created_at:
        raise Invalid("A request is attached to an earlier one.")
    if first.status in ENDED or first.duplicate_of is not None:
        raise WrongState("The earlier request has ended; reopen it instead.")
    if request.status in UNJUDGED:
        raise WrongState("The message is still being looked at; please try again in a moment.")
    if request.status in ENDED:
        raise WrongState(f"The request is {request.status}.")
    if record.subscribers:
        raise WrongState("Other residents follow this request; it leads an incident.")
    # Whoever reports danger again may see something new: it stays a case of its own until staff have looked.
    if principal.is_resident and request.classification is not None and request.classification.emergency:
        raise WrongState("An emergency is dealt with by itself.")


def _shown(request: Request, likeness: float) -> SimilarRequest:
    return SimilarRequest(
        request_id=request.request_id,
        status=request.status,
        created_at=request.created_at,
        category=request.classification.category if request.classification else None,
        message_text=request.message_text,
        likeness=likeness,
    )
