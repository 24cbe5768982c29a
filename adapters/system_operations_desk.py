"""The built-in operations desk: the work of a house that has no other system, in a SQLite file."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from adapters.cursor import decode_cursor, encode_cursor
from adapters.desk_database import NEWEST, parse_number
from adapters.desk_erasure import erase_jobs, jobs_of
from adapters.desk_jobs import describe_job, require_entry_allowed
from adapters.desk_rows import (
    PREFIX,
    Row,
    cancel_open,
    find_job,
    get_job,
    insert_job,
    mark_announced,
    read_job,
    scheduled_order,
    select_newest,
    select_scheduled,
    select_unannounced,
    update_plan,
    update_time,
)
from adapters.sqlite import Database, from_millis, to_millis
from core.contract import rfc3339
from core.erasure import ErasureScope
from core.errors import Invalid, NotFound, StaleVersion, Unavailable, WrongState
from core.execution import ActionCall, WorkOrder
from core.ports.execution import ActionContext, Effect, SystemState
from core.ports.page import Page
from core.request import RequestId
from core.systems import DESK
from core.visits import Window

_LIST = "work_orders"
_AMENITY_KINDS = ("booking", "closure")


class SqliteOperationsDesk:
    """`OperationsDesk` for the processes of one machine, in the file of `open_desk_database`.

    `time_zone` (IANA) is the house's, for visits whose action brings no entry rules.
    """

    name = DESK

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), time_zone: str = "UTC"
    ) -> None:
        self._database = database
        self._clock = clock
        self._time_zone = time_zone
        self._state = SystemState(self.name, "ok")

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        """Open a job and return its id; once for each idempotency key. Raises `ActionRejected`."""
        with self._counted():
            # Before anything is judged: what was allowed when it was opened may not be any more.
            if (known := self._find(context)) is not None:
                return Effect(known)
            now = from_millis(to_millis(self._clock()))
            job = describe_job(call, urgency=context.urgency, now=now, time_zone=self._time_zone)

            def insert(connection: sqlite3.Connection) -> str:
                return find_job(connection, context.idempotency_key) or insert_job(connection, job, context, now)

            return Effect(await self._database.write(insert))

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        """The job that was opened with this key, or None."""
        with self._counted():
            known = self._find(context)
            return None if known is None else Effect(known)

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        """Cancel an open job; False for one that is done or unknown."""
        number, now = parse_number(external_id, PREFIX), to_millis(self._clock())

        def cancel(connection: sqlite3.Connection) -> bool:
            connection.execute(
                "UPDATE work_orders SET status = 'Cancelled', closed_at = ?, closed_by = 'system',"
                " version = version + 1 WHERE number = ? AND status = 'Open'",
                (now, number),
            )
            order = get_job(connection, external_id)
            return order is not None and order.status == "Cancelled"

        with self._counted():
            return await self._database.write(cancel)

    def state(self) -> SystemState:
        """How its calls went."""
        return self._state

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """The job, or None."""
        return self._database.read(lambda connection: get_job(connection, work_order_id))

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """The jobs, newest first; with `buildings`, only theirs. Raises `InvalidCursor`."""
        filters = {"open_only": open_only, "buildings": None if buildings is None else sorted(buildings)}
        before = NEWEST if cursor is None else decode_cursor(cursor, _LIST, filters, (int,))[0]

        def select(connection: sqlite3.Connection) -> tuple[list[WorkOrder], str | None]:
            if buildings is None:
                rows = select_newest(connection, open_only, before, limit + 1)
            else:
                # A query for each building walks its own index and stops at the limit.
                found = [
                    row for one in buildings for row in select_newest(connection, open_only, before, limit + 1, one)
                ]
                rows = sorted(found, key=lambda row: row[0], reverse=True)[: limit + 1]
            next_cursor = encode_cursor(_LIST, filters, (rows[limit - 1][0],)) if len(rows) > limit else None
            return [read_job(connection, row) for row in rows[:limit]], next_cursor

        orders, next_cursor = self._database.read(select)
        return Page(tuple(orders), next_cursor)

    async def calendar(
        self, *, start: datetime, end: datetime, buildings: frozenset[str] | None, limit: int
    ) -> tuple[WorkOrder, ...]:
        """Open jobs that begin from `start` up to but not including `end`, the earliest first."""

        def select(connection: sqlite3.Connection) -> tuple[WorkOrder, ...]:
            rows: list[Row] = []
            for building in [None] if buildings is None else sorted(buildings):
                rows += select_scheduled(connection, start, end, limit, building)
            return tuple(read_job(connection, row) for row in sorted(rows, key=scheduled_order)[:limit])

        return self._database.read(select)

    async def plan(
        self,
        work_order_id: str,
        *,
        by: str,
        expected_version: int,
        assigned_to: str | None,
        scheduled_start: datetime | None,
        scheduled_end: datetime | None,
        now: datetime,
    ) -> WorkOrder:
        """Say who does an open job and when; None takes that off.

        Raises `NotFound`, `WrongState` for a closed job, `StaleVersion`, and `Invalid` for a time that is not allowed:
        before `not_before`, within notice or quiet hours where it has entry terms, or another one for a booking or
        closure.
        """
        window = _window(scheduled_start, scheduled_end)

        def write(connection: sqlite3.Connection) -> WorkOrder:
            order = _require_open(get_job(connection, work_order_id), expected_version)
            number = parse_number(work_order_id, PREFIX)
            if window != _window(order.scheduled_start, order.scheduled_end):
                _require_time(order, window, now)
                update_time(connection, number, window)
            update_plan(connection, number, by, assigned_to)
            return _found(get_job(connection, work_order_id))

        return await self._database.write(write)

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
        """Close a job; closing one that is done returns it unchanged.

        Raises `NotFound`, and `WrongState` for one that waits for others or was cancelled.
        """

        def close(connection: sqlite3.Connection) -> WorkOrder:
            order = _found(get_job(connection, work_order_id))
            if order.status == "Cancelled":
                raise WrongState("The job was cancelled; what it took is not counted. Tell it in a comment.")
            if order.status != "Open":
                return order
            if not order.is_ready:
                raise WrongState(f"The job waits for others: {', '.join(order.waits_for)}.")
            connection.execute(
                "UPDATE work_orders SET status = 'Done', closed_at = ?, closed_by = ?, notes = ?,"
                " actual_cost_usd = ?, actual_hours = ?, announced = request_id IS NULL, version = version + 1"
                " WHERE number = ?",
                (to_millis(now), by, notes, actual_cost_usd, actual_hours, parse_number(work_order_id, PREFIX)),
            )
            return _found(get_job(connection, work_order_id))

        return await self._database.write(close)

    async def cancel(self, request_id: RequestId, *, by: str, reason: str, now: datetime) -> tuple[str, ...]:
        """Cancel the open jobs for a request, but for bookings and closures; their ids, the first opened first."""
        numbers = await self._database.write(
            lambda connection: cancel_open(connection, request_id, _AMENITY_KINDS, by, reason, now)
        )
        return tuple(f"{PREFIX}{number}" for number in numbers)

    async def unannounced(self, limit: int) -> tuple[WorkOrder, ...]:
        """Jobs for requests that are done and whose request was not told of it yet, the first closed first."""
        return self._database.read(
            lambda connection: tuple(read_job(connection, row) for row in select_unannounced(connection, limit))
        )

    async def announced(self, work_order_id: str) -> None:
        """The job's request was told that it is done; a repetition, or an unknown job, changes nothing."""
        number = parse_number(work_order_id, PREFIX)
        await self._database.write(lambda connection: mark_announced(connection, number))

    async def erase(self, scope: ErasureScope, *, now: datetime) -> tuple[str, ...]:
        """Take words, home and wishes out of the resident's jobs and close the open ones; the ids of all of them."""
        found = await self._database.read_in_thread(lambda connection: jobs_of(connection, scope))
        await self._database.write(lambda connection: erase_jobs(connection, found, scope, now))
        await self._database.compact()
        return tuple(f"{PREFIX}{number}" for number in found)

    async def close(self) -> None:
        """Give back connections and threads, the inbox's too where it shares the file's `Database`."""
        await self._database.close()

    def _find(self, context: ActionContext) -> str | None:
        return self._database.read(lambda connection: find_job(connection, context.idempotency_key))

    @contextmanager
    def _counted(self) -> Generator[None]:
        """Counts a call; only an outage is a failure, a refusal is an answer."""
        self._state = replace(self._state, calls=self._state.calls + 1, in_flight=self._state.in_flight + 1)
        failure: str | None = None
        try:
            yield
        except Unavailable as error:
            failure = error.detail
            raise
        finally:
            before = self._state
            self._state = replace(
                before,
                status="ok" if failure is None else "failing",
                in_flight=before.in_flight - 1,
                failures=before.failures + (failure is not None),
                last_error=failure or before.last_error,
            )


def _found(order: WorkOrder | None) -> WorkOrder:
    if order is None:
        raise NotFound("There is no such work order.")
    return order


def _require_open(found: WorkOrder | None, expected_version: int) -> WorkOrder:
    order = _found(found)
    if order.status != "Open":
        raise WrongState(f"The job is {order.status}; only an open one can be planned.")
    if order.version != expected_version:
        raise StaleVersion(f"Somebody else changed the job; it is at version {order.version} now.")
    return order


def _window(start: datetime | None, end: datetime | None) -> Window | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise Invalid("Give both scheduled_start and scheduled_end, or neither.")
    # Cut as they are stored, so that a time that was read and sent back is the same.
    window = from_millis(to_millis(start)), from_millis(to_millis(end))
    if window[1] <= window[0]:
        raise Invalid("A job ends after it begins.")
    return window


def _require_time(order: WorkOrder, window: Window | None, now: datetime) -> None:
    if order.kind in _AMENITY_KINDS:
        raise Invalid(f"A {order.kind} keeps its time; cancel it and make another one.")
    if window is None:
        return
    if order.not_before is not None and window[0] < order.not_before:
        raise Invalid(f"The job may not begin before {rfc3339(order.not_before)}: notice or quiet hours.")
    require_entry_allowed(order, window, now)
