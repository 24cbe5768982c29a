"""Lists of requests in DynamoDB: partitions of an index, merged and filtered entry by entry.

A page reads at most `READ_LIMIT` index entries. Where few of them pass the filters it comes out short, with a cursor
that goes on from the last one read, so no list costs more than that, however large the table. Indexes lag behind by
milliseconds: each document that is shown is checked against the filters again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from adapters.cursor import decode_cursor, encode_cursor
from adapters.dynamo import Selection
from adapters.dynamo_tables import ATTENTION, ATTENTION_BY_BUILDING, BY_AGE, BY_BUILDING, BY_RESIDENT, BY_STATUS, Index
from adapters.dynamo_values import Item
from adapters.sqlite import from_millis, to_millis
from adapters.store_dynamo_attributes import (
    Documents,
    building_partition,
    category_in,
    millis_of,
    moment_in,
    moment_of,
    resident_partition,
    status_in,
    status_partition,
    unprefixed,
    urgency_in,
)
from adapters.store_dynamo_items import ItemTables, documents_in, request_of
from adapters.store_dynamo_merge import merged
from core.errors import InvalidCursor
from core.ports.page import Page
from core.ports.store import OutcomeFacts, RequestFilter
from core.request import Request, RequestId

READ_LIMIT = 500
MERGE_LIMIT = 16
"""Up to so many buildings are read as one partition each; beyond, filtering entry by entry wastes little."""
OUTCOME_CHUNK = 500
PLACE_BYTES = 1024
"""The longest sort key."""

_FILTERED = ("status", "category", "urgency")


@dataclass(frozen=True)
class _List:
    kind: str
    filters: object
    index: Index
    partitions: tuple[str, ...]
    descending: bool
    passes: Callable[[Item], bool]


async def filtered(where: ItemTables, asked: RequestFilter, limit: int, cursor: str | None) -> Page[Request]:
    """A page of the requests that `asked` lets through. Raises `InvalidCursor`."""
    filters = asdict(asked) | {"buildings": None if asked.buildings is None else sorted(asked.buildings)}
    wanted = {name: str(value) for name in _FILTERED if (value := filters[name]) is not None}
    buildings = _buildings(asked)
    allowed = None if buildings is None else {building_partition(building) for building in buildings}

    def passes(entry: Item) -> bool:
        return (allowed is None or entry["building"] in allowed) and wanted.items() <= entry.items()

    index, partitions = _choose(where, asked, buildings)
    kind = "attention" if asked.needs_attention else "newest"
    listed = _List(kind, filters, index, partitions, not asked.needs_attention, passes)
    return await _page(where, listed, limit, cursor)


async def of_resident(where: ItemTables, resident_id: str, limit: int, cursor: str | None) -> Page[Request]:
    """A page of a resident's requests, newest first. Raises `InvalidCursor`."""
    partition = resident_partition(resident_id)
    listed = _List("resident", resident_id, BY_RESIDENT, (partition,), True, lambda _: True)
    return await _page(where, listed, limit, cursor)


async def outcomes(
    where: ItemTables, buildings: frozenset[str] | None, since: datetime, before: datetime
) -> AsyncIterator[OutcomeFacts]:
    """The requests made in `[since, before)`, oldest first, from index entries alone."""
    low, high = moment_of(max(0, to_millis(since))), moment_of(max(0, to_millis(before)))
    if low >= high:
        return
    few = buildings is not None and len(buildings) <= MERGE_LIMIT
    index = BY_BUILDING if few else BY_AGE
    allowed = None if buildings is None else {building_partition(building) for building in buildings}
    partitions = sorted(allowed) if allowed is not None and few else _shards(where)
    entries = merged(
        where.dynamo,
        [_selection(where, index, partition, low=low, high=high) for partition in partitions],
        chunk=OUTCOME_CHUNK,
    )
    async for entry in entries:
        if allowed is None or entry["building"] in allowed:
            yield _outcome(entry)


def _buildings(asked: RequestFilter) -> frozenset[str] | None:
    if asked.building_id is None:
        return asked.buildings
    one = frozenset({asked.building_id})
    return one if asked.buildings is None else one & asked.buildings


def _choose(where: ItemTables, asked: RequestFilter, buildings: frozenset[str] | None) -> tuple[Index, tuple[str, ...]]:
    """The partitions to read, so that little is read in vain."""
    if buildings is not None and len(buildings) <= MERGE_LIMIT:
        index = ATTENTION_BY_BUILDING if asked.needs_attention else BY_BUILDING
        return index, tuple(building_partition(building) for building in sorted(buildings))
    if asked.needs_attention:
        return ATTENTION, _shards(where)
    if asked.status is not None:
        status = asked.status.value
        return BY_STATUS, tuple(status_partition(status, shard) for shard in _shards(where))
    return BY_AGE, _shards(where)


def _shards(where: ItemTables) -> tuple[str, ...]:
    return tuple(map(str, range(where.shards)))


def _selection(
    where: ItemTables,
    index: Index,
    partition: str,
    *,
    low: str | None = None,
    high: str | None = None,
    descending: bool = False,
) -> Selection:
    return Selection(where.table, index.partition, partition, index.name, index.sort, low, high, descending)


async def _page(where: ItemTables, listed: _List, limit: int, cursor: str | None) -> Page[Request]:
    after = _position(listed, cursor)
    low, high = (None, after) if listed.descending else (after, None)
    selections = [
        _selection(where, listed.index, partition, low=low, high=high, descending=listed.descending)
        for partition in listed.partitions
    ]
    entries = merged(where.dynamo, selections, chunk=limit + 1)
    found, last = await _take(entries, listed, limit)
    items = await _documents(where, listed, found)
    return Page(items, None if last is None else encode_cursor(listed.kind, listed.filters, (last,)))


def _position(listed: _List, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    (place,) = decode_cursor(cursor, listed.kind, listed.filters, (str,))
    if not 0 < len(str(place).encode()) <= PLACE_BYTES:
        raise InvalidCursor("The cursor is not one that this list gave.")
    return str(place)


async def _take(entries: AsyncIterator[Item], listed: _List, limit: int) -> tuple[list[str], str | None]:
    """The ids of a page, and where to go on if there may be more."""
    found: list[str] = []
    last: str | None = None
    count = 0
    async for entry in entries:
        fits = listed.passes(entry)
        if count == READ_LIMIT or (fits and len(found) == limit):
            return found, last
        if fits:
            found.append(entry["request_id"])
        last = entry[listed.index.sort]
        count += 1
    return found, None


async def _documents(where: ItemTables, listed: _List, found: Sequence[str]) -> tuple[Request, ...]:
    """The requests that still belong in the list."""
    items = await where.dynamo.get_many(where.table, "request_id", found)
    present = [items[request_id] for request_id in found if request_id in items]
    fitting = [item for item in present if listed.index.sort in item and listed.passes(item)]
    documents = [await documents_in(where, item) for item in fitting]

    def parse(read: Sequence[Documents | None]) -> tuple[Request, ...]:
        return tuple(request_of(each) for each in read if each is not None)

    return await where.dynamo.run(lambda: parse(documents))


def _outcome(entry: Item) -> OutcomeFacts:
    return OutcomeFacts(
        request_id=RequestId(entry["request_id"]),
        building_id=unprefixed(entry["building"]),
        category=category_in(entry),
        urgency=urgency_in(entry),
        status=status_in(entry),
        created_at=from_millis(millis_of(entry["made"])),
        resolved_at=moment_in(entry, "resolved_at"),
        breached=entry.get("breached", False),
        response_breached=entry.get("response_breached", False),
        escalated=entry.get("escalated", False),
        reopened=entry.get("reopened", 0),
        automated=entry.get("automated", False),
        corrected=entry.get("corrected", False),
        cost_usd=float(entry["cost_usd"]) if "cost_usd" in entry else None,
        rating=entry.get("rating"),
    )
