"""All that a run has left in its state folder, read through the adapters that wrote it and, for the desk, by query."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters import build
from core.execution import Execution
from core.ports.execution import DeliveredNotification
from core.ports.queue import QueueDepth
from core.record import RequestRecord
from core.request import Event, ExecutionId, RequestId
from core.settings import Settings
from core.status import UNJUDGED
from deployments.execution.deployment import open_notices
from deployments.request_management.audit import Verdict, verify_all


@dataclass(frozen=True)
class World:
    """The state at one moment."""

    records: dict[str, RequestRecord]
    events: dict[str, tuple[Event, ...]]
    executions: dict[str, Execution]
    work_orders: tuple[tuple[str, str, str, str], ...]
    """`WO-<number>`, request, execution, status."""
    notifications: tuple[tuple[str, str, str], ...]
    """Id, event, the notification as JSON."""
    depths: dict[str, QueueDepth]
    audit: tuple[Verdict, ...]

    @property
    def statuses(self) -> Counter[str]:
        """How many requests are in each status."""
        return Counter(str(record.request.status) for record in self.records.values())


async def read_world(settings: Settings) -> World:
    """Read everything; nothing may be writing."""
    store, log, documents = (
        build.request_store(settings),
        build.execution_log(settings),
        build.document_store(settings),
    )
    try:
        ids = [row[0] for row in query(settings.database, "SELECT request_id FROM requests ORDER BY row")]
        records = {each: record for each in ids if (record := await store.get(RequestId(each)))}
        events = {each: await store.events(RequestId(each)) for each in ids}
        names = [row[0] for row in query(settings.execution_database, "SELECT execution_id FROM executions")]
        executions = {each: found for each in names if (found := await log.get(ExecutionId(each)))}
        return World(
            records,
            events,
            executions,
            tuple(query(settings.desk_database, _WORK_ORDERS)),
            await _notifications(settings),
            await queue_depths(settings),
            await verify_all(documents),
        )
    finally:
        for held in (store, log, documents):
            await held.close()


_WORK_ORDERS = "SELECT 'WO-' || number, request_id, execution_id, status FROM work_orders"


async def _notifications(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    notices, found, cursor = open_notices(settings), list[DeliveredNotification](), None
    try:
        while True:
            page = await notices.sent(recipient=None, limit=200, cursor=cursor)
            found += page.items
            if (cursor := page.next_cursor) is None:
                break
    finally:
        await notices.close()
    told = [(sent.notification_id, sent.notification) for sent in found]
    return tuple((name, each.event or "", each.model_dump_json()) for name, each in told)


def query(database: Path, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The rows, read without a lock that anybody would wait for."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


async def queue_depths(settings: Settings) -> dict[str, QueueDepth]:
    """What the two queues hold."""
    queues = {"executions": build.execution_queue(settings), "outcomes": build.outcome_queue(settings)}
    try:
        return {name: await queue.depth(now=datetime.now(UTC)) for name, queue in queues.items()}
    finally:
        for queue in queues.values():
            await queue.close()


def oldest_due_s(settings: Settings) -> float:
    """For how many seconds the oldest due item has waited without a claim; 0 where none does."""
    now = datetime.now(UTC).timestamp() * 1000
    found = query(settings.database, "SELECT min(next_action_at) FROM requests WHERE next_action_at <= ?", (now,))
    return 0.0 if found[0][0] is None else (now - found[0][0]) / 1000


async def unsettled(settings: Settings) -> str:
    """What is still to be done by itself within the minute; empty for nothing."""
    statuses = tuple(map(str, UNJUDGED))
    marks = ", ".join("?" * len(statuses))
    undecided = query(settings.database, f"SELECT count(*) FROM requests WHERE status IN ({marks})", statuses)[0][0]
    soon = datetime.now(UTC).timestamp() * 1000 + 60_000
    due = query(settings.database, "SELECT count(*) FROM requests WHERE next_action_at <= ?", (soon,))[0][0]
    waiting = {name: depth.visible + depth.in_flight for name, depth in (await queue_depths(settings)).items()}
    if not undecided and not due and not any(waiting.values()):
        return ""
    return f"{undecided} undecided, {due} due, queues {waiting}"
