"""A process that works on a SQLite store or queue, for tests with several; it prints each id that it is done with.

Usage: python sqlite_worker.py fill|claim|send|receive PATH [PREFIX COUNT]
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from adapters.queue_sqlite import SqliteQueue
from adapters.store_sqlite import SqliteRequestStore
from core.labels import Status
from core.ports.queue import QueueMessage
from core.record import NextAction, RequestRecord
from core.request import BuildingId, Event, Request, RequestId, ResidentId

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONCURRENT = 8


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


async def fill(store: SqliteRequestStore, prefix: str, count: int) -> None:
    """Create due requests."""
    numbers = iter(range(count))

    async def create() -> None:
        for number in numbers:
            request = Request(
                request_id=RequestId(f"{prefix}{number}"),
                resident_id=ResidentId("RES_1"),
                building_id=BuildingId("A"),
                message_text="The tap drips " * 50,
                status=Status.SUBMITTED,
                version=1,
                created_at=NOON,
                updated_at=NOON,
            )
            record = RequestRecord(
                request=request, correlation_id="c", next_action=NextAction.PROCESS, next_action_at=NOON
            )
            event = Event(sequence=1, at=NOON, kind="submitted", actor="RES_1", message="Submitted")
            await store.create(record, [event])
            say(request.request_id)

    await asyncio.gather(*(create() for _ in range(CONCURRENT)))


async def claim(store: SqliteRequestStore) -> None:
    """Claim until nothing is due."""
    while claimed := await store.claim_due(now=NOON, lease_s=60, limit=5):
        for record in claimed:
            say(record.request.request_id)


async def send(queue: SqliteQueue, prefix: str, count: int) -> None:
    """Send messages one by one."""
    for number in range(count):
        message = QueueMessage(f"{prefix}{number}", "aam.test.v1", {"n": number}, NOON, "c")
        await queue.send([message])
        say(message.message_id)


async def receive(queue: SqliteQueue) -> None:
    """Receive and delete until nothing has come for a second."""
    while deliveries := await queue.receive(max_messages=5, wait_s=1, visibility_s=60):
        for delivery in deliveries:
            await queue.delete(delivery)
            say(delivery.message.message_id)


async def main(task: str, path: str, prefix: str = "", count: str = "0") -> None:
    file = Path(path)
    if task in ("fill", "claim"):
        store = SqliteRequestStore(file)
        await (fill(store, prefix, int(count)) if task == "fill" else claim(store))
        await store.close()
    else:
        queue = SqliteQueue(file, "executions")
        await (send(queue, prefix, int(count)) if task == "send" else receive(queue))
        await queue.close()


asyncio.run(main(*sys.argv[1:]))
