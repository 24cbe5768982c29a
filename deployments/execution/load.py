"""How much work waits, for Serve's autoscaling and for those who watch."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime

from core.metrics import DEAD_LETTERS, QUEUE_AGE, QUEUE_DEPTH, Meter
from core.ports.execution import OutsideSystem
from core.ports.queue import Queue

logger = logging.getLogger(__name__)

FRESH_S = 1.0
SHOWN_EVERY_S = 10.0


class QueueLoad:
    """The depth and age of a queue, asked for at most once a second."""

    def __init__(self, queue: Queue, clock: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic):
        self._queue = queue
        self._clock = clock
        self._monotonic = monotonic
        self._known = {"queue_depth": 0.0, "oldest_age_s": 0.0}
        self._asked_at: float | None = None

    async def measure(self) -> dict[str, float]:
        """`queue_depth`: messages that wait or are in hand; `oldest_age_s`. What was known last where none answers."""
        now = self._monotonic()
        if self._asked_at is None or now - self._asked_at >= FRESH_S:
            self._asked_at = now
            try:
                depth = await self._queue.depth(now=self._clock())
            except Exception as error:
                # Scaling goes by what was known; /health tells of the queue.
                logger.warning("the queue's depth can't be read: %r", error)
            else:
                self._known = {
                    "queue_depth": float(depth.visible + depth.in_flight),
                    "oldest_age_s": depth.oldest_age_s,
                }
        return dict(self._known)


class QueueGauges:
    """Shows what waits in a queue, again and again; of several replicas each shows the same."""

    def __init__(
        self,
        queue: Queue,
        meter: Meter,
        clock: Callable[[], datetime],
        systems: Collection[OutsideSystem] = (),
        every_s: float = SHOWN_EVERY_S,
    ):
        self._queue = queue
        self._meter = meter
        self._clock = clock
        self._systems = systems
        self._every_s = every_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.show()
            except Exception as error:
                # The figures stay as they were, and their age tells; /health tells of the queue.
                logger.warning("the queue's depth can't be shown: %r", error)
            await asyncio.sleep(self._every_s)

    async def show(self) -> None:
        """Once. Raises `QueueUnavailable`."""
        for system in self._systems:
            # Ray forgets a gauge that nobody repeats, and an open circuit may go uncalled.
            system.state()
        depth = await self._queue.depth(now=self._clock())
        self._meter.set(QUEUE_DEPTH, float(depth.visible))
        self._meter.set(QUEUE_AGE, depth.oldest_age_s)
        self._meter.set(DEAD_LETTERS, float(depth.dead))
