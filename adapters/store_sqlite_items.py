"""Single requests in the SQLite store: creating, reading, replacing and claiming them."""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from adapters.request_index import index_facts
from adapters.sqlite import from_millis, to_millis
from core.contract import rfc3339, told
from core.errors import BrokenInvariant, VersionConflict
from core.record import RequestRecord
from core.request import Event, RequestId

log = logging.getLogger(__name__)

FIXED_COLUMNS = ("request_id", "resident_id", "building_id", "created_at")
DERIVED_COLUMNS = (
    "status",
    "category",
    "trade",
    "urgency",
    "topic",
    "is_open",
    "open_crew",
    "attention_order",
    "attention_at",
    "resolved_at",
    "actual_cost_usd",
    "breached",
    "response_breached",
    "escalated",
    "reopened",
    "automated",
    "corrected",
    "rating",
    "unit",
    "incident_id",
    "vector",
    "indexed_version",
)
"""What the documents tell."""
CHANGING_COLUMNS = ("version", "events", "next_action_at", "attempts", "request", "internal", *DERIVED_COLUMNS)
LINES_AT_ONCE = 100
_OUTSIDE_INTERNAL = {"request", "next_action_at", "attempts"}

_COLUMNS = FIXED_COLUMNS + CHANGING_COLUMNS
_INSERT = (
    f"INSERT INTO requests ({', '.join(_COLUMNS)}) VALUES ({', '.join(':' + name for name in _COLUMNS)})"
    " ON CONFLICT (request_id) DO NOTHING"
)
_ASSIGNMENTS = {name: f"{name} = :{name}" for name in CHANGING_COLUMNS} | {
    "events": "events = events + :added",
    "escalated": "escalated = max(escalated, :escalated)",
}
_UPDATE = (
    f"UPDATE requests SET {', '.join(_ASSIGNMENTS.values())} WHERE request_id = :request_id AND version = :expected"
    " AND (:added = 0 OR events = :events) RETURNING row"
)
_REWRITE = (
    "UPDATE requests SET resident_id = :resident_id, "
    f"{', '.join((_ASSIGNMENTS | {'events': 'events = :events'}).values())}"
    " WHERE request_id = :request_id AND version = :expected AND events <= :events RETURNING row"
)
_REINDEX = f"UPDATE requests SET {', '.join(_ASSIGNMENTS[name] for name in DERIVED_COLUMNS)} WHERE row = :row"
DOCUMENTS = "request, internal, next_action_at, attempts"

Row = tuple[Any, ...]


def creation(record: RequestRecord, events: Sequence[Event]) -> Callable[[sqlite3.Connection], bool]:
    """The write that stores a new request, False where its id exists."""
    if record.request.version != 1:
        raise BrokenInvariant("A new request has version 1.")
    if _before_first(events) != 0:
        raise BrokenInvariant("The events of a new request are numbered from 1.")
    columns = columns_of(record) | {"events": len(events)}
    lines = _event_lines(events)

    def write(connection: sqlite3.Connection) -> bool:
        inserted = connection.execute(_INSERT, columns)
        if inserted.rowcount == 0:
            return False
        _append(connection, inserted.lastrowid, lines)
        return True

    return write


def replacement(
    record: RequestRecord, expected_version: int, events: Sequence[Event]
) -> Callable[[sqlite3.Connection], None]:
    """The write that replaces a request of `expected_version`."""
    if record.request.version != expected_version + 1:
        raise BrokenInvariant("A saved request has the version after the expected one.")
    columns = columns_of(record) | {
        "events": _before_first(events),
        "added": len(events),
        "expected": expected_version,
    }
    lines = _event_lines(events)

    def write(connection: sqlite3.Connection) -> None:
        found = connection.execute(_UPDATE, columns).fetchone()
        if found is None:
            raise _why_not_replaced(connection, record.request.request_id, expected_version)
        _append(connection, found[0], lines)

    return write


def rewriting(
    record: RequestRecord, expected_version: int, events: Sequence[Event]
) -> Callable[[sqlite3.Connection], None]:
    """The write that replaces a request of `expected_version` and its whole timeline, which may grow at its end."""
    if record.request.version != expected_version + 1:
        raise BrokenInvariant("A rewritten request has the version after the expected one.")
    if _before_first(events) != 0:
        raise BrokenInvariant("A whole timeline is numbered from 1.")
    columns = columns_of(record) | {"events": len(events), "expected": expected_version}
    lines = _event_lines(events)

    def write(connection: sqlite3.Connection) -> None:
        found = connection.execute(_REWRITE, columns).fetchone()
        if found is None:
            raise _why_not_rewritten(connection, record.request.request_id, expected_version)
        connection.execute("DELETE FROM events WHERE request = ?", found)
        _append(connection, found[0], lines)

    return write


def reindex(connection: sqlite3.Connection, row: int, record: RequestRecord) -> None:
    """Write the columns that the documents tell."""
    connection.execute(_REINDEX, columns_of(record) | {"row": row})


def find(connection: sqlite3.Connection, request_id: RequestId) -> RequestRecord | None:
    """The record, or None."""
    row = connection.execute(f"SELECT {DOCUMENTS} FROM requests WHERE request_id = ?", (request_id,)).fetchone()
    return to_record(row) if row else None


def to_record(row: Row) -> RequestRecord:
    """A record from its documents and the columns that a claim changes."""
    request, internal, next_action_at, attempts = row
    due = "null" if next_action_at is None else f'"{rfc3339(from_millis(next_action_at))}"'
    return RequestRecord.model_validate_json(
        f'{{"request":{request},"next_action_at":{due},"attempts":{attempts},{internal[1:]}'
    )


def readable(rows: Sequence[Row]) -> Iterator[RequestRecord]:
    """The records that this version of the program can read; of another nobody else's work may depend."""
    for row in rows:
        try:
            yield to_record(row)
        except ValidationError as error:
            log.error("request %s can't be read: %s", json.loads(row[0]).get("request_id"), told(error))


def timeline(connection: sqlite3.Connection, request_id: RequestId, after: int) -> tuple[Event, ...]:
    """The events after a sequence number, in order."""
    rows = connection.execute(
        "SELECT event FROM requests JOIN events ON events.request = requests.row"
        " WHERE request_id = ? AND sequence > ? ORDER BY sequence",
        (request_id, after),
    )
    return tuple(Event.model_validate_json(event) for (event,) in rows)


def is_due(connection: sqlite3.Connection, now: int) -> bool:
    """Whether anything is due."""
    look = "SELECT 1 FROM requests INDEXED BY due WHERE next_action_at <= ? LIMIT 1"
    return connection.execute(look, (now,)).fetchone() is not None


def oldest_due(connection: sqlite3.Connection, now: int) -> int | None:
    """The earliest moment from which something is due."""
    look = (
        "SELECT next_action_at FROM requests INDEXED BY due WHERE next_action_at <= ? ORDER BY next_action_at LIMIT 1"
    )
    found = connection.execute(look, (now,)).fetchone()
    return found[0] if found else None


def claim_rows(connection: sqlite3.Connection, now: int, until: int, limit: int) -> list[Row]:
    """The documents of what is due, oldest first, after moving it to `until` and counting the attempt."""
    due = connection.execute(
        "SELECT row FROM requests INDEXED BY due WHERE next_action_at <= ? ORDER BY next_action_at LIMIT ?",
        (now, limit),
    ).fetchall()
    connection.executemany(
        "UPDATE requests SET next_action_at = ?, attempts = attempts + 1 WHERE row = ?",
        [(until, row) for (row,) in due],
    )
    read = f"SELECT {DOCUMENTS} FROM requests WHERE row = ?"
    return [connection.execute(read, row).fetchone() for row in due]


def columns_of(record: RequestRecord) -> dict[str, str | int | float | bytes | None]:
    """The columns of a record but `events`, whose value only the timeline tells."""
    request, facts = record.request, index_facts(record)
    resolution = request.resolution
    return {
        "request_id": request.request_id,
        "resident_id": request.resident_id,
        "building_id": request.building_id,
        "created_at": to_millis(request.created_at),
        "version": request.version,
        "status": request.status.value,
        "category": facts.category and facts.category.value,
        "trade": facts.trade and facts.trade.value,
        "urgency": facts.urgency and facts.urgency.value,
        "topic": facts.topic.value if facts.topic else "",
        "is_open": int(facts.is_open),
        "open_crew": facts.open_crew and facts.open_crew.value,
        "attention_order": facts.attention_order,
        "attention_at": to_millis(facts.attention_at) if facts.attention_at else None,
        "resolved_at": to_millis(resolution.resolved_at) if resolution else None,
        "actual_cost_usd": resolution.actual_cost_usd if resolution else None,
        "breached": int(request.sla is not None and request.sla.breached),
        "response_breached": int(request.sla is not None and request.sla.response_breached),
        "escalated": int(facts.escalated),
        "reopened": request.reopened,
        "automated": int(facts.automated),
        "corrected": int(facts.corrected),
        "rating": request.feedback.rating if request.feedback else None,
        "unit": request.unit,
        "incident_id": request.incident_id,
        "vector": facts.vector,
        "indexed_version": request.version,
        "next_action_at": to_millis(record.next_action_at) if record.next_action_at else None,
        "attempts": record.attempts,
        "request": request.model_dump_json(),
        "internal": record.model_dump_json(exclude=_OUTSIDE_INTERNAL),
    }


def _before_first(events: Sequence[Event]) -> int:
    """The sequence number that the first event follows; raises `BrokenInvariant` where there are gaps."""
    if not events:
        return 0
    first = events[0].sequence
    if [event.sequence for event in events] != list(range(first, first + len(events))):
        raise BrokenInvariant("Events are numbered without gaps.")
    return first - 1


def _event_lines(events: Sequence[Event]) -> list[tuple[int, str]]:
    return [(event.sequence, event.model_dump_json()) for event in events]


def _append(connection: sqlite3.Connection, request: int | None, lines: Sequence[tuple[int, str]]) -> None:
    for begin in range(0, len(lines), LINES_AT_ONCE):
        some = lines[begin : begin + LINES_AT_ONCE]
        places = ", ".join(["(?, ?, ?)"] * len(some))
        values = [value for sequence, event in some for value in (request, sequence, event)]
        connection.execute(f"INSERT INTO events (request, sequence, event) VALUES {places}", values)


def _why_not_replaced(connection: sqlite3.Connection, request_id: str, expected_version: int) -> Exception:
    conflict, events = _compare(connection, request_id, expected_version)
    return conflict or BrokenInvariant(f"The next event of this request has the number {events + 1}.")


def _why_not_rewritten(connection: sqlite3.Connection, request_id: str, expected_version: int) -> Exception:
    conflict, events = _compare(connection, request_id, expected_version)
    return conflict or BrokenInvariant(f"The timeline of this request has {events} events.")


def _compare(
    connection: sqlite3.Connection, request_id: str, expected_version: int
) -> tuple[VersionConflict | None, int]:
    """What is wrong with the expected version, and the number of stored events."""
    stored = connection.execute("SELECT version, events FROM requests WHERE request_id = ?", (request_id,)).fetchone()
    if stored is None:
        return VersionConflict("There is no such request to save."), 0
    if stored[0] != expected_version:
        return VersionConflict(f"The request is at version {stored[0]}, not {expected_version}."), stored[1]
    return None, stored[1]
