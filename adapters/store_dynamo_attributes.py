"""What a request's item in DynamoDB consists of: its documents, compressed, and the attributes that indexes need.

A document that would make the item too large for DynamoDB (400 KB) is kept in parts beside the timeline.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.dynamo_values import Item, Value
from adapters.request_index import index_facts
from adapters.sqlite import EPOCH, from_millis, to_millis
from core.contract import rfc3339
from core.errors import BrokenInvariant
from core.labels import Category, Status, Trade, Urgency
from core.record import RequestRecord
from core.request import Event

INLINE_BYTES = 350_000
"""Compressed documents up to this size stay in the item; beside them it has a few thousand bytes."""
PART_BYTES = 380_000
EVENT_BYTES = 200_000
"""Of the JSON of the events in one row."""

_OUTSIDE_INTERNAL = {"request", "next_action_at", "attempts"}

Attributes = dict[str, Value | None]
"""None where the item has no such attribute, which keeps it out of the indexes by that attribute."""


@dataclass(frozen=True)
class Documents:
    """A record's two documents, compressed."""

    request: bytes
    internal: bytes

    @property
    def parts(self) -> tuple[bytes, ...]:
        """The documents cut into parts where the item can't hold them; else nothing."""
        whole = self.request + self.internal
        if len(whole) <= INLINE_BYTES:
            return ()
        return tuple(whole[start : start + PART_BYTES] for start in range(0, len(whole), PART_BYTES))


def documents_of(record: RequestRecord) -> Documents:
    """The record's documents."""
    return Documents(
        zlib.compress(record.request.model_dump_json().encode()),
        zlib.compress(record.model_dump_json(exclude=_OUTSIDE_INTERNAL).encode()),
    )


def attributes_of(record: RequestRecord, documents: Documents, shards: int) -> Attributes:
    """All attributes of the item but its key, `events`, and `escalated`, which once set stays."""
    request, facts = record.request, index_facts(record)
    shard = str(zlib.crc32(request.request_id.encode()) % shards)
    made = place_of(to_millis(request.created_at), request.request_id)
    inline = not documents.parts
    return {
        "version": request.version,
        "request": documents.request if inline else None,
        "internal": documents.internal if inline else None,
        "request_bytes": None if inline else len(documents.request),
        "parts": len(documents.parts) or None,
        "shard": shard,
        "status_shard": status_partition(request.status.value, shard),
        "building": building_partition(request.building_id),
        "resident": resident_partition(request.resident_id),
        "made": made,
        "open_made": made if facts.is_open else None,
        "status": request.status.value,
        "category": facts.category and facts.category.value,
        "trade": facts.trade and facts.trade.value,
        "urgency": facts.urgency and facts.urgency.value,
        "topic": facts.topic and facts.topic.value,
        "open_crew": facts.open_crew and facts.open_crew.value,
        "attention_place": None
        if facts.attention_order is None or facts.attention_at is None
        else f"{facts.attention_order}#{place_of(to_millis(facts.attention_at), request.request_id)}",
        "unit": request.unit if facts.is_open else None,
        "incident_id": request.incident_id if facts.is_open else None,
        "vector": (facts.vector or None) if facts.is_open else None,
        "automated": facts.automated or None,
        "corrected": facts.corrected or None,
        "reopened": request.reopened or None,
        "rating": request.feedback.rating if request.feedback else None,
        "breached": (request.sla is not None and request.sla.breached) or None,
        "response_breached": (request.sla is not None and request.sla.response_breached) or None,
        **_ending(record, facts.topic if not facts.is_open else None),
        **due_attributes(record.next_action_at, request.request_id),
        "attempts": record.attempts,
    }


def is_escalated(record: RequestRecord) -> bool:
    """Whether the record says so; the item remembers it for ever."""
    return index_facts(record).escalated


def due_attributes(at: datetime | None, request_id: str) -> Attributes:
    """The attributes that a claim moves."""
    if at is None:
        return {"next_action_at": None, "due": None}
    return {"next_action_at": to_millis(at), "due": place_of(to_millis(at), request_id)}


def to_record(item: Item, documents: Documents) -> RequestRecord:
    """A record from its documents and the attributes that a claim changes."""
    at = item.get("next_action_at")
    due = "null" if at is None else f'"{rfc3339(from_millis(at))}"'
    request, internal = (zlib.decompress(each).decode() for each in (documents.request, documents.internal))
    return RequestRecord.model_validate_json(
        f'{{"request":{request},"next_action_at":{due},"attempts":{item["attempts"]},{internal[1:]}'
    )


def place_of(millis: int, request_id: str) -> str:
    """Text that sorts by time, and by id at the same millisecond."""
    return f"{moment_of(millis)}#{request_id}"


def moment_of(millis: int) -> str:
    """Text that sorts like the time. Raises `BrokenInvariant` for a time before 1970."""
    if millis < 0:
        raise BrokenInvariant(f"A time before {EPOCH.year} can't be stored.")
    return f"{millis:015d}"


def millis_of(place: str) -> int:
    """The time of a place."""
    return int(place.split("#", 1)[0])


def status_partition(status: str, shard: str) -> str:
    """The partition of a status."""
    return f"{status}#{shard}"


def building_partition(building_id: str) -> str:
    """The partition of a building; never empty, whatever its id."""
    return f"b:{building_id}"


def resident_partition(resident_id: str) -> str:
    """The partition of a resident; never empty, whatever their id."""
    return f"r:{resident_id}"


def unprefixed(partition: str) -> str:
    """The id in the partition of a building or a resident."""
    return partition[2:]


def category_in(item: Item) -> Category | None:
    """The category that an item or index entry states."""
    return Category(item["category"]) if "category" in item else None


def trade_in(item: Item) -> Trade | None:
    """The trade that it states."""
    return Trade(item["trade"]) if "trade" in item else None


def urgency_in(item: Item) -> Urgency | None:
    """The urgency that it states."""
    return Urgency(item["urgency"]) if "urgency" in item else None


def status_in(item: Item) -> Status:
    """The status that it states."""
    return Status(item["status"])


def moment_in(item: Item, name: str) -> datetime | None:
    """A time in milliseconds that it states."""
    return from_millis(item[name]) if name in item else None


def before_first(events: Sequence[Event]) -> int:
    """The sequence number that the first event follows; raises `BrokenInvariant` where there are gaps."""
    if not events:
        return 0
    first = events[0].sequence
    if [event.sequence for event in events] != list(range(first, first + len(events))):
        raise BrokenInvariant("Events are numbered without gaps.")
    return first - 1


def _ending(record: RequestRecord, ended_topic: Trade | Category | None) -> Attributes:
    resolution = record.request.resolution
    resolved_at = to_millis(resolution.resolved_at) if resolution else None
    cost = resolution.actual_cost_usd if resolution else None
    return {
        "resolved_at": resolved_at,
        "ended_topic": ended_topic.value if ended_topic and resolution else None,
        "cost_usd": cost,
        "spent_at": None if cost is None else resolved_at,
    }
