"""Leaves a failing service alone for a while, then tries it with a single call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import HALF_OPENED, OpenedState


class CircuitOpen(Exception):
    """The service failed too often in a row; it is not called."""


class Circuit:
    """Opens after failures in a row, and lets one call through once it has been open for `reset_s`.

    Each replica has its own: what one can't reach, another may.
    """

    def __init__(self, name: str, failures: int, reset_s: float) -> None:
        self._name = name
        self._factory = AsyncCircuitBreakerFactory(default_threshold=failures, default_ttl=reset_s)
        self._probing = False

    @asynccontextmanager
    async def call(self) -> AsyncGenerator[None]:
        """Wraps one call: whatever it raises is a failure. Raises `CircuitOpen` instead of entering."""
        breaker = await self._factory.get_breaker(self._name)
        if self._probing:
            raise CircuitOpen
        try:
            await breaker.__aenter__()
        except OpenedState:
            raise CircuitOpen from None
        # The library lets any number of calls through here; one is enough to see whether the service is back.
        self._probing = probe = breaker.context.state == HALF_OPENED
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
