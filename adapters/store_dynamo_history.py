"""What the DynamoDB store knows of a home, a building and the work at hand, read from index entries alone."""

import asyncio
from collections import Counter, defaultdict
from datetime import datetime

from adapters.dynamo import Selection
from adapters.dynamo_tables import (
    BY_BUILDING,
    BY_RESIDENT,
    ENDED_BY_TOPIC,
    OPEN_BY_BUILDING,
    OPEN_LIKENESS,
    OPEN_WORK,
    SPENT_BY_BUILDING,
    Index,
)
from adapters.dynamo_values import Item
from adapters.sqlite import from_millis, to_millis
from adapters.store_dynamo_attributes import (
    building_partition,
    category_in,
    millis_of,
    moment_in,
    moment_of,
    resident_partition,
    status_in,
    trade_in,
    unprefixed,
    urgency_in,
)
from adapters.store_dynamo_items import ItemTables
from core.labels import Category, Crew, Status, Trade, Urgency
from core.messages import Backlog, BuildingFacts, PastRequest, TopicWork, Workload
from core.ports.store import OpenRequest
from core.request import RequestId

MAX_PAST_REQUESTS = 50
MAX_ENDINGS = 20
"""So many of the newest resolved requests of a topic tell how its work goes."""
DAY_MS = 86_400_000

_TOPICS = (*(trade.value for trade in Trade), *(category.value for category in Category))
_UNDECIDED = {Status.SUBMITTED.value, Status.PROCESSING.value}


async def past_requests(
    where: ItemTables, resident_id: str, since: datetime, before: datetime
) -> tuple[PastRequest, ...]:
    """The resident's requests made in `[since, before)`, newest first, at most 50."""
    low, high = _span(since, before)
    made = _selection(where, BY_RESIDENT, resident_partition(resident_id), low, high, descending=True)
    entries, _ = await where.dynamo.page(made, limit=MAX_PAST_REQUESTS)
    return tuple(
        PastRequest(
            request_id=RequestId(entry["request_id"]),
            resident_id=resident_id,
            category=category_in(entry),
            trade=trade_in(entry),
            urgency=urgency_in(entry),
            status=status_in(entry),
            created_at=from_millis(millis_of(entry["made"])),
            resolved_at=moment_in(entry, "resolved_at"),
            breached=entry.get("breached", False),
            escalated=entry.get("escalated", False),
        )
        for entry in entries
    )


async def building_facts(where: ItemTables, building_id: str, since: datetime, before: datetime) -> BuildingFacts:
    """The building's counts over `[since, before)`, and what was made before `before` and is open now."""
    low, high = _span(since, before)
    partition = building_partition(building_id)
    made, opened = await asyncio.gather(
        where.dynamo.all(_selection(where, BY_BUILDING, partition, low, high, attributes=("topic", "request_id"))),
        where.dynamo.count(_selection(where, OPEN_BY_BUILDING, partition, None, high)),
    )
    topics = Counter(entry["topic"] for entry in made if "topic" in entry)
    return BuildingFacts(requests_180d=len(made), same_trade_180d=dict(topics), open_requests=opened)


async def spent(where: ItemTables, building_id: str, since: datetime, before: datetime) -> dict[Category, float]:
    """Actual costs of what was resolved in `[since, before)`, in US dollars by category."""
    first, last = to_millis(since), to_millis(before) - 1
    if first > last:
        return {}
    totals: defaultdict[Category, float] = defaultdict(float)
    selection = _selection(where, SPENT_BY_BUILDING, building_partition(building_id), first, last)
    for entry in await where.dynamo.all(selection):
        if (category := category_in(entry)) is not None:
            totals[category] += entry["cost_usd"]
    return dict(totals)


async def open_requests(where: ItemTables, building_id: str, since: datetime, limit: int) -> tuple[OpenRequest, ...]:
    """The building's open requests that were made at or after `since`, newest first."""
    low = moment_of(max(0, to_millis(since)))
    selection = _selection(where, OPEN_LIKENESS, building_partition(building_id), low, None, descending=True)
    found: list[Item] = []
    start = None
    while len(found) < limit:
        entries, start = await where.dynamo.page(selection, limit=limit - len(found), start=start)
        found += entries
        if start is None:
            break
    return tuple(map(_open_request, found))


async def workload(where: ItemTables) -> Workload:
    """Open work by crew and urgency; what has no urgency yet counts as Medium."""
    by_crew: defaultdict[Crew, Counter[Urgency]] = defaultdict(Counter)
    for entry in await _open_work(where):
        if "open_crew" in entry:
            by_crew[Crew(entry["open_crew"])][urgency_in(entry) or Urgency.MEDIUM] += 1
    return Workload(open_by_crew={crew: dict(counts) for crew, counts in by_crew.items()})


async def backlog(where: ItemTables) -> Backlog:
    """Open work by topic, and how the newest endings of each topic went; what has no urgency yet counts as Medium."""
    entries, *endings = await asyncio.gather(_open_work(where), *(_endings(where, topic) for topic in _TOPICS))
    opened: defaultdict[str, Counter[Urgency]] = defaultdict(Counter)
    overdue: Counter[str] = Counter()
    for entry in entries:
        if "topic" in entry and entry["status"] not in _UNDECIDED:
            opened[entry["topic"]][urgency_in(entry) or Urgency.MEDIUM] += 1
            overdue[entry["topic"]] += entry.get("breached", False)
    return Backlog(
        topics={
            topic: _topic_work(dict(opened[topic]), overdue[topic], ended)
            for topic, ended in zip(_TOPICS, endings, strict=True)
            if ended or topic in opened
        }
    )


async def _open_work(where: ItemTables) -> list[Item]:
    shards = (where.dynamo.all(_selection(where, OPEN_WORK, str(shard), None, None)) for shard in range(where.shards))
    return [entry for entries in await asyncio.gather(*shards) for entry in entries]


async def _endings(where: ItemTables, topic: str) -> list[Item]:
    entries, _ = await where.dynamo.page(
        _selection(where, ENDED_BY_TOPIC, topic, None, None, descending=True), limit=MAX_ENDINGS
    )
    return entries


def _topic_work(opened: dict[Urgency, int], overdue: int, endings: list[Item]) -> TopicWork:
    days = [max(0, entry["resolved_at"] - millis_of(entry["made"])) / DAY_MS for entry in endings]
    return TopicWork(
        open=opened,
        overdue=overdue,
        ended=len(endings),
        ended_since=moment_in(endings[-1], "resolved_at") if endings else None,
        last_ended_at=moment_in(endings[0], "resolved_at") if endings else None,
        mean_days=sum(days) / len(days) if days else 0.0,
        breached=sum(entry.get("breached", False) for entry in endings),
    )


def _open_request(entry: Item) -> OpenRequest:
    return OpenRequest(
        request_id=RequestId(entry["request_id"]),
        resident_id=unprefixed(entry["resident"]),
        building_id=unprefixed(entry["building"]),
        unit=entry.get("unit"),
        created_at=from_millis(millis_of(entry["open_made"])),
        status=status_in(entry),
        category=category_in(entry),
        trade=trade_in(entry),
        urgency=urgency_in(entry),
        incident_id=entry.get("incident_id"),
        vector=entry.get("vector", b""),
    )


def _span(since: datetime, before: datetime) -> tuple[str, str]:
    """The places of `[since, before)`. A bound alone is a moment without an id, which nothing stands at."""
    low, high = max(0, to_millis(since)), max(0, to_millis(before))
    return moment_of(min(low, high)), moment_of(high)


def _selection(
    where: ItemTables,
    index: Index,
    partition: str,
    low: str | int | None,
    high: str | int | None,
    *,
    descending: bool = False,
    attributes: tuple[str, ...] = (),
) -> Selection:
    return Selection(
        where.table,
        index.partition,
        partition,
        index.name,
        index.sort,
        low,
        high,
        descending,
        attributes=attributes,
    )
