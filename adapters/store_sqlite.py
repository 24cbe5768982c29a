"""The system of record in one SQLite file: `core.ports.store.RequestStore` for the processes of one machine."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from adapters import store_sqlite_history, store_sqlite_items, store_sqlite_keys, store_sqlite_lists
from adapters.sqlite import Database, to_millis
from adapters.store_sqlite_schema import SCHEMA
from core.errors import StoreUnavailable
from core.labels import Category
from core.messages import Backlog, BuildingFacts, PastRequest, Workload
from core.ports.page import Page
from core.ports.store import IdempotencyClaim, RequestFilter, StoredAnswer
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

    async def claim_due(self, *, now: datetime, lease_s: float, limit: int) -> tuple[RequestRecord, ...]:
        due, until = to_millis(now), to_millis(now + timedelta(seconds=lease_s))
        # Most looks find nothing, and a look needs no lock.
        if not self._database.read(lambda connection: store_sqlite_items.is_due(connection, due)):
            return ()
        rows = await self._database.write(
            lambda connection: store_sqlite_items.claim_rows(connection, due, until, limit)
        )
        return tuple(map(store_sqlite_items.to_record, rows))

    async def claim_key(
        self, key: str, *, fingerprint: str, resource_id: str, now: datetime, lease_s: float, ttl_s: float
    ) -> IdempotencyClaim:
        """See the port. A key that was given back keeps its fingerprint and resource id."""
        wanted = store_sqlite_keys.WantedKey(
            key,
            fingerprint,
            resource_id,
            now=to_millis(now),
            leased_until=to_millis(now + timedelta(seconds=lease_s)),
            expires_at=to_millis(now + timedelta(seconds=ttl_s)),
        )
        return await self._database.write(lambda connection: store_sqlite_keys.claim(connection, wanted))

    async def finish_key(self, key: str, answer: StoredAnswer) -> None:
        await self._database.write(lambda connection: store_sqlite_keys.finish(connection, key, answer))

    async def release_key(self, key: str) -> None:
        await self._database.write(lambda connection: store_sqlite_keys.release(connection, key))

    async def close(self) -> None:
        await self._database.close()

    async def _list(self, query: Callable[[sqlite3.Connection], Page[str]]) -> Page[Request]:
        def read(connection: sqlite3.Connection) -> Page[Request]:
            page = query(connection)
            return Page(tuple(map(Request.model_validate_json, page.items)), page.next_cursor)

        return await self._database.read_in_thread(read)
