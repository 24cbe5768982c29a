"""How much work waits, for Serve's autoscaling."""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from core.ports.queue import Queue

logger = logging.getLogger(__name__)

FRESH_S = 1.0


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
