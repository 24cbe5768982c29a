"""Calls an outside system carefully: within a time, a rate and a number at once, again where that may help, and not at
all while it fails.

Each replica has a guard of its own for each system, so that one that is slow or down holds up none of the others.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from adapters.circuit import Circuit, CircuitOpen
from adapters.rate_limits import WindowRateLimiter
from core import tracing
from core.errors import ActionRejected, Rejected, SystemBusy, SystemUnavailable, Unavailable
from core.execution import ActionCall
from core.execution_labels import ChannelName
from core.metrics import OUTSIDE_CALLS, OUTSIDE_TIME, UNMETERED, Meter, timed
from core.ports.execution import ActionContext, Channel, Effect, Envelope, OutsideSystem, SystemState
from core.ports.rate_limits import RateLimiter
from core.systems import LONGEST_PAUSE_S, CallPolicy

log = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_PAUSE_S = 0.2
NO_ROOM_WAIT_S = 1.0
ANSWERS = (Rejected, ActionRejected, SystemBusy)
"""Errors by which a system shows that it works."""


class CallGuard:
    """Every call of one outside system from this replica."""

    def __init__(
        self, name: str, policy: CallPolicy, *, limiter: RateLimiter | None = None, meter: Meter = UNMETERED
    ) -> None:
        """`limiter` counts the policy's rate together with other replicas; without one, this replica counts its own.

        Raises `ArtefactRefused` for a rate that is none.
        """
        self.name = name
        self._policy = policy
        self._meter = meter
        self._limiter = limiter or (None if policy.rate is None else WindowRateLimiter(name, policy.rate))
        self._circuit = Circuit(name, policy.breaker_failures, policy.breaker_reset_s, ANSWERS, meter=meter)
        self._room = asyncio.Semaphore(policy.concurrency)
        self._in_flight = self._calls = self._failures = 0
        self._is_failing = False
        self._last_error: str | None = None

    async def call(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        may_repeat: bool,
        find: Callable[[], Awaitable[T | None]] | None = None,
    ) -> T:
        """What `work` gives.

        With `may_repeat`, it is tried again at once where it may or may not have been done; `find` is asked before
        that, and what it finds is taken in the place of another try.

        Raises `SystemBusy` only where nothing was sent, or the system said that it did nothing; `SystemUnavailable`, or
        another `Unavailable` of the work's, where it may have been done; a `Rejected` or `ActionRejected` of the work's
        as it is. An error of any other kind is logged and becomes `SystemUnavailable`.
        """
        unclear: Unavailable | None = None

        async def try_once() -> T:
            nonlocal unclear
            if unclear is not None and find is not None:
                found = await self._send(find)
                if found is not None:
                    return found
            try:
                return await self._send(work)
            except SystemBusy:
                raise
            except Unavailable as problem:
                unclear = problem
                raise

        try:
            async with self._place():
                return await self._tries(may_repeat)(try_once)
        except SystemBusy:
            # The newest try did nothing, but one before it may have been carried out.
            if unclear is None:
                raise
            raise unclear from None

    def state(self) -> SystemState:
        """How the calls from this replica go; the circuit's gauge is shown anew, too."""
        self._circuit.tell()
        status = "left_alone" if self._circuit.is_open else "failing" if self._is_failing else "ok"
        return SystemState(self.name, status, self._in_flight, self._calls, self._failures, self._last_error)

    def _tries(self, may_repeat: bool) -> AsyncRetrying:
        return AsyncRetrying(
            stop=stop_after_attempt(self._policy.attempts if may_repeat else 1),
            wait=wait_random_exponential(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S),
            retry=retry_if_exception(lambda error: isinstance(error, Unavailable) and not isinstance(error, ANSWERS)),
            reraise=True,
        )

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None]:
        if self._room.locked():
            raise SystemBusy(f"{self.name} has no room for another call.", NO_ROOM_WAIT_S)
        # Not locked, so that a place is taken without waiting.
        async with self._room:
            self._in_flight += 1
            try:
                yield
            finally:
                self._in_flight -= 1

    async def _send(self, work: Callable[[], Awaitable[T]]) -> T:
        """One try. What the circuit would refuse does not use up the rate."""
        if self._circuit.wait_s > 0:
            raise self._left_alone(self._circuit.wait_s)
        await self._take_rate()
        try:
            with tracing.span(f"outside {self.name}", attributes={"aam.system": self.name}):
                async with self._circuit.call():
                    return await self._observe(work)
        except CircuitOpen as problem:
            raise self._left_alone(problem.wait_s) from None

    def _left_alone(self, wait_s: float) -> SystemBusy:
        return SystemBusy(f"{self.name} failed too often of late and is left alone for a while.", wait_s)

    async def _take_rate(self) -> None:
        if self._limiter is None:
            return
        allowance = await self._limiter.take(self.name)
        if not allowance.allowed:
            raise SystemBusy(f"{self.name} takes no more than {self._policy.rate} calls.", allowance.reset_s)

    async def _observe(self, work: Callable[[], Awaitable[T]]) -> T:
        self._calls += 1
        try:
            with timed(self._meter, OUTSIDE_TIME, system=self.name):
                async with asyncio.timeout(self._policy.timeout_s):
                    result = await work()
        except ANSWERS as problem:
            self._count("busy" if isinstance(problem, SystemBusy) else "refused")
            self._is_failing = False
            raise
        except Unavailable as problem:
            self._count("failed")
            self._note(problem.detail)
            raise
        except TimeoutError:
            self._count("timed_out")
            detail = f"{self.name} did not answer within {self._policy.timeout_s:g} seconds."
            self._note(detail)
            raise SystemUnavailable(detail) from None
        except Exception:
            self._count("failed")
            log.exception("a call of %s failed in an unexpected way", self.name)
            detail = f"{self.name} failed in an unexpected way."
            self._note(detail)
            raise SystemUnavailable(detail) from None
        self._count("done")
        self._is_failing = False
        return result

    def _count(self, outcome: Literal["done", "busy", "refused", "failed", "timed_out"]) -> None:
        self._meter.add(OUTSIDE_CALLS, system=self.name, outcome=outcome)

    def _note(self, detail: str) -> None:
        self._failures += 1
        self._is_failing, self._last_error = True, detail


class GuardedSystem:
    """An `OutsideSystem` behind its guard."""

    def __init__(self, inner: OutsideSystem, guard: CallGuard) -> None:
        self.name = inner.name
        self._inner, self._guard = inner, guard

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        """See the port. Before a repetition, the system is asked what it did."""
        return await self._guard.call(
            lambda: self._inner.perform(call, context),
            may_repeat=True,
            find=lambda: self._inner.find(call, context),
        )

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        """See the port."""
        return await self._guard.call(lambda: self._inner.find(call, context), may_repeat=True)

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        """See the port."""
        return await self._guard.call(lambda: self._inner.undo(call, context, external_id), may_repeat=True)

    def state(self) -> SystemState:
        """See the port."""
        return self._guard.state()

    async def close(self) -> None:
        """See the port."""
        await self._inner.close()


class GuardedChannel:
    """A `Channel` behind its guard. A delivery is not repeated at once: it might reach the person twice."""

    def __init__(self, inner: Channel, guard: CallGuard) -> None:
        self.name: ChannelName = inner.name
        self._inner, self._guard = inner, guard

    async def deliver(self, envelope: Envelope) -> str:
        """See the port."""
        return await self._guard.call(lambda: self._inner.deliver(envelope), may_repeat=False)

    def state(self) -> SystemState:
        """See the port."""
        return self._guard.state()

    async def close(self) -> None:
        """See the port."""
        await self._inner.close()
