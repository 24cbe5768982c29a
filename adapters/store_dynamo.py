"""The system of record in DynamoDB: `core.ports.store.RequestStore` for any number of machines.

A request by its id, its timeline and a key are read as they are at this moment. What is read by an index (lists,
history, workload, backlog, sums, statistics) may lag a write by milliseconds, and never decides about a write: claims
and saves are conditions on the item itself.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime

from adapters import store_dynamo_due, store_dynamo_history, store_dynamo_items, store_dynamo_keys, store_dynamo_lists
from adapters.dynamo import Dynamo
from adapters.dynamo_tables import KEYS, SHARDS
from adapters.sqlite import from_millis, to_millis
from adapters.store_dynamo_attributes import millis_of
from adapters.wanted_key import WantedKey
from core.labels import Category
from core.messages import Backlog, BuildingFacts, PastRequest, Workload
from core.ports.page import Page
from core.ports.store import IdempotencyClaim, OpenRequest, OutcomeFacts, RequestFilter, StoredAnswer
from core.record import RequestRecord
from core.request import BuildingId, Event, Request, RequestId, ResidentId


class DynamoRequestStore:
    """A `RequestStore` in the tables that `adapters.dynamo_tables` makes."""

    def __init__(self, dynamo: Dynamo, table: str, *, shards: int = SHARDS) -> None:
        """`shards` is the same for the whole life of the tables. Closing the store closes `dynamo`."""
        self._dynamo = dynamo
        self._where = store_dynamo_items.ItemTables(dynamo, table, shards)
        self._keys = KEYS.format(table)

    async def create(self, record: RequestRecord, events: Sequence[Event]) -> bool:
        """See the port. Raises `BrokenInvariant` for another version than 1 or events not numbered from 1."""
        return await store_dynamo_items.create(self._where, record, events)

    async def get(self, request_id: RequestId) -> RequestRecord | None:
        return await store_dynamo_items.find(self._where, request_id)

    async def save(self, record: RequestRecord, *, expected_version: int, events: Sequence[Event]) -> None:
        """See the port. Raises `BrokenInvariant` for a wrong version in the record or a gap in the events."""
        await store_dynamo_items.replace(self._where, record, expected_version, events)

    async def rewrite(self, record: RequestRecord, *, expected_version: int, events: Sequence[Event]) -> None:
        """See the port. Backups of the tables keep the old text for as long as they are kept."""
        await store_dynamo_items.rewrite(self._where, record, expected_version, events)

    async def events(self, request_id: RequestId, *, after: int = 0) -> tuple[Event, ...]:
        return await store_dynamo_items.timeline(self._where, request_id, after)

    async def list_requests(self, where: RequestFilter, *, limit: int, cursor: str | None) -> Page[Request]:
        return await store_dynamo_lists.filtered(self._where, where, limit, cursor)

    async def list_by_resident(self, resident_id: ResidentId, *, limit: int, cursor: str | None) -> Page[Request]:
        return await store_dynamo_lists.of_resident(self._where, resident_id, limit, cursor)

    async def history(
        self, resident_id: ResidentId, building_id: BuildingId, *, since: datetime, before: datetime
    ) -> tuple[tuple[PastRequest, ...], BuildingFacts]:
        past, building = await asyncio.gather(
            store_dynamo_history.past_requests(self._where, resident_id, since, before),
            store_dynamo_history.building_facts(self._where, building_id, since, before),
        )
        return past, building

    async def workload(self) -> Workload:
        return await store_dynamo_history.workload(self._where)

    async def backlog(self) -> Backlog:
        return await store_dynamo_history.backlog(self._where)

    async def spent(self, building_id: BuildingId, *, since: datetime, before: datetime) -> dict[Category, float]:
        return await store_dynamo_history.spent(self._where, building_id, since, before)

    async def open_requests(self, building_id: BuildingId, *, since: datetime, limit: int) -> tuple[OpenRequest, ...]:
        return await store_dynamo_history.open_requests(self._where, building_id, since, limit)

    def outcomes(
        self, buildings: frozenset[str] | None, *, since: datetime, before: datetime
    ) -> AsyncIterator[OutcomeFacts]:
        return store_dynamo_lists.outcomes(self._where, buildings, since, before)

    async def oldest_due(self, now: datetime) -> datetime | None:
        """See the port. An item that was claimed milliseconds ago may still count."""
        async for entry in store_dynamo_due.due_entries(self._where, now, 1):
            return from_millis(millis_of(entry["due"]))
        return None

    async def claim_due(self, *, now: datetime, lease_s: float, limit: int) -> tuple[RequestRecord, ...]:
        return await store_dynamo_due.claim(self._where, now, lease_s, limit)

    async def claim_key(
        self, key: str, *, fingerprint: str, resource_id: str, now: datetime, lease_s: float, ttl_s: float
    ) -> IdempotencyClaim:
        """See the port. A key that was given back keeps its fingerprint and resource id."""
        wanted = WantedKey.at(now, key, fingerprint=fingerprint, resource_id=resource_id, lease_s=lease_s, ttl_s=ttl_s)
        return await store_dynamo_keys.claim(self._dynamo, self._keys, wanted)

    async def finish_key(self, key: str, answer: StoredAnswer) -> None:
        await store_dynamo_keys.finish(self._dynamo, self._keys, key, answer)

    async def renew_key(self, key: str, *, leased_until: datetime, until: datetime) -> bool:
        before, after = to_millis(leased_until), to_millis(until)
        return await store_dynamo_keys.move_lease(self._dynamo, self._keys, key, before, after)

    async def release_key(self, key: str, *, leased_until: datetime) -> None:
        """See the port. The key keeps its resource id: what was begun under it must not be made twice."""
        await store_dynamo_keys.move_lease(self._dynamo, self._keys, key, to_millis(leased_until), 0)

    async def forget_answers(self, resource_ids: Collection[str]) -> None:
        await store_dynamo_keys.forget(self._dynamo, self._keys, resource_ids)

    async def compact(self) -> None:
        """Nothing: what DynamoDB removes can't be read any more, but for its backups."""

    async def close(self) -> None:
        await self._dynamo.close()
