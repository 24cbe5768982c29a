"""A circuit opens after failures in a row, and lets a single call try whether the service is back."""

import asyncio

import pytest

from adapters.circuit import Circuit, CircuitOpen
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("purgatory.domain.model.time.time", clock)
    return clock


async def call(circuit: Circuit, problem: Exception | None = None) -> str:
    try:
        async with circuit.call():
            if problem:
                raise problem
    except CircuitOpen:
        return "open"
    except Exception:
        return "failed"
    return "done"


async def test_failures_in_a_row_open_it(clock: Clock) -> None:
    circuit = Circuit("c", 2, 10)
    assert [await call(circuit, each) for each in (OSError(), None, OSError(), OSError(), None)] == [
        "failed", "done", "failed", "failed", "open",
    ]  # fmt: skip


async def test_one_call_tries_whether_it_is_back(clock: Clock) -> None:
    circuit = Circuit("c", 1, 10)
    await call(circuit, OSError())
    clock.now += 11
    release = asyncio.Event()

    async def probe() -> None:
        async with circuit.call():
            await release.wait()

    task = asyncio.create_task(probe())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [await call(circuit) for _ in range(3)] == ["open"] * 3
    release.set()
    await task
    assert await call(circuit) == "done"


async def test_a_failed_try_opens_it_again(clock: Clock) -> None:
    circuit = Circuit("c", 3, 10)
    for _ in range(3):
        await call(circuit, OSError())
    clock.now += 11
    assert await call(circuit, OSError()) == "failed"
    assert await call(circuit) == "open"
    clock.now += 11
    assert [await call(circuit) for _ in range(2)] == ["done"] * 2


async def test_a_call_that_is_broken_off_by_its_deadline_failed(clock: Clock) -> None:
    circuit = Circuit("c", 1, 10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), circuit.call():
            await asyncio.sleep(5)
    assert await call(circuit) == "open"
