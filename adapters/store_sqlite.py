"""The system of record in one SQLite file: `core.ports.store.RequestStore` for the processes of one machine."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from adapters import (
    store_sqlite_facts,
    store_sqlite_history,
    store_sqlite_items,
    store_sqlite_keys,
    store_sqlite_lists,
    store_sqlite_reindex,
)
from adapters.sqlite import Database, from_millis, to_millis
from adapters.store_sqlite_schema import SCHEMA
from adapters.wanted_key import WantedKey
from core.errors import StoreUnavailable
from core.labels import Category
from core.messages import Backlog, BuildingFacts, PastRequest, Workload
from core.ports.page import Page
from core.ports.store import IdempotencyClaim, OpenRequest, OutcomeFacts, RequestFilter, StoredAnswer
from core.record import RequestRecord
from core.request import BuildingId, Event, Request, RequestId, ResidentId


class SqliteRequestStore:
    """A `RequestStore`. Writes are grouped; reads run on the caller's thread, except lists, which parse much."""

    def __init__(self, path: Path, *, lock_timeout_s: float = 5.0) -> None:
        self._database = Database(path, SCHEMA, unavailable=StoreUnavailable, lock_timeout_s=lock_timeout_s)

    async def create(self, record: RequestRecord, events: Sequence[Event]) -> bool:
        """See the port. Raises `BrokenInvariant` for another version than 1 or events not numbered from 1."""
        return await self._database.write(store_sqlite_items.creation(record, events))

    async def get(self, request_id: RequestId) -> RequestRecord | None:
        return self._database.read(lambda connection: store_sqlite_items.find(connection, request_id))

    async def save(self, record: RequestRecord, *, expected_version: int, events: Sequence[Event]) -> None:
        """See the port. Raises `BrokenInvariant` for a wrong version in the record or a gap in the events."""
        await self._database.write(store_sqlite_items.replacement(record, expected_version, events))

    async def events(self, request_id: RequestId, *, after: int = 0) -> tuple[Event, ...]:
        return self._database.read(lambda connection: store_sqlite_items.timeline(connection, request_id, after))

    async def list_requests(self, where: RequestFilter, *, limit: int, cursor: str | None) -> Page[Request]:
        return await self._list(lambda connection: store_sqlite_lists.filtered(connection, where, limit, cursor))

    async def list_by_resident(self, resident_id: ResidentId, *, limit: int, cursor: str | None) -> Page[Request]:
        return await self._list(
            lambda connection: store_sqlite_lists.of_resident(connection, resident_id, limit, cursor)
        )

    async def history(
        self, resident_id: ResidentId, building_id: BuildingId, *, since: datetime, before: datetime
    ) -> tuple[tuple[PastRequest, ...], BuildingFacts]:
        first, end = to_millis(since), to_millis(before)
        return self._database.read(
            lambda connection: (
                store_sqlite_history.past_requests(connection, resident_id, first, end),
                store_sqlite_history.building_facts(connection, building_id, first, end),
            )
        )

    async def workload(self) -> Workload:
        return self._database.read(store_sqlite_history.workload)

    async def backlog(self) -> Backlog:
        return self._database.read(store_sqlite_history.backlog)

    async def spent(self, building_id: BuildingId, *, since: datetime, before: datetime) -> dict[Category, float]:
        first, end = to_millis(since), to_millis(before)
        return self._database.read(lambda connection: store_sqlite_history.spent(connection, building_id, first, end))

    async def open_requests(self, building_id: BuildingId, *, since: datetime, limit: int) -> tuple[OpenRequest, ...]:
        first = to_millis(since)
        return await self._database.read_in_thread(
            lambda connection: store_sqlite_facts.open_requests(connection, building_id, first, limit)
        )

    async def outcomes(
        self, buildings: frozenset[str] | None, *, since: datetime, before: datetime
    ) -> AsyncIterator[OutcomeFacts]:
        """See the port. Nothing is held between two chunks, so a slow reader keeps nobody waiting."""
        end = to_millis(before)
        if buildings is None:
            chosen = await self._database.read_in_thread(store_sqlite_facts.building_ids)
        else:
            chosen = tuple(sorted(buildings))
        after = (to_millis(since), "")
        while chunk := await self._database.read_in_thread(
            lambda connection, after=after: store_sqlite_facts.outcomes(connection, chosen, after, end)
        ):
            for each in chunk:
                yield each
            after = (to_millis(chunk[-1].created_at), chunk[-1].request_id)

    async def rewrite(self, record: RequestRecord, *, expected_version: int, events: Sequence[Event]) -> None:
        """See the port. Events beyond the stored ones continue the timeline."""
        await self._database.write(store_sqlite_items.rewriting(record, expected_version, events))

    async def oldest_due(self, now: datetime) -> datetime | None:
        due = to_millis(now)
        found = self._database.read(lambda connection: store_sqlite_items.oldest_due(connection, due))
        return None if found is None else from_millis(found)

    async def claim_due(self, *, now: datetime, lease_s: float, limit: int) -> tuple[RequestRecord, ...]:
        """See the port. Each look also brings some rows up to date that an earlier version of this program wrote."""
        due, until = to_millis(now), to_millis(now + timedelta(seconds=lease_s))
        if self._database.read(store_sqlite_reindex.is_stale):
            await self._database.write(store_sqlite_reindex.reindex_some)
        # Most looks find nothing, and a look needs no lock.
        if not self._database.read(lambda connection: store_sqlite_items.is_due(connection, due)):
            return ()
        rows = await self._database.write(
            lambda connection: store_sqlite_items.claim_rows(connection, due, until, limit)
        )
        return tuple(store_sqlite_items.readable(rows))

    async def claim_key(
        self, key: str, *, fingerprint: str, resource_id: str, now: datetime, lease_s: float, ttl_s: float
    ) -> IdempotencyClaim:
        """See the port. A key that was given back keeps its fingerprint and resource id."""
        wanted = WantedKey.at(now, key, fingerprint=fingerprint, resource_id=resource_id, lease_s=lease_s, ttl_s=ttl_s)
        return await self._database.write(lambda connection: store_sqlite_keys.claim(connection, wanted))

    async def finish_key(self, key: str, answer: StoredAnswer) -> None:
        await self._database.write(lambda connection: store_sqlite_keys.finish(connection, key, answer))

    async def forget_answers(self, resource_ids: Collection[str]) -> None:
        await self._database.write(lambda connection: store_sqlite_keys.forget(connection, resource_ids))

    async def renew_key(self, key: str, *, leased_until: datetime, until: datetime) -> bool:
        before, after = to_millis(leased_until), to_millis(until)
        return await self._database.write(
            lambda connection: store_sqlite_keys.move_lease(connection, key, before, after)
        )

    async def release_key(self, key: str, *, leased_until: datetime) -> None:
        """See the port. The key keeps its resource id: what was begun under it must not be made twice."""
        before = to_millis(leased_until)
        await self._database.write(lambda connection: store_sqlite_keys.move_lease(connection, key, before, 0))

    async def compact(self) -> None:
        await self._database.compact()

    async def close(self) -> None:
        await self._database.close()

    async def _list(self, query: Callable[[sqlite3.Connection], Page[str]]) -> Page[Request]:
        def read(connection: sqlite3.Connection) -> Page[Request]:
            page = query(connection)
            return Page(tuple(map(Request.model_validate_json, page.items)), page.next_cursor)

        return await self._database.read_in_thread(read)
