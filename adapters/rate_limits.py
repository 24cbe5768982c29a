"""Rate limits over a moving window, shared in Redis where there is one, and this process's own where there is not."""

import asyncio
import logging
import time
from collections.abc import Callable

from limits import RateLimitItem, parse
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from adapters.spending import open_limiter
from core.errors import ArtefactRefused
from core.ports.rate_limits import RateAllowance

log = logging.getLogger(__name__)

SHARED_TIMEOUT_S = 0.25
"""No call waits longer for the shared count."""
SHARED_PAUSE_S = 5.0
"""So long the shared count is left alone after it failed."""


class WindowRateLimiter:
    """A `core.ports.rate_limits.RateLimiter`."""

    def __init__(
        self,
        name: str,
        rate: str,
        shared: MovingWindowRateLimiter | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rate` is such as `60/minute`. Raises `ArtefactRefused` where it is not."""
        self._name, self._clock = name, clock
        self._item = _parsed(rate)
        self._shared = shared
        self._own = open_limiter(None)
        self._shared_from = 0.0

    async def take(self, caller: str) -> RateAllowance:
        """See the port."""
        if self._shared is not None and self._clock() >= self._shared_from:
            try:
                async with asyncio.timeout(SHARED_TIMEOUT_S):
                    return await self._take(self._shared, caller)
            except (StorageError, TimeoutError, OSError) as error:
                self._shared_from = self._clock() + SHARED_PAUSE_S
                log.warning(
                    "the shared %s limit can't be counted (%s); each process counts its own", self._name, type(error)
                )
        return await self._take(self._own, caller)

    async def _take(self, limiter: MovingWindowRateLimiter, caller: str) -> RateAllowance:
        allowed = await limiter.hit(self._item, self._name, caller)
        window = await limiter.get_window_stats(self._item, self._name, caller)
        reset_s = max(0.0, window.reset_time - time.time())
        return RateAllowance(allowed, self._item.amount, window.remaining if allowed else 0, reset_s)


def open_rate_limiters(rates: dict[str, str], redis_url: str | None) -> dict[str, WindowRateLimiter]:
    """A limiter for each name, over one connection where there is a Redis. Raises `ArtefactRefused`."""
    shared = open_limiter(redis_url) if redis_url is not None else None
    return {name: WindowRateLimiter(name, rate, shared) for name, rate in rates.items()}


def _parsed(rate: str) -> RateLimitItem:
    try:
        return parse(rate)
    except ValueError:
        raise ArtefactRefused(f"{rate[:40]!r} is no rate; one is such as 60/minute.") from None
