"""What is particular to the SQLite queue: dead letters, memory of a day, polling, and access by index."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters import queue_sqlite, sqlite
from adapters.queue_sqlite import SqliteQueue
from core.errors import QueueUnavailable
from core.ports.queue import Delivery, QueueMessage

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY_S = 24 * 3600


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = NOON.timestamp()

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queues.sqlite3"


@pytest.fixture
async def queue(path: Path, clock: Clock) -> AsyncIterator[SqliteQueue]:
    opened = SqliteQueue(path, "executions", clock=clock, lock_timeout_s=0.2)
    yield opened
    await opened.close()


@pytest.fixture
def rare_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not woken sleeps longer than a test may take."""
    monkeypatch.setattr(queue_sqlite, "FIRST_POLL_S", 60)
    monkeypatch.setattr(queue_sqlite, "LONGEST_POLL_S", 60)


def message(message_id: str, n: int = 0) -> QueueMessage:
    return QueueMessage(message_id, "aam.test.v1", {"n": n}, NOON, "c")


async def take(queue: SqliteQueue, visibility_s: float = 30) -> tuple[Delivery, ...]:
    return await queue.receive(max_messages=10, wait_s=0, visibility_s=visibility_s)


async def bury(queue: SqliteQueue, *names: str) -> None:
    await queue.send([message(name) for name in names])
    for delivery in await take(queue):
        await queue.dead_letter(delivery, reason=f"{delivery.message.message_id} was refused")


async def test_dead_letters_keep_message_reason_and_attempts(queue: SqliteQueue, clock: Clock) -> None:
    await bury(queue, "M1")
    clock.now_s += 60
    await bury(queue, "M2")
    latest, earlier = await queue.dead_letters(10)
    assert (latest.message, latest.reason, latest.attempts) == (message("M2"), "M2 was refused", 1)
    assert latest.at.timestamp() == clock.now_s
    assert earlier.message == message("M1")
    assert len(await queue.dead_letters(1)) == 1


async def test_a_redriven_message_is_as_new(queue: SqliteQueue, clock: Clock) -> None:
    await bury(queue, "M1")
    clock.now_s += 60
    assert await queue.redrive("M1")
    assert not await queue.redrive("M1")
    assert not await queue.redrive("unknown")
    assert await queue.dead_letters(10) == ()
    (delivery,) = await take(queue)
    assert (delivery.message, delivery.attempts) == (message("M1"), 1)
    assert (await queue.depth(now=datetime.fromtimestamp(clock.now_s, UTC))).oldest_age_s == 0


async def test_a_dead_letter_does_not_count_for_the_oldest_age(queue: SqliteQueue, clock: Clock) -> None:
    await bury(queue, "M1")
    clock.now_s += 500
    await queue.send([message("M2")])
    clock.now_s += 40
    depth = await queue.depth(now=datetime.fromtimestamp(clock.now_s, UTC))
    assert (depth.visible, depth.dead, depth.oldest_age_s) == (1, 1, 40)


async def test_an_id_is_remembered_for_a_day_after_its_deletion(queue: SqliteQueue, clock: Clock) -> None:
    await queue.send([message("M", 1)])
    clock.now_s += 5 * DAY_S
    (delivery,) = await take(queue)
    await queue.delete(delivery)
    clock.now_s += DAY_S - 1
    await queue.send([message("M", 2)])
    assert await take(queue) == ()
    clock.now_s += 1
    await queue.send([message("M", 3)])
    assert [each.message.data for each in await take(queue)] == [{"n": 3}]


async def test_deleted_messages_are_forgotten_on_the_way(path: Path, queue: SqliteQueue, clock: Clock) -> None:
    await queue.send([message(f"M{number}") for number in range(10)])
    for delivery in await take(queue):
        await queue.delete(delivery)
    clock.now_s += DAY_S + 1
    await queue.send([message("N1")])
    await queue.send([message("N2")])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (2,)


@pytest.mark.usefixtures("rare_polls")
async def test_a_delayed_message_is_received_when_it_is_due(path: Path) -> None:
    queue = SqliteQueue(path, "executions")
    await queue.send([message("M")])
    (delivery,) = await take(queue)
    await queue.retry_later(delivery, delay_s=0.45)
    began = time.monotonic()
    assert await queue.receive(max_messages=1, wait_s=60, visibility_s=30)
    assert 0.44 <= time.monotonic() - began < 10
    await queue.close()


async def send_by_another(path: Path) -> None:
    sender = SqliteQueue(path, "executions")
    await sender.send([message("M")])
    await sender.close()


@pytest.mark.usefixtures("rare_polls")
async def test_a_send_wakes_a_receiver_of_its_process(path: Path) -> None:
    queue = SqliteQueue(path, "executions")
    waiting = asyncio.ensure_future(queue.receive(max_messages=1, wait_s=60, visibility_s=30))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await send_by_another(path)
    async with asyncio.timeout(10):
        assert len(await waiting) == 1
    await queue.close()


@pytest.mark.usefixtures("rare_polls")
async def test_a_send_wakes_a_receiver_that_sleeps_on_another_event_loop(path: Path) -> None:
    queue = SqliteQueue(path, "executions")
    # Nothing but the send may wake the receiver's loop, so no timer of this test runs meanwhile.
    sender = threading.Timer(0.2, asyncio.run, [send_by_another(path)])
    sender.start()
    began = time.monotonic()
    assert len(await queue.receive(max_messages=1, wait_s=8, visibility_s=30)) == 1
    assert time.monotonic() - began < 6
    await asyncio.to_thread(sender.join)
    await queue.close()


async def test_a_locked_file_is_unavailable(path: Path, queue: SqliteQueue) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(QueueUnavailable):
            await queue.send([message("M")])
    assert await take(queue) == ()


async def test_no_statement_scans_a_table_or_sorts(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: set[str] = set()
    connect = sqlite.connect

    def traced(path: Path, *, timeout_s: float) -> sqlite3.Connection:
        connection = connect(path, timeout_s=timeout_s)
        connection.set_trace_callback(statements.add)
        return connection

    monkeypatch.setattr(sqlite, "connect", traced)
    queue = SqliteQueue(path, "executions", clock=clock)
    await bury(queue, "M1", "M2")
    await queue.dead_letters(5)
    await queue.redrive("M1")
    await queue.redrive_all()
    delivery, _ = await take(queue)
    await queue.extend(delivery, visibility_s=5)
    await queue.delete(delivery)
    await queue.depth(now=NOON)
    await queue.close()
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE")
    queries = {statement.strip() for statement in statements if statement.strip().startswith(verbs)}
    queries = {query for query in queries if "sqlite_" not in query}
    assert len(queries) >= 9
    with closing(sqlite3.connect(path)) as connection:
        details = [detail for query in queries for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    bad = [d for d in details if (d.startswith("SCAN") and d != "SCAN CONSTANT ROW") or "TEMP B-TREE" in d]
    assert bad == []
