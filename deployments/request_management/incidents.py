"""Incidents: proposes them after each decision, and brings their requests in step with what staff decided.

The stored incident says what is intended, and each step towards it may be repeated: whoever comes next, staff's
repeated call or the lead's timer, finishes what was left. The timer is set before the intention is written, and taken
off by whoever set it after all is in step.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.correlation import detached_context, set_correlation
from core.erasure import is_pseudonym
from core.errors import AppError, Invalid, NotFound, Unavailable, VersionConflict
from core.identity import Principal
from core.labels import Intent
from core.ports.documents import Document, DocumentStore
from core.ports.page import Page
from core.ports.store import RequestStore
from core.record import NextAction, RequestRecord
from core.request import BuildingId, Request, RequestId, ResidentId
from core.status import ENDED, UNJUDGED
from deployments.request_management import access, following, incident
from deployments.request_management.change import SYSTEM, Change
from deployments.request_management.dispatch import CONFLICT_RETRIES, Dispatcher, change_record
from deployments.request_management.erasure import forget_subscriber
from deployments.request_management.incident import ACTIVE, Incident, IncidentStatus
from deployments.request_management.incident_lead import leader_of
from deployments.request_management.incident_proposals import Proposals, Turn
from deployments.request_management.intake import named_home
from deployments.request_management.likeness import Matter, duplicate_matches, incident_match, model
from deployments.request_management.open_jobs import Jobs, cancel_open_jobs
from deployments.request_management.peers import DecisionSimulation
from deployments.request_management.similarity import matter_of, nearest_open

log = logging.getLogger(__name__)

KIND = "incident"
NEWEST = 100
"""How many of a building's incidents a new request is compared with."""
MOST_LEADS = 20
LOOK_AGAIN = timedelta(seconds=60)
"""After this, what an interrupted step left is finished."""
Step = Callable[[Incident], Incident]
SHOWN_TO_RESIDENTS = frozenset({IncidentStatus.ACCEPTED, IncidentStatus.ENDED})


@dataclass(frozen=True)
class _Watch:
    """A timer on a lead, which finishes what was begun where nobody takes it off."""

    lead: RequestId
    at: datetime
    before: datetime | None
    """The timer that stood there."""


class Incidents:
    """A building's incidents."""

    def __init__(
        self,
        store: RequestStore,
        documents: DocumentStore,
        decision: DecisionSimulation,
        dispatcher: Dispatcher,
        clock: Callable[[], datetime],
        jobs: Jobs | None = None,
    ) -> None:
        """`jobs` were opened for requests, and end with them."""
        self._store = store
        self._documents = documents
        self._jobs = jobs
        self._proposals = Proposals(documents, clock)
        self._decision = decision
        self._dispatcher = dispatcher
        self._clock = clock
        # One at a time for each building: forty reports of one minute need not compare themselves anew.
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_turn: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def start(self, record: RequestRecord) -> "asyncio.Task[None]":
        """`consider` in the background."""
        return self._in_background(self.consider(record))

    def start_following(self, record: RequestRecord) -> "asyncio.Task[None]":
        """`follow` in the background; where it fails, the timer is due again after its lease."""

        async def attempt() -> None:
            set_correlation(record.correlation_id)
            try:
                await self.follow(record)
            except AppError as error:
                log.warning("incident of %s left for the sweeper: %s", record.request.request_id, error.code)

        return self._in_background(attempt())

    def _in_background(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work, context=detached_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def consider(self, record: RequestRecord) -> None:
        """Compare a decided request with the open ones: note repeats, propose an incident. Never raises.

        What is lost here in a crash is made up for by the next request that is alike.
        """
        try:
            async with self._in_turn[record.request.building_id]:
                await self._consider(record)
        except Exception:
            # The decision stands; a proposal is an addition that must not disturb it.
            log.exception("request %s was not compared with others", record.request.request_id)

    async def _consider(self, record: RequestRecord) -> None:
        request = record.request
        if request.status in ENDED | UNJUDGED or request.incident_id or request.duplicate_of:
            return
        new = await matter_of(record, self._decision)
        asks = request.classification is not None and request.classification.intent is Intent.ANSWER_QUESTION
        for _ in range(CONFLICT_RETRIES):
            turn = await self._proposals.turn(request.building_id)
            present = await self._active(turn)
            # Of forty alike the nearest need not be the grouped ones: without its lead an incident could be missed.
            leads = {one.lead for one in present[:MOST_LEADS]}
            nearby, _ = await nearest_open(self._store, request.building_id, new, self._clock(), always=leads)
            await self._note_duplicates(request.request_id, new, nearby)
            try:
                if not asks:
                    await self._propose(turn, new, nearby, present)
            except VersionConflict:
                continue
            return
        raise Unavailable("Many at once propose incidents of this building.")

    async def _note_duplicates(self, request_id: RequestId, new: Matter, nearby: list[Matter]) -> None:
        earlier = [old for old in nearby if (old.at, old.request_id) < (new.at, new.request_id)]
        repeats = duplicate_matches(new, earlier, model().duplicate)
        if repeats:
            ids = tuple(RequestId(match.request_id) for match in repeats)
            await self._write(request_id, lambda now: following.note_duplicates(now, ids, self._clock()))

    async def _active(self, turn: Turn) -> list[Incident]:
        """The building's incidents that are not over, with what was proposed a moment ago."""
        found = {one.incident_id: one for one in await self._of_building(turn.building_id)}
        for proposed in turn.proposals:
            if proposed.incident_id not in found:
                await self._create(proposed)
                found[proposed.incident_id] = await self._find(proposed.incident_id)
        return [one for one in found.values() if one.status in ACTIVE]

    async def _propose(self, turn: Turn, new: Matter, nearby: list[Matter], present: list[Incident]) -> None:
        """Raises `VersionConflict` where another incident of the building was proposed meanwhile."""
        incident_of: dict[str, str] = {
            member: one.incident_id for one in present for member in (*one.members, *one.candidates)
        }
        if new.request_id in incident_of:
            return
        found = incident_match(new, nearby, incident_of, model().incident)
        if found is None:
            return
        wanted = found.incident_id
        if wanted is None:
            other = next(matter for matter in nearby if matter.request_id == found.request_ids[0])
            proposed = incident.propose(turn.building_id, new, other, found.probability, self._clock())
            wanted = proposed.incident_id
            # One that was dismissed before stays so.
            if await self._documents.get(KIND, wanted) is None:
                await self._proposals.claim(turn, proposed)
                if await self._create(proposed):
                    return
        await self._change(
            wanted,
            lambda now: incident.add_proposal(now, RequestId(new.request_id), found.probability, self._clock()),
        )

    async def accept(
        self, principal: Principal, incident_id: str, title: str | None = None, leader: RequestId | None = None
    ) -> Incident:
        """Agree to what is proposed and bring its requests in step; again, to finish or to take in new candidates.

        `leader` is the open request among them that carries the work; None for the one on which work was ordered
        already, else the earliest. Raises `Invalid` for one that can't lead, `WrongState` where another one leads.
        """
        present = await self._of_staff(principal, incident_id)
        leads = leader
        if present.status is IncidentStatus.PROPOSED:
            leads = leader_of(leader, await self._requests(present.members))

        def step(now: Incident) -> Incident:
            # Who wished for nobody agrees with a colleague who accepted meanwhile.
            chosen = leads if now.status is IncidentStatus.PROPOSED else leader
            return incident.accept(now, principal.sub, title, self._clock(), chosen)

        return await self._act(incident_id, step)

    async def dismiss(self, principal: Principal, incident_id: str) -> Incident:
        """Say that it is none."""
        await self._of_staff(principal, incident_id)
        return await self._act(incident_id, lambda now: incident.dismiss(now, principal.sub, self._clock()))

    async def change_members(
        self, principal: Principal, incident_id: str, add: tuple[RequestId, ...], remove: tuple[RequestId, ...]
    ) -> Incident:
        """Put open requests of the building in, take others out."""
        present = await self._of_staff(principal, incident_id)
        for request_id in add:
            record = await self._store.get(request_id)
            if record is None or record.request.building_id != present.building_id:
                raise Invalid(f"The building has no request {request_id[:80]}.")
            if record.request.incident_id not in (None, incident_id):
                raise Invalid(f"Request {request_id[:80]} is in another incident.")
            if record.request.status in ENDED:
                raise Invalid(f"Request {request_id[:80]} has ended.")
        return await self._act(incident_id, lambda now: incident.change_members(now, add, remove, self._clock()))

    async def subscribe(self, principal: Principal, incident_id: str) -> Incident:
        """A resident of the building wants to hear of it."""
        await self.get(principal, incident_id)
        access.require_role(principal, access.RESIDENTS)
        resident = ResidentId(principal.sub)
        return await self._act(incident_id, lambda now: incident.subscribe(now, resident, self._clock()))

    async def unsubscribe(self, principal: Principal, incident_id: str) -> Incident:
        """A resident wants to hear no more of it."""
        await self.get(principal, incident_id)
        access.require_role(principal, access.RESIDENTS)
        resident = ResidentId(principal.sub)
        return await self._act(incident_id, lambda now: incident.unsubscribe(now, resident, self._clock()))

    async def get(self, principal: Principal, incident_id: str) -> Incident:
        """One incident; a resident sees those of their building that staff accepted. Raises `NotFound`."""
        if not principal.is_resident:
            return await self._of_staff(principal, incident_id)
        found = await self._find(incident_id)
        if found.building_id not in buildings_of(principal) or found.status not in SHOWN_TO_RESIDENTS:
            raise NotFound("There is no such incident.")
        return found

    async def list_incidents(
        self,
        principal: Principal,
        building_id: str | None,
        status: IncidentStatus | None,
        limit: int,
        cursor: str | None,
    ) -> Page[Incident]:
        """A building's incidents, newest first; a page may hold fewer than `limit` where `status` leaves some out."""
        access.require_role(principal, access.SUBMITTERS)
        building = building_of(principal, building_id)
        page = await self._documents.list(KIND, building, limit=limit, cursor=cursor)
        found = [_read(document) for document in page.items]
        shown = SHOWN_TO_RESIDENTS if principal.is_resident else frozenset(IncidentStatus)
        chosen = tuple(one for one in found if one.status in shown and status in (None, one.status))
        return Page(chosen, page.next_cursor)

    async def accepted(self, building_id: str) -> tuple[Incident, ...]:
        """What staff agreed is a fault of the building and is not over."""
        return tuple(one for one in await self._of_building(building_id) if one.status is IncidentStatus.ACCEPTED)

    async def follows(self, found: Incident, resident_id: str) -> bool:
        """Whether the resident is told of it."""
        lead = await self._store.get(found.lead)
        return lead is not None and resident_id in (lead.request.resident_id, *lead.subscribers)

    async def own_lead(self, found: Incident, resident_id: str) -> RequestId | None:
        """The request that carries the work, where it is this resident's."""
        lead = await self._store.get(found.lead)
        is_own = lead is not None and lead.request.resident_id == resident_id
        return found.lead if is_own and found.status is IncidentStatus.ACCEPTED else None

    async def follow(self, record: RequestRecord) -> None:
        """The timer `NextAction.INCIDENT` of a request is due: its incident may have to be brought in step."""
        request = record.request
        # A lead that an acceptance has not reached yet does not name its incident.
        incident_id = request.incident_id or incident.incident_id_of(request.request_id)
        document = await self._documents.get(KIND, incident_id)
        found = None if document is None else _read(document)
        if found is not None and found.lead == request.request_id:
            heirs = await self._heirs(found)
            await self._act(incident_id, lambda now: incident.after_lead(now, request.status, heirs, self._clock()))
        elif found is not None and not found.settled:
            await self._act(incident_id, _as_it_is)
        fired = {record.pending.get(NextAction.INCIDENT)}
        if record.next_action is NextAction.INCIDENT:
            fired.add(record.next_action_at)
        await self._write(request.request_id, lambda now: following.looked(now, fired, None, self._clock()))

    async def about(
        self, buildings: Iterable[str], resident_id: str, request_ids: Collection[str]
    ) -> AsyncIterator[Incident]:
        """All incidents of these buildings that the resident follows, or that one of the requests is or was in."""
        for building_id in sorted(buildings):
            async for document in _every_document(self._documents, building_id):
                found = _read(document)
                people, requests = (
                    {*found.subscribers, *found.unsubscribed},
                    {*found.members, *found.candidates, *found.left},
                )
                if resident_id in people or not requests.isdisjoint(request_ids):
                    yield found

    async def forget(self, incident_id: str, resident_id: str) -> None:
        """Take the resident off it for good, without a word to anybody."""
        # The lead first: an interrupted erasure finds the incident again by what the incident itself holds. And once
        # more after it, as the lead is told anew of whoever stands there.
        await self._forget_subscriber((await self._find(incident_id)).lead, resident_id)
        found = await self._change(incident_id, lambda now: incident.forget(now, resident_id))
        await self._forget_subscriber(found.lead, resident_id)

    async def _forget_subscriber(self, lead_id: RequestId, resident_id: str) -> None:
        lead = await self._store.get(lead_id)
        if lead is not None and resident_id in lead.subscribers:
            await change_record(
                self._store, lead_id, lambda current: forget_subscriber(current, resident_id, self._clock())
            )

    async def _act(self, incident_id: str, step: Step) -> Incident:
        """Write what is intended, then bring the requests in step until nobody has changed it meanwhile."""
        watches: list[_Watch] = []
        for _ in range(CONFLICT_RETRIES):
            present = await self._change(incident_id, step, watches)
            if present.status is IncidentStatus.PROPOSED:
                return present
            await self._bring_in_step(present, watches)
            try:
                settled = await self._mark_settled(present)
            except VersionConflict:
                step = _as_it_is
                continue
            if settled.status is IncidentStatus.DISMISSED:
                # Last, since it is its timer that sees to the others.
                await self._take_out(settled, settled.lead)
            for watch in reversed(watches):
                await self._unwatch(watch)
            return settled
        raise Unavailable("The incident is being changed by many at once; please try again.")

    async def _watch(self, lead: RequestId) -> _Watch:
        now, before = self._clock(), list[datetime | None]()

        def step(current: RequestRecord) -> Change | None:
            before.append(current.pending.get(NextAction.INCIDENT))
            return following.look_again(current, now + LOOK_AGAIN, now)

        await self._write(lead, step)
        return _Watch(lead, now + LOOK_AGAIN, before[-1])

    async def _unwatch(self, watch: _Watch) -> None:
        await self._write(
            watch.lead, lambda current: following.looked(current, (watch.at,), watch.before, self._clock())
        )

    async def _bring_in_step(self, present: Incident, watches: list[_Watch]) -> None:
        if present.status is IncidentStatus.DISMISSED:
            for request_id in (*present.members, *present.left):
                if request_id != present.lead:
                    await self._take_out(present, request_id)
            return
        now, by = self._clock(), present.decided_by or SYSTEM
        residents = [*present.subscribers]
        # The lead first: from then on its timer sees to the rest, whatever becomes of this process.
        for request_id in (present.lead, *(one for one in present.members if one != present.lead)):
            record = await self._join(present, request_id, by)
            residents.append(record.request.resident_id)
            if request_id == present.lead:
                if request_id not in {watch.lead for watch in watches}:
                    watches.append(await self._watch(request_id))
            elif present.status is IncidentStatus.ENDED:
                ended = await self._write(
                    request_id,
                    lambda current: (
                        following.end_with_lead(current, present.incident_id, present.title, now)
                        or following.free(current, present.incident_id, now)
                    ),
                )
                if following.ended_with_lead(ended):
                    await cancel_open_jobs(self._jobs, ended, SYSTEM)
        for request_id in present.left:
            await self._take_out(present, request_id)
        await self._tell_lead(present, residents, now)

    async def _tell_lead(self, present: Incident, residents: list[ResidentId], now: datetime) -> None:
        def lead(current: RequestRecord) -> Change | None:
            kept = {*present.unsubscribed, current.request.resident_id}
            told = tuple(sorted(one for one in {*residents} if one not in kept and not is_pseudonym(one)))
            return following.lead(current, told, now)

        await self._write(present.lead, lead)

    async def _join(self, present: Incident, request_id: RequestId, by: str) -> RequestRecord:
        def step(current: RequestRecord) -> Change | None:
            if present.status is IncidentStatus.ENDED and current.request.incident_id == present.incident_id:
                return None
            return following.join(current, present.incident_id, present.title, present.lead, by, self._clock())

        return await self._write(request_id, step)

    async def _take_out(self, present: Incident, request_id: RequestId) -> None:
        by = present.decided_by or SYSTEM
        await self._write(request_id, lambda current: following.leave(current, present.incident_id, by, self._clock()))

    async def _write(self, request_id: RequestId, step: Callable[[RequestRecord], Change | None]) -> RequestRecord:
        record = await change_record(self._store, request_id, step)
        if record.outbox:
            self._dispatcher.start(record)
        return record

    async def _heirs(self, present: Incident) -> tuple[RequestId, ...]:
        """Members that could lead: still open, the earliest first."""
        found = await self._requests(one for one in present.members if one != present.lead)
        still_open = [one for one in found if one.status not in ENDED]
        return tuple(one.request_id for one in sorted(still_open, key=lambda one: (one.created_at, one.request_id)))

    async def _requests(self, ids: Iterable[RequestId]) -> list[Request]:
        """Those that are there."""
        records = [await self._store.get(one) for one in ids]
        return [one.request for one in records if one is not None]

    async def _of_staff(self, principal: Principal, incident_id: str) -> Incident:
        access.require_role(principal, access.STAFF)
        found = await self._find(incident_id)
        if not principal.covers(found.building_id):
            raise NotFound("There is no such incident.")
        return found

    async def _find(self, incident_id: str) -> Incident:
        document = await self._documents.get(KIND, incident_id)
        if document is None:
            raise NotFound("There is no such incident.")
        return _read(document)

    async def _of_building(self, building_id: str) -> tuple[Incident, ...]:
        page = await self._documents.list(KIND, building_id, limit=NEWEST)
        return tuple(_read(document) for document in page.items)

    async def _create(self, proposed: Incident) -> bool:
        try:
            await self._documents.put(_document(proposed, 1))
        except VersionConflict:
            return False
        return True

    async def _change(self, incident_id: str, step: Step, watches: list[_Watch] | None = None) -> Incident:
        """Read, change and write conditionally, again where another write came between. Raises `NotFound`.

        What has to be brought in step is watched before it is written; `watches` takes the timers that are set.
        """
        for _ in range(CONFLICT_RETRIES):
            document = await self._documents.get(KIND, incident_id)
            if document is None:
                raise NotFound("There is no such incident.")
            before = _read(document)
            after = step(before)
            if after == before:
                return before
            if watches is not None and not after.settled and after.status is not IncidentStatus.PROPOSED:
                watches.append(await self._watch(before.lead))
            try:
                await self._documents.put(_document(after, document.version + 1))
            except VersionConflict:
                continue
            return after
        raise Unavailable("The incident is being changed by many at once; please try again.")

    async def _mark_settled(self, done: Incident) -> Incident:
        """Raises `VersionConflict` where what was intended has changed meanwhile."""
        document = await self._documents.get(KIND, done.incident_id)
        if document is None or _read(document) != done:
            raise VersionConflict("The incident has changed.")
        if done.settled:
            return done
        settled = done.model_copy(update={"settled": True})
        await self._documents.put(_document(settled, document.version + 1))
        return settled


def buildings_of(principal: Principal) -> frozenset[str]:
    """Where a resident lives, as their id or their token says."""
    named = named_home(principal.sub)
    return frozenset({named[0]}) if named else principal.buildings or frozenset()


def building_of(principal: Principal, named: str | None) -> BuildingId:
    """The building that a call is about. Raises `Invalid` where it must be named, `NotFound` for another's."""
    of_caller = buildings_of(principal) if principal.is_resident else principal.buildings
    if named is None and of_caller is not None and len(of_caller) == 1:
        return BuildingId(next(iter(of_caller)))
    if named is None:
        raise Invalid("Name the building_id.")
    if of_caller is not None and named not in of_caller:
        raise NotFound("There is no such building.")
    return BuildingId(named)


async def _every_document(documents: DocumentStore, building_id: str) -> AsyncIterator[Document]:
    cursor: str | None = None
    while True:
        page = await documents.list(KIND, building_id, limit=NEWEST, cursor=cursor)
        for document in page.items:
            yield document
        cursor = page.next_cursor
        if cursor is None:
            return


def _as_it_is(present: Incident) -> Incident:
    return present


def _read(document: Document) -> Incident:
    return Incident.model_validate(dict(document.body))


def _document(one: Incident, version: int) -> Document:
    created = one.model_dump(mode="json")["created_at"]
    return Document(KIND, one.incident_id, one.building_id, created, version, one.model_dump(mode="json"))
