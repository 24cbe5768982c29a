"""Rows as version 3 of the SQLite store's program wrote them, and the statements that it ran."""

import json
import sqlite3
from typing import Any

from adapters.request_index import index_facts
from adapters.sqlite import to_millis
from adapters.store_sqlite_schema import SCHEMA
from core.record import RequestRecord
from core.request import Event

INTERNAL = (
    "correlation_id", "chosen_category", "chosen_urgency", "next_action", "outbox", "selected_by", "ordered_usd",
    "last_event", "news", "trace", "retrieved",
)  # fmt: skip
REQUEST = (
    "request_id", "resident_id", "building_id", "unit", "message_text", "status", "version", "created_at", "updated_at",
    "classification", "risk", "options", "decision", "answer", "selected_option_id", "approval", "execution", "sla",
    "preferences", "attachments", "incident_id", "duplicate_of", "feedback", "resolution", "needs_attention",
)  # fmt: skip
SLA = ("response_due_at", "resolution_due_at", "paused", "breached", "basis")
COLUMNS = (
    "request_id", "resident_id", "building_id", "created_at", "version", "events", "status", "category", "trade",
    "urgency", "topic", "is_open", "open_crew", "attention_order", "resolved_at", "actual_cost_usd", "breached",
    "escalated", "next_action_at", "attempts", "request", "internal",
)  # fmt: skip
FIXED = ("request_id", "resident_id", "building_id", "created_at")
ATTENTION = (
    "SELECT row, status, category, urgency, building_id, attention_order, created_at, request_id FROM requests"
    " INDEXED BY attention WHERE (attention_order, created_at, request_id) > (-1, 0, '')"
    " AND attention_order IS NOT NULL ORDER BY attention_order, created_at, request_id"
)
ATTENTION_OF_BUILDING = (
    "SELECT row, status, category, urgency, building_id, attention_order, created_at, request_id FROM requests"
    " INDEXED BY attention_by_building WHERE building_id = 'A' AND (attention_order, created_at, request_id)"
    " > (-1, 0, '') AND attention_order IS NOT NULL ORDER BY attention_order, created_at, request_id"
)
OF_BUILDING = (
    "SELECT row, status, category, urgency, building_id, created_at, request_id FROM requests INDEXED BY by_building"
    " WHERE building_id = 'A' AND (created_at, request_id) < (4611686018427387904, '') AND created_at IS NOT NULL"
    " ORDER BY created_at DESC, request_id DESC"
)
OPEN = (
    "SELECT count(*) FROM requests INDEXED BY open_by_building WHERE is_open = 1 AND building_id = 'A'"
    " AND created_at < 4611686018427387904"
)


def make_file(connection: sqlite3.Connection, version: int = 3) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    for script in SCHEMA[:version]:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version = {version}")


def insert(connection: sqlite3.Connection, record: RequestRecord, events: list[Event], **columns: Any) -> None:
    values = column_values(record) | {"events": len(events)} | columns
    names = [name for name in COLUMNS if name in values]
    inserted = connection.execute(
        f"INSERT INTO requests ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})", values
    )
    lines = [(inserted.lastrowid, event.sequence, event.model_dump_json(exclude={"internal"})) for event in events]
    connection.executemany("INSERT INTO events VALUES (?, ?, ?)", lines)


def update(connection: sqlite3.Connection, record: RequestRecord) -> None:
    values = column_values(record)
    changing = [name for name in COLUMNS if name in values and name not in FIXED]
    updated = connection.execute(
        f"UPDATE requests SET {', '.join(f'{name} = :{name}' for name in changing)}"
        " WHERE request_id = :request_id AND version = :version - 1",
        values,
    )
    assert updated.rowcount == 1


def column_values(record: RequestRecord) -> dict[str, Any]:
    request, facts = record.request, index_facts(record)
    resolution = request.resolution
    return {
        "request_id": request.request_id, "resident_id": request.resident_id, "building_id": request.building_id,
        "created_at": to_millis(request.created_at), "version": request.version, "status": request.status.value,
        "category": facts.category and facts.category.value, "trade": facts.trade and facts.trade.value,
        "urgency": facts.urgency and facts.urgency.value, "topic": facts.topic.value if facts.topic else "",
        "is_open": int(facts.is_open), "open_crew": facts.open_crew and facts.open_crew.value,
        "attention_order": facts.attention_order,
        "resolved_at": to_millis(resolution.resolved_at) if resolution else None,
        "actual_cost_usd": resolution.actual_cost_usd if resolution else None,
        "breached": int(request.sla is not None and request.sla.breached), "escalated": int(facts.escalated),
        "next_action_at": to_millis(record.next_action_at) if record.next_action_at else None,
        "attempts": record.attempts, "request": request_document(record), "internal": internal_document(record),
    }  # fmt: skip


def request_document(record: RequestRecord) -> str:
    document = json.loads(record.request.model_dump_json())
    if document["sla"]:
        document["sla"] = {name: document["sla"][name] for name in SLA}
    return json.dumps({name: document[name] for name in REQUEST})


def internal_document(record: RequestRecord) -> str:
    document = json.loads(record.model_dump_json())
    return json.dumps({name: document[name] for name in INTERNAL})
