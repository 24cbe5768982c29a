"""The rows of the operations desk: how jobs are written, found and read in a transaction of its SQLite file."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adapters.desk_database import parse_number
from adapters.desk_jobs import Job
from adapters.sqlite import from_millis, to_millis
from core.errors import ActionRejected
from core.execution import WorkOrder
from core.ports.execution import ActionContext

PREFIX = "WO-"

_COLUMNS = (
    "number, request_id, execution_id, kind, crew, title, steps, building_id, unit, instructions, details,"
    " cost_limit_usd, vendor, licence, not_before, waits_for, assigned_to, scheduled_start, scheduled_end,"
    " rescheduled, scheduled_before, urgency, status, created_at, closed_at, closed_by, notes, actual_cost_usd,"
    " actual_hours, version"
)
_NAMES = tuple(_COLUMNS.replace(",", " ").split())
_MOMENTS = ("not_before", "scheduled_start", "scheduled_end", "scheduled_before", "created_at", "closed_at")

Row = tuple[Any, ...]


def insert_job(connection: sqlite3.Connection, job: Job, context: ActionContext, now: datetime) -> str:
    """Open the job and return its id. Raises `ActionRejected` where its amenity is taken or it waits for itself."""
    details = dict(job.details or {})
    if job.amenity is not None:
        details |= _taken(connection, job)
    keys = [_key(context, place) for place in job.waits_for]
    if any(_is_place(context.idempotency_key, key) for key in keys):
        raise ActionRejected("A job can't wait for itself.")
    values: dict[str, Any] = {
        "idempotency_key": context.idempotency_key,
        "request_id": context.request_id,
        "execution_id": context.execution_id,
        "kind": job.kind,
        "crew": job.crew,
        "title": job.title,
        "steps": json.dumps(job.steps),
        "building_id": job.building_id,
        "unit": job.unit,
        "instructions": job.instructions,
        "details": json.dumps(details),
        "cost_limit_usd": job.cost_limit_usd,
        "vendor": job.vendor,
        "licence": job.licence,
        "not_before": _millis(job.not_before),
        "waits_for": json.dumps(keys),
        "amenity": job.amenity,
        "scheduled_start": job.window and to_millis(job.window[0]),
        "scheduled_end": job.window and to_millis(job.window[1]),
        "urgency": context.urgency,
        "status": "Open",
        "created_at": to_millis(now),
    }
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    inserted = connection.execute(f"INSERT INTO work_orders ({names}) VALUES ({marks})", tuple(values.values()))
    return f"{PREFIX}{inserted.lastrowid}"


def find_job(connection: sqlite3.Connection, idempotency_key: str) -> str | None:
    """The id of the job that was opened with this key, or None."""
    row = connection.execute("SELECT number FROM work_orders WHERE idempotency_key = ?", (idempotency_key,)).fetchone()
    return None if row is None else f"{PREFIX}{row[0]}"


def get_job(connection: sqlite3.Connection, work_order_id: str) -> WorkOrder | None:
    """The job, or None."""
    number = parse_number(work_order_id, PREFIX)
    row = connection.execute(f"SELECT {_COLUMNS} FROM work_orders WHERE number = ?", (number,)).fetchone()
    return None if row is None else read_job(connection, row)


def select_newest(
    connection: sqlite3.Connection, open_only: bool, before: int | str, limit: int, building_id: str | None = None
) -> list[Row]:
    """Rows below the number `before`, the newest first; each begins with its number."""
    where = ["number < ?"]
    values: list[int | str] = [before]
    if open_only:
        where.append("status = 'Open'")
    if building_id is not None:
        where.append("building_id = ?")
        values.append(building_id)
    return connection.execute(
        f"SELECT {_COLUMNS} FROM work_orders WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?",
        (*values, limit),
    ).fetchall()


def select_scheduled(
    connection: sqlite3.Connection, start: datetime, end: datetime, limit: int, building_id: str | None = None
) -> list[Row]:
    """Rows of open jobs that begin from `start` up to but not including `end`, the earliest first."""
    of_building, values = ("", ()) if building_id is None else (" AND building_id = ?", (building_id,))
    return connection.execute(
        f"SELECT {_COLUMNS} FROM work_orders WHERE status = 'Open' AND scheduled_start IS NOT NULL"
        f" AND scheduled_start >= ? AND scheduled_start < ?{of_building} ORDER BY scheduled_start, number LIMIT ?",
        (to_millis(start), to_millis(end), *values, limit),
    ).fetchall()


def scheduled_order(row: Row) -> tuple[int, int]:
    """By begin, then by number, to put rows of several buildings in order."""
    return row[_NAMES.index("scheduled_start")], row[0]


def update_plan(connection: sqlite3.Connection, number: int, by: str, assigned_to: str | None) -> None:
    """Write who does it."""
    connection.execute(
        "UPDATE work_orders SET assigned_to = ?, planned_by = ?, version = version + 1 WHERE number = ?",
        (assigned_to, by, number),
    )


def update_time(connection: sqlite3.Connection, number: int, window: tuple[datetime, datetime] | None) -> None:
    """Write another time, and count it."""
    connection.execute(
        "UPDATE work_orders SET scheduled_before = scheduled_start, scheduled_start = ?, scheduled_end = ?,"
        " rescheduled = rescheduled + 1 WHERE number = ?",
        (window and to_millis(window[0]), window and to_millis(window[1]), number),
    )


def cancel_open(
    connection: sqlite3.Connection, request_id: str, kept: Sequence[str], by: str, reason: str, now: datetime
) -> list[int]:
    """Cancel the open jobs for a request that are of none of the `kept` kinds; their numbers, ascending."""
    marks = ", ".join("?" * len(kept))
    rows: list[tuple[int]] = connection.execute(
        f"SELECT number FROM work_orders WHERE request_id = ? AND status = 'Open' AND kind NOT IN ({marks})"
        " ORDER BY number",
        (request_id, *kept),
    ).fetchall()
    connection.executemany(
        "UPDATE work_orders SET status = 'Cancelled', closed_at = ?, closed_by = ?, notes = ?, version = version + 1"
        " WHERE number = ?",
        [(to_millis(now), by, reason, number) for (number,) in rows],
    )
    return [number for (number,) in rows]


def select_unannounced(connection: sqlite3.Connection, limit: int) -> list[Row]:
    """Rows of jobs whose end was not announced, the first closed first."""
    return connection.execute(
        f"SELECT {_COLUMNS} FROM work_orders WHERE announced = 0 ORDER BY closed_at, number LIMIT ?", (limit,)
    ).fetchall()


def mark_announced(connection: sqlite3.Connection, number: int) -> None:
    """The end of the job was announced."""
    connection.execute("UPDATE work_orders SET announced = 1 WHERE number = ?", (number,))


def read_job(connection: sqlite3.Connection, row: Row) -> WorkOrder:
    """The job of a row, with the ids of the jobs that it waits for."""
    fields = dict(zip(_NAMES, row, strict=True))
    fields["work_order_id"] = f"{PREFIX}{fields.pop('number')}"
    fields["steps"] = json.loads(fields["steps"])
    fields["details"] = json.loads(fields["details"])
    for moment in _MOMENTS:
        if fields[moment] is not None:
            fields[moment] = from_millis(fields[moment])
    awaited = [each for key in json.loads(fields["waits_for"]) if (each := _newest_of(connection, key)) is not None]
    fields["waits_for"] = tuple(f"{PREFIX}{number}" for number, _ in awaited)
    fields["is_ready"] = all(status != "Open" for _, status in awaited)
    return WorkOrder.model_validate(fields)


def _key(context: ActionContext, place: int) -> str:
    return f"{context.execution_id}:{place}"


def _is_place(idempotency_key: str, key: str) -> bool:
    return idempotency_key == key or idempotency_key.startswith(f"{key}:r")


def _newest_of(connection: sqlite3.Connection, key: str) -> tuple[int, str] | None:
    """Number and status of the newest job of a place in a command; a repeated round of it ends its key in `:r2`.

    A place without a job here (it was refused, or another system does it) is None and holds nothing up.
    """
    return connection.execute(
        "SELECT number, status FROM work_orders WHERE idempotency_key = ?"
        " OR (idempotency_key >= ? AND idempotency_key < ?) ORDER BY number DESC LIMIT 1",
        (key, f"{key}:r", f"{key}:s"),
    ).fetchone()


def _taken(connection: sqlite3.Connection, job: Job) -> dict[str, Any]:
    """The bookings that a closure hits, for its details. Raises `ActionRejected` where a booking would overlap."""
    if job.window is None:
        return {}
    # One that is done, which may only mean written down, takes the place all the same.
    rows: list[tuple[int, str]] = connection.execute(
        "SELECT number, kind FROM work_orders WHERE amenity = ? AND building_id IS ? AND scheduled_end > ?"
        " AND scheduled_start < ? AND status <> 'Cancelled' ORDER BY number",
        (job.amenity, job.building_id, to_millis(job.window[0]), to_millis(job.window[1])),
    ).fetchall()
    if job.kind == "closure":
        return {"bookings": [f"{PREFIX}{number}" for number, kind in rows if kind == "booking"]}
    if rows:
        number, kind = rows[0]
        what = "closed" if kind == "closure" else "booked"
        raise ActionRejected(f"The amenity is {what} for some of that time ({PREFIX}{number}).")
    return {}


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else to_millis(moment)
