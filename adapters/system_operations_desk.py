"""The built-in operations desk: work orders and staff tasks in a SQLite file."""

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from adapters.cursor import decode_cursor, encode_cursor
from adapters.desk_database import NEWEST, parse_number
from adapters.sqlite import Database, from_millis, to_millis
from core.actions import JobParameters, parse_parameters
from core.erasure import ERASED, ErasureScope
from core.errors import ActionRejected, Invalid, NotFound
from core.labels import ActionKind
from core.messages import ActionCall, WorkOrder
from core.ports.execution import ActionContext
from core.ports.page import Page

_KINDS = {ActionKind.DISPATCH_WORK_ORDER: "work_order", ActionKind.CREATE_STAFF_TASK: "staff_task"}
_PREFIX = "WO-"
_COLUMNS = (
    "number, request_id, execution_id, kind, crew, title, steps, building_id, unit, instructions, cost_limit_usd,"
    " urgency, status, created_at, closed_at, closed_by, notes, actual_cost_usd, actual_hours, vendor, licence,"
    " not_before"
)
_LIST = "work_orders"
_ERASE = (
    "UPDATE work_orders SET title = :erased, steps = '[]', unit = NULL, instructions = NULL,"
    " notes = CASE WHEN notes IS NULL AND status = 'Done' THEN NULL ELSE :erased END,"
    " closed_at = coalesce(closed_at, :now), closed_by = coalesce(closed_by, 'system'), status = 'Done'"
    " WHERE number = :number"
)


class SqliteOperationsDesk:
    """`OperationsDesk` for the processes of one machine, in the file of `open_desk_database`."""

    name = "operations_desk"

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._clock = clock

    async def perform(self, call: ActionCall, context: ActionContext) -> str:
        """Open a job and return its id; once for each idempotency key. Raises `ActionRejected`."""
        kind, job = _understand(call)
        now = to_millis(self._clock())

        def insert(connection: sqlite3.Connection) -> str:
            known = _find(connection, context.idempotency_key)
            return known if known is not None else _insert(connection, kind, job, context, now)

        return await self._database.write(insert)

    async def find(self, idempotency_key: str) -> str | None:
        """The id of the job that was opened with this key, or None."""
        return self._database.read(lambda connection: _find(connection, idempotency_key))

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """The job, or None."""
        return self._database.read(lambda connection: _get(connection, work_order_id))

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """The jobs, newest first; with `buildings`, only theirs. Raises `InvalidCursor`."""
        filters = {"open_only": open_only, "buildings": None if buildings is None else sorted(buildings)}
        before = NEWEST if cursor is None else decode_cursor(cursor, _LIST, filters, (int,))[0]

        def select(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            if buildings is None:
                return _select(connection, open_only, before, limit + 1)
            # A query for each building walks its own index and stops at the limit.
            found = [row for each in buildings for row in _select(connection, open_only, before, limit + 1, each)]
            return sorted(found, key=lambda row: row[0], reverse=True)[: limit + 1]

        rows = self._database.read(select)
        more = len(rows) > limit
        shown = rows[:limit]
        next_cursor = encode_cursor(_LIST, filters, (shown[-1][0],)) if more else None
        return Page(tuple(map(_work_order, shown)), next_cursor)

    async def complete(
        self,
        work_order_id: str,
        *,
        by: str,
        notes: str,
        actual_cost_usd: float | None,
        actual_hours: float | None,
        now: datetime,
    ) -> WorkOrder:
        """Close a job; closing a closed one returns it unchanged. Raises `NotFound`."""

        def close(connection: sqlite3.Connection) -> WorkOrder:
            connection.execute(
                "UPDATE work_orders SET status = 'Done', closed_at = ?, closed_by = ?, notes = ?,"
                " actual_cost_usd = ?, actual_hours = ? WHERE number = ? AND status = 'Open'",
                (to_millis(now), by, notes, actual_cost_usd, actual_hours, parse_number(work_order_id, _PREFIX)),
            )
            order = _get(connection, work_order_id)
            if order is None:
                raise NotFound("There is no such work order.")
            return order

        return await self._database.write(close)

    async def erase(self, scope: ErasureScope, *, now: datetime) -> tuple[str, ...]:
        """Take words, home and wishes out of the requests' jobs and close the open ones; the ids of all of them."""
        found = await self._database.read_in_thread(lambda connection: _of_requests(connection, scope.request_ids))
        changes = [{"erased": ERASED, "now": to_millis(now), "number": number} for number in found]
        await self._database.write(lambda connection: connection.executemany(_ERASE, changes) and None)
        await self._database.compact()
        return tuple(f"{_PREFIX}{number}" for number in found)

    async def close(self) -> None:
        """Give back connections and threads, the inbox's too where it shares the file's `Database`."""
        await self._database.close()


def _understand(call: ActionCall) -> tuple[str, JobParameters]:
    try:
        parameters = parse_parameters(call.action, call.parameters)
    except Invalid as error:
        raise ActionRejected(error.detail) from None
    if not isinstance(parameters, JobParameters):
        raise ActionRejected(f"The operations desk does not do {call.action}.")
    return _KINDS[call.action], parameters


def _insert(connection: sqlite3.Connection, kind: str, job: JobParameters, context: ActionContext, now: int) -> str:
    inserted = connection.execute(
        "INSERT INTO work_orders (idempotency_key, request_id, execution_id, kind, crew, title, steps, building_id,"
        " unit, instructions, cost_limit_usd, urgency, status, created_at, vendor, licence, not_before)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'Open', ?, ?, ?, ?)",
        (
            context.idempotency_key,
            context.request_id,
            context.execution_id,
            kind,
            job.crew,
            job.title,
            json.dumps(job.steps),
            job.building_id,
            job.unit,
            job.instructions,
            job.cost_limit_usd,
            context.urgency,
            now,
            job.vendor,
            job.licence,
            None if job.not_before is None else to_millis(job.not_before),
        ),
    )
    return f"{_PREFIX}{inserted.lastrowid}"


def _find(connection: sqlite3.Connection, idempotency_key: str) -> str | None:
    row = connection.execute("SELECT number FROM work_orders WHERE idempotency_key = ?", (idempotency_key,)).fetchone()
    return None if row is None else f"{_PREFIX}{row[0]}"


def _get(connection: sqlite3.Connection, work_order_id: str) -> WorkOrder | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM work_orders WHERE number = ?", (parse_number(work_order_id, _PREFIX),)
    ).fetchone()
    return None if row is None else _work_order(row)


def _of_requests(connection: sqlite3.Connection, request_ids: frozenset[str]) -> list[int]:
    rows = connection.execute("SELECT number, request_id FROM work_orders WHERE request_id IS NOT NULL")
    return [number for number, request_id in rows if request_id in request_ids]


def _select(
    connection: sqlite3.Connection, open_only: bool, before: int | str, limit: int, building_id: str | None = None
) -> list[tuple[Any, ...]]:
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


def _work_order(row: tuple[Any, ...]) -> WorkOrder:
    fields = dict(zip(_COLUMNS.replace(",", " ").split(), row, strict=True))
    fields["work_order_id"] = f"{_PREFIX}{fields.pop('number')}"
    fields["steps"] = json.loads(fields["steps"])
    for moment in ("created_at", "closed_at", "not_before"):
        if fields[moment] is not None:
            fields[moment] = from_millis(fields[moment])
    return WorkOrder.model_validate(fields)
