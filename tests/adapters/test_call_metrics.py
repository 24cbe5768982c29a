"""How calls of outside systems end, and whether a system is left alone, as metrics."""

import asyncio

import pytest

from adapters.call_guard import CallGuard
from adapters.metrics_memory import MemoryMeter
from core.errors import ActionRejected, AppError, SystemBusy, SystemUnavailable
from core.metrics import CIRCUITS, OUTSIDE_CALLS, OUTSIDE_TIME
from core.systems import CallPolicy
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("purgatory.domain.model.time.time", clock)
    return clock


async def call(guard: CallGuard, problem: Exception | None = None, takes_s: float = 0.0) -> None:
    async def work() -> None:
        await asyncio.sleep(takes_s)
        if problem is not None:
            raise problem

    try:
        await guard.call(work, may_repeat=False)
    except AppError:
        return


async def test_each_way_to_end_is_counted_and_timed() -> None:
    meter = MemoryMeter()
    guard = CallGuard("billing", CallPolicy(timeout_s=0.1, breaker_failures=100), meter=meter)
    for problem in (None, ActionRejected("no"), SystemBusy("later"), SystemUnavailable("down"), KeyError("bug")):
        await call(guard, problem)
    await call(guard, takes_s=0.3)
    assert meter.figures[OUTSIDE_CALLS] == {
        ("billing", "done"): 1,
        ("billing", "refused"): 1,
        ("billing", "busy"): 1,
        ("billing", "failed"): 2,
        ("billing", "timed_out"): 1,
    }
    assert meter.sum_of(OUTSIDE_TIME, system="billing") == 6


async def test_a_system_that_is_left_alone_is_shown_and_its_refusals_are_no_calls(clock: Clock) -> None:
    meter = MemoryMeter()
    guard = CallGuard("billing", CallPolicy(breaker_failures=2, breaker_reset_s=30.0), meter=meter)
    await call(guard)
    assert meter.figure(CIRCUITS, system="billing") == 0
    for _ in range(2):
        await call(guard, SystemUnavailable("down"))
    assert meter.figure(CIRCUITS, system="billing") == 2
    await call(guard)
    assert meter.sum_of(OUTSIDE_CALLS) == 3
    clock.now += 31.0

    async def look() -> None:
        assert meter.figure(CIRCUITS, system="billing") == 1

    await guard.call(look, may_repeat=False)
    assert meter.figure(CIRCUITS, system="billing") == 0
