"""Starts, follows and cancels runs: the interface, and one that works in threads where there is no cluster."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from core.errors import AppError
from core.rules import RuleBook
from core.what_if import WhatIfOrder, WhatIfRun
from deployments.decision_simulation.what_if.registry import RunRegistry
from deployments.decision_simulation.what_if.replay import replay

LOG = logging.getLogger(__name__)
BROKE_OFF = "The run broke off; try it again."
DEADLINE_S = 1800.0
"""A run that takes longer ends with the replications that it has made."""


def expiry(seconds: float = DEADLINE_S, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Tells whether so many seconds have passed since now."""
    ends = clock() + seconds
    return lambda: clock() >= ends


class Runs(Protocol):
    """The runs of the whole system. Every method may raise `ServiceUnavailable`."""

    async def start(self, run_id: str, rules: RuleBook, order: WhatIfOrder, zone: str) -> WhatIfRun:
        """Begin a run under these rules; of an id that is there already, that run. Raises `Overloaded`."""
        ...

    async def get(self, run_id: str) -> WhatIfRun:
        """How a run stands. Raises `NotFound`."""
        ...

    async def newest(self) -> tuple[WhatIfRun, ...]:
        """All runs that are remembered, newest first, without their results."""
        ...

    async def cancel(self, run_id: str) -> WhatIfRun:
        """End a run. Raises `NotFound`, `WrongState` where it has ended."""
        ...


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


class ThreadRuns:
    """Runs in this process, one at a time; seen by nobody else, and gone with it."""

    def __init__(self, clock: Callable[[], datetime] = utc_now, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._registry = RunRegistry(clock)
        self._lock = threading.Lock()
        self._cancelled: dict[str, threading.Event] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="what-if")

    async def start(self, run_id: str, rules: RuleBook, order: WhatIfOrder, zone: str) -> WhatIfRun:
        """See `Runs`."""
        with self._lock:
            run, new = self._registry.add(run_id, order)
            if new:
                self._cancelled[run_id] = threading.Event()
                self._pool.submit(self._work, run_id, rules, order, zone)
            return run

    async def get(self, run_id: str) -> WhatIfRun:
        """See `Runs`."""
        with self._lock:
            return self._registry.get(run_id)

    async def newest(self) -> tuple[WhatIfRun, ...]:
        """See `Runs`."""
        with self._lock:
            return self._registry.newest()

    async def cancel(self, run_id: str) -> WhatIfRun:
        """See `Runs`."""
        with self._lock:
            run = self._registry.cancel(run_id)
            if event := self._cancelled.get(run_id):
                event.set()
            return run

    def _work(self, run_id: str, rules: RuleBook, order: WhatIfOrder, zone: str) -> None:
        cancelled, expired = self._cancelled[run_id], expiry(self._deadline_s)

        def tell(share: float) -> None:
            with self._lock:
                self._registry.tell(run_id, share)

        try:
            if cancelled.is_set():
                return
            tell(0.0)
            result = replay(rules, order, ZoneInfo(zone), tell, lambda: cancelled.is_set() or expired())
            with self._lock:
                self._registry.succeed(run_id, result)
        except AppError as error:
            with self._lock:
                self._registry.fail(run_id, error.detail)
        except Exception:
            LOG.exception("A what-if run broke off", extra={"run": run_id})
            with self._lock:
                self._registry.fail(run_id, BROKE_OFF)
        finally:
            with self._lock:
                del self._cancelled[run_id]
