"""Erases a resident's data for good: what is intended is written down first, and finished whatever comes between.

Every step may be done again. First what is carried out for the resident must have ended, and the words go out of
Execution, so that nothing writes them anew; then the requests, the files, the incidents, and the answers that are kept
for retries. The stored intent is the last to go.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from core.contract import rfc3339
from core.erasure import ErasureScope, StillAtWork, new_pseudonym
from core.errors import AppError, Forbidden, NotFound, Unavailable, VersionConflict
from core.identity import Principal
from core.ports.documents import Document, DocumentStore
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import RequestId, ResidentId
from core.status import ENDED
from deployments.request_management.attachments import Attachments
from deployments.request_management.dispatch import CONFLICT_RETRIES, Dispatcher, change_record
from deployments.request_management.erasure import (
    erase_events,
    erase_record,
    identifiers_in,
    is_erased,
    note_erasure,
)
from deployments.request_management.erasure_intent import (
    DONE_KIND,
    KIND,
    PARTITION,
    Erasure,
    ErasureRecord,
    Holdings,
    Intent,
    OpenRequests,
    document_of,
    read,
    report,
)
from deployments.request_management.incidents import Incidents
from deployments.request_management.intake import named_home
from deployments.request_management.peers import ExecutionDesk

log = logging.getLogger(__name__)

PAGE = 200
LOOK_EVERY_S = 30.0
LEFT_ALONE = timedelta(seconds=60)
"""After this an erasure that has not ended is taken up by whoever looks."""


class Erasures:
    """Begins erasures, and finishes those that were interrupted."""

    def __init__(
        self,
        store: RequestStore,
        documents: DocumentStore,
        attachments: Attachments,
        incidents: Incidents,
        execution: ExecutionDesk,
        dispatcher: Dispatcher,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._documents = documents
        self._attachments = attachments
        self._incidents = incidents
        self._execution = execution
        self._dispatcher = dispatcher
        self._clock = clock

    async def plan(self, principal: Principal, resident_id: str) -> Erasure:
        """What an erasure would come to; one that has begun as it stands. Raises `NotFound`, `Forbidden`."""
        begun = await self._begun(principal, resident_id)
        if begun is not None:
            return await self._progress(begun)
        held = await self._holdings(principal, resident_id)
        return Erasure(
            resident_id=resident_id,
            status="planned",
            requests=len(held.request_ids),
            attachments=held.attachments,
            incidents=held.incidents,
            notifications=held.notifications,
            open_requests=held.open_requests,
        )

    async def erase(self, principal: Principal, resident_id: str, reason: str) -> Erasure:
        """Erase, or go on with what was begun. What can't be finished now is `in_progress` and goes on by itself.

        Raises `OpenRequests`, `NotFound`, and `Forbidden` where a part belongs to buildings that are not the caller's.
        """
        begun = await self._begun(principal, resident_id)
        if begun is None:
            held = await self._holdings(principal, resident_id)
            if held.open_requests:
                raise OpenRequests(held.open_requests)
            if held.is_nothing:
                return Erasure(
                    resident_id=resident_id, status="done", requests=0, attachments=0, incidents=0, notifications=0
                )
            begun = await self._begin(principal, resident_id, reason, held)
        try:
            await self.advance(begun)
        except Unavailable as error:
            log.warning("the erasure %s goes on later: %s", begun.pseudonym, error.code)
            return await self._progress(begun)
        return report(begun, "done")

    async def advance(self, begun: Intent) -> None:
        """Do all that is left, and forget the intent. Raises `Unavailable` where it has to wait."""
        scope, kept = begun.scope, set[str]()
        if not await self._note_try(begun):
            return
        await self._require_rest(scope)
        kept.update(await self._execution.erase(scope))
        for request_id in begun.request_ids:
            kept.update(await self._erase_request(request_id, scope))
        await self._erase_files(begun)
        async for found in self._incidents.about(begun.buildings, begun.resident_id, begun.request_ids):
            await self._store.forget_answers({found.incident_id})
            await self._incidents.forget(found.incident_id, begun.resident_id)
        await self._store.forget_answers(kept)
        await self._store.compact()
        await self._documents.compact()
        await self._finish(begun)

    async def resume(self) -> int:
        """Go on with what has waited for a minute; returns how many were finished."""
        finished = 0
        page = await self._documents.list(KIND, PARTITION, limit=PAGE, newest_first=False)
        for document in page.items:
            begun = read(document)
            if self._clock() - begun.tried_at < LEFT_ALONE:
                continue
            try:
                await self.advance(begun)
                finished += 1
            except AppError as error:
                log.warning("the erasure %s goes on later: %s", begun.pseudonym, error.code)
        return finished

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.resume()
            except Exception:
                # Whatever it is, what the law asks for must not be forgotten.
                log.exception("erasures go on later")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _begun(self, principal: Principal, resident_id: str) -> Intent | None:
        document = await self._documents.get(KIND, resident_id)
        if document is None:
            return None
        begun = read(document)
        _require_covered(principal, resident_id, frozenset(begun.buildings))
        return begun

    async def _holdings(self, principal: Principal, resident_id: str) -> Holdings:
        ids: list[RequestId] = []
        still_open: list[RequestId] = []
        buildings = set[str]()
        cursor: str | None = None
        while True:
            page = await self._store.list_by_resident(ResidentId(resident_id), limit=PAGE, cursor=cursor)
            for request in page.items:
                ids.append(request.request_id)
                buildings.add(request.building_id)
                if request.status not in ENDED:
                    still_open.append(request.request_id)
            if (cursor := page.next_cursor) is None:
                break
        files = await self._attachments.of_resident(resident_id)
        home = named_home(resident_id)
        buildings |= {file.building_id for file in files} | ({home[0]} if home else set())
        _require_covered(principal, resident_id, frozenset(buildings))
        followed = [one.incident_id async for one in self._incidents.about(buildings, resident_id, ids)]
        return Holdings(
            tuple(ids),
            tuple(still_open),
            frozenset(buildings),
            len(files),
            len(followed),
            await self._count_notifications(resident_id),
        )

    async def _count_notifications(self, resident_id: str) -> int:
        count, cursor = 0, None
        while True:
            page = await self._execution.notifications(recipient=resident_id, limit=PAGE, cursor=cursor)
            count += len(page.items)
            if (cursor := page.next_cursor) is None:
                return count

    async def _begin(self, principal: Principal, resident_id: str, reason: str, held: Holdings) -> Intent:
        now = self._clock()
        begun = Intent(
            resident_id=ResidentId(resident_id),
            pseudonym=new_pseudonym(),
            request_ids=held.request_ids,
            buildings=tuple(sorted(held.buildings)),
            attachments=held.attachments,
            incidents=held.incidents,
            notifications=held.notifications,
            reason=reason,
            requested_by=principal.sub,
            requested_at=now,
            tried_at=now,
        )
        try:
            await self._documents.put(document_of(begun, 1))
        except VersionConflict:
            return await self._begun(principal, resident_id) or begun
        return begun

    async def _progress(self, begun: Intent) -> Erasure:
        records = [await self._store.get(request_id) for request_id in begun.request_ids]
        waiting = tuple(
            one.request.request_id for one in records if one is not None and one.request.status not in ENDED
        )
        return report(begun, "in_progress", waiting)

    async def _note_try(self, begun: Intent) -> bool:
        """False where another process has finished it."""
        document = await self._documents.get(KIND, begun.resident_id)
        if document is None:
            return False
        tried = read(document).model_copy(update={"tried_at": self._clock()})
        try:
            await self._documents.put(document_of(tried, document.version + 1))
        except VersionConflict:
            raise StillAtWork("Another process is at this erasure; ask again.") from None
        return True

    async def _require_rest(self, scope: ErasureScope) -> None:
        """Nothing is open, and Execution's queue has all that it is to get. Raises `StillAtWork`."""
        for request_id in sorted(scope.request_ids):
            record = await self._store.get(RequestId(request_id))
            if record is None:
                continue
            if record.request.status not in ENDED:
                raise StillAtWork("A request of the resident was opened again; it is erased when it has ended.")
            if record.outbox:
                await self._dispatcher.dispatch(record)

    async def _erase_request(self, request_id: RequestId, scope: ErasureScope) -> set[str]:
        """Returns the ids under which answers about it may be kept."""
        for _ in range(CONFLICT_RETRIES):
            record = await self._store.get(request_id)
            if record is None:
                return {request_id}
            events = await self._store.events(request_id)
            if not is_erased(record, events, scope):
                _require_ended(record)
                erased = erase_record(record, scope, self._clock())
                try:
                    await self._store.rewrite(
                        erased, expected_version=record.request.version, events=erase_events(events, scope)
                    )
                except VersionConflict:
                    continue
            await change_record(self._store, request_id, lambda current: note_erasure(current, self._clock()))
            return identifiers_in(record, events)
        raise StillAtWork("A request of the resident is being changed by many at once.")

    async def _erase_files(self, begun: Intent) -> None:
        """Those of the requests, and those that no request held when it began."""
        for file in await self._attachments.of_resident(begun.resident_id):
            is_loose = file.request_id is None and file.created_at <= begun.requested_at
            if is_loose or file.request_id in begun.scope.request_ids:
                await self._store.forget_answers({file.attachment_id})
                await self._attachments.erase(file.attachment_id)

    async def _finish(self, begun: Intent) -> None:
        now = self._clock()
        made = ErasureRecord(
            pseudonym=begun.pseudonym,
            buildings=begun.buildings,
            requests=len(begun.request_ids),
            attachments=begun.attachments,
            reason=begun.reason,
            requested_by=begun.requested_by,
            requested_at=begun.requested_at,
            finished_at=now,
        )
        try:
            body = made.model_dump(mode="json")
            await self._documents.put(Document(DONE_KIND, begun.pseudonym, PARTITION, rfc3339(now), 1, body))
        except VersionConflict:
            log.info("the erasure %s was recorded before", begun.pseudonym)
        await self._documents.delete(KIND, begun.resident_id)


def _require_covered(principal: Principal, resident_id: str, buildings: frozenset[str]) -> None:
    covered = {building for building in buildings if principal.covers(building)}
    if not covered and principal.buildings is not None:
        raise NotFound("There is no such resident.")
    if len(covered) < len(buildings):
        raise Forbidden("A part of this resident's data belongs to buildings that are not yours.")


def _require_ended(record: RequestRecord) -> None:
    if record.request.status not in ENDED or record.outbox:
        raise StillAtWork("A request of the resident was changed meanwhile; it is erased when it has come to rest.")
