"""What waits is shown again and again, also after the queue could not be read."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from adapters.metrics_memory import MemoryMeter
from core.errors import QueueUnavailable
from core.metrics import DEAD_LETTERS, QUEUE_AGE, QUEUE_DEPTH
from core.ports.queue import QueueDepth
from deployments.execution.load import QueueGauges


class Flaky:
    """A queue of which the depth can't be read at first."""

    def __init__(self) -> None:
        self.asked = 0

    async def depth(self, *, now: datetime) -> QueueDepth:
        self.asked += 1
        if self.asked == 1:
            raise QueueUnavailable("The queue does not answer.")
        return QueueDepth(visible=3, in_flight=2, dead=1, oldest_age_s=4.5)


async def test_the_figures_are_shown_once_the_queue_answers() -> None:
    meter, queue = MemoryMeter(), Flaky()
    readable: Any = queue
    task = asyncio.create_task(QueueGauges(readable, meter, lambda: datetime.now(UTC), every_s=0.001).run())
    async with asyncio.timeout(5):
        while DEAD_LETTERS not in meter.given:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert queue.asked >= 2
    assert (meter.figure(QUEUE_DEPTH), meter.figure(QUEUE_AGE), meter.figure(DEAD_LETTERS)) == (3.0, 4.5, 1.0)
