"""What the SQLite store tells of many requests at once, for likeness and for statistics."""

import heapq
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any

from adapters.request_index import index_facts
from adapters.sqlite import from_millis
from adapters.store_sqlite_items import DOCUMENTS, to_record
from core.labels import Category, Status, Trade, Urgency
from core.ports.store import OpenRequest, OutcomeFacts
from core.record import RequestRecord
from core.request import RequestId

CHUNK = 500
"""Outcomes that are read at once."""

_OPEN = (
    "SELECT row, request_id, resident_id, building_id, created_at, status, category, trade, urgency, unit, incident_id,"
    " vector, indexed_version IS version FROM requests INDEXED BY open_by_building"
    " WHERE is_open = 1 AND building_id = ? AND created_at >= ? ORDER BY created_at DESC, request_id DESC LIMIT ?"
)
_OUTCOMES = (
    "SELECT created_at, request_id, row, building_id, category, urgency, status, resolved_at, breached,"
    " response_breached, escalated, reopened, automated, corrected, actual_cost_usd, rating,"
    " indexed_version IS version FROM requests INDEXED BY by_building"
    " WHERE building_id = ? AND (created_at, request_id) > (?, ?) AND created_at < ? ORDER BY created_at, request_id"
)
_NEXT_BUILDING = (
    "SELECT building_id FROM requests INDEXED BY by_building WHERE building_id > ? ORDER BY building_id LIMIT 1"
)

Position = tuple[int, str]
"""When a request was made, in milliseconds, and its id."""


def open_requests(connection: sqlite3.Connection, building_id: str, since: int, limit: int) -> tuple[OpenRequest, ...]:
    """The building's open requests made at or after `since`, newest first."""
    rows = connection.execute(_OPEN, (building_id, since, limit)).fetchall()
    return tuple(_to_open_request(connection, *row) for row in rows)


def building_ids(connection: sqlite3.Connection) -> tuple[str, ...]:
    """All buildings that have requests; one step of an index for each."""
    return tuple(_each_building(connection))


def outcomes(
    connection: sqlite3.Connection, buildings: tuple[str, ...], after: Position, end: int
) -> tuple[OutcomeFacts, ...]:
    """Up to `CHUNK` of the buildings' requests that stand after `after` and were made before `end`, oldest first."""
    with ExitStack() as reading:
        ranges = [
            reading.enter_context(closing(connection.execute(_OUTCOMES, (building, *after, end))))
            for building in buildings
        ]
        rows = list(islice(heapq.merge(*ranges, key=lambda row: row[:2]), CHUNK))
    return tuple(_to_outcome(connection, *row) for row in rows)


def _each_building(connection: sqlite3.Connection) -> Iterator[str]:
    last = ""
    while found := connection.execute(_NEXT_BUILDING, (last,)).fetchone():
        (last,) = found
        yield last


def _to_open_request(
    connection: sqlite3.Connection,
    row: int,
    request_id: str,
    resident_id: str,
    building_id: str,
    created_at: int,
    status: str,
    category: str | None,
    trade: str | None,
    urgency: str | None,
    unit: str | None,
    incident_id: str | None,
    vector: bytes | None,
    is_indexed: int,
) -> OpenRequest:
    if not is_indexed:
        record = _record(connection, row)
        unit, incident_id, vector = record.request.unit, record.request.incident_id, index_facts(record).vector
    return OpenRequest(
        request_id=RequestId(request_id),
        resident_id=resident_id,
        building_id=building_id,
        unit=unit,
        created_at=from_millis(created_at),
        status=Status(status),
        category=Category(category) if category else None,
        trade=Trade(trade) if trade else None,
        urgency=Urgency(urgency) if urgency else None,
        incident_id=incident_id,
        vector=vector or b"",
    )


def _to_outcome(
    connection: sqlite3.Connection,
    created_at: int,
    request_id: str,
    row: int,
    building_id: str,
    category: str | None,
    urgency: str | None,
    status: str,
    resolved_at: int | None,
    breached: int,
    response_breached: int | None,
    escalated: int,
    reopened: int | None,
    automated: int | None,
    corrected: int | None,
    cost_usd: float | None,
    rating: int | None,
    is_indexed: int,
) -> OutcomeFacts:
    known: dict[str, Any] = {
        "response_breached": bool(response_breached),
        "reopened": reopened or 0,
        "automated": bool(automated),
        "corrected": bool(corrected),
        "cost_usd": cost_usd,
        "rating": rating,
    }
    if not is_indexed:
        known = _from_documents(_record(connection, row))
    return OutcomeFacts(
        request_id=RequestId(request_id),
        building_id=building_id,
        category=Category(category) if category else None,
        urgency=Urgency(urgency) if urgency else None,
        status=Status(status),
        created_at=from_millis(created_at),
        resolved_at=None if resolved_at is None else from_millis(resolved_at),
        breached=bool(breached),
        escalated=bool(escalated),
        **known,
    )


def _from_documents(record: RequestRecord) -> dict[str, Any]:
    """The facts whose columns an earlier version of this program did not write."""
    request, facts = record.request, index_facts(record)
    return {
        "response_breached": request.sla is not None and request.sla.response_breached,
        "reopened": request.reopened,
        "automated": facts.automated,
        "corrected": facts.corrected,
        "cost_usd": request.resolution.actual_cost_usd if request.resolution else None,
        "rating": request.feedback.rating if request.feedback else None,
    }


def _record(connection: sqlite3.Connection, row: int) -> RequestRecord:
    return to_record(connection.execute(f"SELECT {DOCUMENTS} FROM requests WHERE row = ?", (row,)).fetchone())
