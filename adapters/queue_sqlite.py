"""Durable queues in one SQLite file: `core.ports.queue.Queue` for the processes of one machine."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

from adapters import queue_sqlite_messages as table
from adapters.arrivals import arrivals_at
from adapters.sqlite import Database, from_millis, to_millis
from core.errors import QueueUnavailable
from core.ports.queue import DeadLetter, Delivery, QueueDepth, QueueMessage

FIRST_POLL_S = 0.02
LONGEST_POLL_S = 0.25
POLL_GROWTH = 1.6


class SqliteQueue:
    """The queue `name` of a file.

    A message goes to whoever asks first once it is visible, in the order of becoming visible. Who receives is woken at
    once by a send of the same process, and finds those of other processes by polling: after 20 ms, then more rarely,
    up to 250 ms. An id is known while its message is there and for a day after: sent again, it is dropped.
    """

    def __init__(
        self, path: Path, name: str, *, clock: Callable[[], float] = time.time, lock_timeout_s: float = 5.0
    ) -> None:
        """`clock` gives seconds since 1970, the same for all processes."""
        self._database = Database(path, table.SCHEMA, unavailable=QueueUnavailable, lock_timeout_s=lock_timeout_s)
        self._name = name
        self._clock = clock
        self._arrivals = arrivals_at(path.resolve(), name)

    async def send(self, messages: Sequence[QueueMessage]) -> None:
        rows = [table.to_row(message) for message in messages]
        if rows:
            now = self._now()
            await self._database.write(lambda connection: table.insert(connection, self._name, rows, now))
            self._arrivals.announce()

    async def receive(
        self, *, max_messages: int, wait_s: float, visibility_s: float, stop: asyncio.Event | None = None
    ) -> tuple[Delivery, ...]:
        deadline = time.monotonic() + wait_s
        pause = FIRST_POLL_S
        with self._arrivals.listen() as arrived:
            while stop is None or not stop.is_set():
                arrived.clear()
                next_visible = self._database.read(lambda connection: table.next_visible(connection, self._name))
                hidden_s = float("inf") if next_visible is None else (next_visible - self._now()) / 1000
                if hidden_s <= 0 and (deliveries := await self._claim(max_messages, visibility_s)):
                    return deliveries
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                await _wait(arrived, min(pause, left_s, max(hidden_s, 0.001)))
                pause = min(pause * POLL_GROWTH, LONGEST_POLL_S)
        return ()

    async def extend(self, delivery: Delivery, *, visibility_s: float) -> None:
        await self._show_again(delivery, visibility_s)

    async def retry_later(self, delivery: Delivery, *, delay_s: float) -> None:
        await self._show_again(delivery, delay_s)
        self._arrivals.announce()

    async def delete(self, delivery: Delivery) -> None:
        """The message is done with, even if the delivery's time was up: what it asked for has happened."""
        message_id, now = delivery.message.message_id, self._now()
        await self._database.write(lambda connection: table.delete(connection, self._name, message_id, now))

    async def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        now = self._now()
        await self._database.write(lambda connection: table.bury(connection, self._name, delivery.receipt, reason, now))

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        rows = self._database.read(lambda connection: table.buried(connection, self._name, limit))
        return tuple(
            DeadLetter(table.to_message(row), reason, attempts, from_millis(at)) for *row, reason, attempts, at in rows
        )

    async def redrive(self, message_id: str) -> bool:
        now = self._now()
        found = await self._database.write(lambda connection: table.dig_up(connection, self._name, message_id, now))
        self._arrivals.announce()
        return found

    async def redrive_all(self) -> int:
        now = self._now()
        found = await self._database.write(lambda connection: table.dig_up_all(connection, self._name, now))
        self._arrivals.announce()
        return found

    async def erase(self, needles: Collection[str]) -> int:
        now = self._now()
        found = await self._database.read_in_thread(lambda connection: table.holding(connection, self._name, needles))
        dead = [row for row, state in found if state == "dead"]
        await self._database.write(lambda connection: table.empty_dead(connection, dead, now))
        # Messages that were done with lie emptied in their rows, and still in the file's free pages.
        await self._database.compact()
        return len(found) - len(dead)

    async def depth(self, *, now: datetime) -> QueueDepth:
        """See the port. What waits for a retry counts as in flight, and has no age until it is due."""
        at = to_millis(now)
        visible, in_flight, dead, oldest = self._database.read(
            lambda connection: table.count(connection, self._name, at)
        )
        age_s = 0.0 if oldest is None else max(0.0, (at - oldest) / 1000)
        return QueueDepth(visible=visible, in_flight=in_flight, dead=dead, oldest_age_s=age_s)

    async def close(self) -> None:
        await self._database.close()

    async def _claim(self, limit: int, visibility_s: float) -> tuple[Delivery, ...]:
        def write(connection: table.Connection) -> list[table.Row]:
            now = self._now()
            return table.claim(connection, self._name, limit, now, now + round(visibility_s * 1000))

        rows = await self._database.write(write)
        return tuple(
            Delivery(table.to_message(row), receipt, attempts, None if redriven is None else from_millis(redriven))
            for *row, receipt, attempts, redriven in rows
        )

    async def _show_again(self, delivery: Delivery, delay_s: float) -> None:
        visible_at = self._now() + round(delay_s * 1000)
        await self._database.write(
            lambda connection: table.show_at(connection, self._name, delivery.receipt, visible_at)
        )

    def _now(self) -> int:
        return int(self._clock() * 1000)


async def _wait(arrived: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await arrived.wait()
    except TimeoutError:
        return
