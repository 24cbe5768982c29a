"""Tells requests of jobs whose end was stored on the operations desk but could not be told at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from core.errors import AppError
from core.execution import WorkOrder

LOOK_EVERY_S = 5.0
LEFT_TO_ITS_CALL = timedelta(seconds=10)
"""So long whoever closed the job may still be telling of it."""
MOST_AT_ONCE = 100

log = logging.getLogger(__name__)


class Announcing(Protocol):
    """A desk that knows of which jobs nobody has told yet."""

    async def unannounced(self, limit: int) -> tuple[WorkOrder, ...]:
        """Jobs that are done and were not told of, the first closed first."""
        ...

    async def announced(self, work_order_id: str) -> None:
        """It was told of."""
        ...


class DeskAnnouncements:
    """Repeats what a closed job's own call could not tell; any number of replicas may do so.

    `tell` puts the news into the queue, under the same id at each repetition.
    """

    def __init__(
        self,
        desk: Announcing,
        tell: Callable[[WorkOrder], Awaitable[None]],
        clock: Callable[[], datetime],
        *,
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._desk = desk
        self._tell = tell
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sweep()
            except AppError as error:
                log.warning("the desk could not be asked for jobs that are not told of: %s", error.code)
            except Exception:
                log.exception("telling of closed jobs failed in an unexpected way")
            await asyncio.sleep(self._every_s)

    async def sweep(self) -> int:
        """Tell of all that has waited long enough; how many were told. Raises `Unavailable`."""
        until = self._clock() - LEFT_TO_ITS_CALL
        found = await self._desk.unannounced(MOST_AT_ONCE)
        late = [order for order in found if order.closed_at is None or order.closed_at <= until]
        return sum([await self._announce(order) for order in late])

    async def _announce(self, order: WorkOrder) -> bool:
        try:
            await self._tell(order)
            await self._desk.announced(order.work_order_id)
        except AppError as error:
            log.warning("the end of %s could not be told; it is tried again: %s", order.work_order_id, error.code)
            return False
        except Exception:
            log.exception("the end of %s could not be told in an unexpected way", order.work_order_id)
            return False
        return True
