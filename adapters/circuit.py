"""Leaves a failing service alone for a while, then tries it with a single call."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import HALF_OPENED, Context, OpenedState

from core.metrics import CIRCUITS, UNMETERED, Meter

PROBE_WAIT_S = 1.0
"""While a call tries whether the service is back, nobody knows for how long."""


class CircuitOpen(Exception):
    """The service failed too often in a row; it is not called. `wait_s`: when it may be, as far as is known."""

    def __init__(self, wait_s: float = PROBE_WAIT_S) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class Circuit:
    """Opens after failures in a row, and lets one call through once it has been open for `reset_s`.

    Each replica has its own: what one can't reach, another may.
    """

    def __init__(
        self,
        name: str,
        failures: int,
        reset_s: float,
        answers: tuple[type[BaseException], ...] = (),
        *,
        meter: Meter = UNMETERED,
    ) -> None:
        """`answers` are errors by which the service shows that it works, such as a refusal."""
        self._meter = meter
        self._name, self._reset_s, self._answers = name, reset_s, answers
        self._factory = AsyncCircuitBreakerFactory(default_threshold=failures, default_ttl=reset_s)
        self._context: Context | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the service is left alone, or tried by one call at the moment."""
        return self._probing or (self._context is not None and self._context.opened_at is not None)

    @property
    def wait_s(self) -> float:
        """Seconds until a call may be let through; 0 where it would be now."""
        if self._probing:
            return PROBE_WAIT_S
        opened_at = None if self._context is None else self._context.opened_at
        return 0.0 if opened_at is None else max(0.0, opened_at + self._reset_s - time.time())

    @asynccontextmanager
    async def call(self) -> AsyncGenerator[None]:
        """Wraps one call: what it raises is a failure, but for `answers`. Raises `CircuitOpen` instead of entering."""
        breaker = await self._factory.get_breaker(self._name, exclude=list(self._answers))
        self._context = breaker.context
        if self._probing:
            raise CircuitOpen
        try:
            await breaker.__aenter__()
        except OpenedState:
            self.tell()
            raise CircuitOpen(self.wait_s) from None
        # The library lets any number of calls through here; one is enough to see whether the service is back.
        self._probing = probe = breaker.context.state == HALF_OPENED
        self.tell()
        try:
            yield
        except BaseException as problem:
            await breaker.__aexit__(type(problem), problem, None)
            raise
        else:
            await breaker.__aexit__(None, None, None)
        finally:
            if probe:
                self._probing = False
            self.tell()

    def tell(self) -> None:
        """Show how it stands, as after each call; one that is open stays so until a call tries it."""
        self._meter.set(CIRCUITS, 1.0 if self._probing else 2.0 if self.is_open else 0.0, system=self._name)
