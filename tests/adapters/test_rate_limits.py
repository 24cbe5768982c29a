"""Rate limits: counted for each caller, shared between replicas, and kept up while the shared count is down."""

import asyncio
import logging
import time

import pytest
from limits.errors import StorageError

from adapters import rate_limits
from adapters.rate_limits import SHARED_PAUSE_S, WindowRateLimiter, open_rate_limiters
from adapters.spending import open_limiter
from core.errors import ArtefactRefused


async def test_so_many_and_no_more_for_each_caller() -> None:
    limiter = WindowRateLimiter("person", "3/minute")
    left = [await limiter.take("one") for _ in range(5)]
    assert [each.allowed for each in left] == [True, True, True, False, False]
    assert [each.remaining for each in left] == [2, 1, 0, 0, 0]
    assert all(each.limit == 3 and 55 < each.reset_s <= 60 for each in left)
    assert (await limiter.take("another")).allowed


async def test_the_window_moves_on() -> None:
    limiter = WindowRateLimiter("person", "2/second")
    assert [(await limiter.take("one")).allowed for _ in range(3)] == [True, True, False]
    await asyncio.sleep((await limiter.take("one")).reset_s + 0.05)
    assert (await limiter.take("one")).allowed


async def test_fifty_at_once_get_what_there_is() -> None:
    limiter = WindowRateLimiter("person", "20/minute")
    taken = await asyncio.gather(*(limiter.take("one") for _ in range(50)))
    assert sum(each.allowed for each in taken) == 20


async def test_replicas_share_a_count() -> None:
    shared = open_limiter(None)
    replicas = [WindowRateLimiter("person", "10/minute", shared) for _ in range(3)]
    taken = [await replicas[number % 3].take("one") for number in range(12)]
    assert sum(each.allowed for each in taken) == 10


async def test_limits_of_different_names_are_counted_apart() -> None:
    shared = open_limiter(None)
    person, address = (WindowRateLimiter(name, "1/minute", shared) for name in ("person", "address"))
    assert (await person.take("one")).allowed
    assert (await address.take("one")).allowed


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("failure", ["refused", "silent"])
async def test_while_the_shared_count_is_down_each_process_counts_its_own(
    failure: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shared, clock = open_limiter(None), Clock()
    limiter = WindowRateLimiter("person", "2/minute", shared, clock=clock)
    tries = 0

    async def hit(*_: object, **__: object) -> bool:
        nonlocal tries
        tries += 1
        if failure == "silent":
            await asyncio.sleep(60)
        raise StorageError(ConnectionError())

    monkeypatch.setattr(rate_limits, "SHARED_TIMEOUT_S", 0.05)
    with monkeypatch.context() as down:
        down.setattr(shared, "hit", hit)
        began = time.monotonic()
        with caplog.at_level(logging.WARNING):
            assert [(await limiter.take("one")).allowed for _ in range(4)] == [True, True, False, False]
        assert time.monotonic() - began < 1
        assert tries == 1
        assert len(caplog.records) == 1
    assert not (await limiter.take("one")).allowed
    clock.now += SHARED_PAUSE_S
    assert (await limiter.take("one")).allowed


@pytest.mark.parametrize("rate", ["", "many", "0 per never", "60/fortnight"])
def test_what_is_no_rate_is_refused(rate: str) -> None:
    with pytest.raises(ArtefactRefused):
        open_rate_limiters({"person": rate}, None)
