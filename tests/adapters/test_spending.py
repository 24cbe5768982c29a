"""A moving hour's budget: never more than it allows, whatever is reserved, settled or owed."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.spending import CHANGE_KEPT_S, Allowance, Budget, Prices, Usage, open_limiter
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("limits.aio.storage.memory.time.time", clock)
    return clock


async def test_an_hour_holds_so_much_and_the_next_one_as_much(clock: Clock) -> None:
    allowance = Allowance("a", 100, open_limiter(None), clock)
    assert await allowance.reserve(60)
    assert await allowance.reserve(60) is None
    assert await allowance.reserve(40)
    clock.now += 3601
    assert await allowance.reserve(100)


async def test_what_was_not_spent_pays_for_the_next_call(clock: Clock) -> None:
    allowance = Allowance("a", 100, open_limiter(None), clock)
    reserved = await allowance.reserve(100)
    assert reserved is not None
    allowance.settle(reserved, 30)
    assert allowance.in_hand == 70
    assert await allowance.reserve(70)
    assert await allowance.reserve(1) is None


async def test_change_is_not_kept_for_long(clock: Clock) -> None:
    allowance = Allowance("a", 100, open_limiter(None), clock)
    reserved = await allowance.reserve(100)
    assert reserved is not None
    allowance.settle(reserved, 0)
    clock.now += CHANGE_KEPT_S / 2
    again = await allowance.reserve(100)
    assert again is not None
    allowance.settle(again, 0)
    clock.now += CHANGE_KEPT_S / 2
    # Being reserved a second time did not make it live longer.
    assert allowance.in_hand == 0
    assert await allowance.reserve(1) is None


async def test_what_was_overspent_is_owed(clock: Clock) -> None:
    allowance = Allowance("a", 100, open_limiter(None), clock)
    reserved = await allowance.reserve(10)
    assert reserved is not None
    allowance.settle(reserved, 50)
    assert allowance.in_hand == -40
    assert await allowance.reserve(60) is None
    assert await allowance.reserve(50)
    assert allowance.in_hand == 0


async def test_zero_allows_nothing() -> None:
    assert await Allowance("a", 0, open_limiter(None)).reserve(1) is None


async def test_a_large_allowance_is_counted_in_few_entries(clock: Clock) -> None:
    allowance = Allowance("a", 1_000_000, open_limiter(None), clock)
    for _ in range(99):
        reserved = await allowance.reserve(10_001)
        assert reserved is not None
        allowance.settle(reserved, 10_001)
    assert await allowance.reserve(10_001) is None
    assert await allowance.reserve(9_000)


async def test_replicas_share_a_limiter(clock: Clock) -> None:
    limiter = open_limiter(None)
    one, other = Allowance("a", 100, limiter, clock), Allowance("a", 100, limiter, clock)
    assert await one.reserve(60)
    assert await other.reserve(60) is None


async def test_both_allowances_must_suffice(clock: Clock) -> None:
    limiter = open_limiter(None)
    tokens, micro_usd = Allowance("t", 10_000, limiter, clock), Allowance("d", 100, limiter, clock)
    budget = Budget(tokens, micro_usd, Prices(0.5, 2.0))
    assert await budget.reserve(Usage(1000, 0)) is None
    assert tokens.in_hand == 1000
    reserved = await budget.reserve(Usage(100, 10))
    assert reserved is not None
    budget.settle(reserved, Usage(20, 5))
    assert micro_usd.in_hand == 70 - 20


async def test_a_broken_store_takes_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = open_limiter(None)
    tokens, micro_usd = Allowance("t", 1000, limiter, clock), Allowance("d", 1000, limiter, clock)
    assert await tokens.reserve(1)

    async def fail(*args: object, **more: object) -> bool:
        raise ConnectionError

    monkeypatch.setattr(limiter, "hit", fail)
    with pytest.raises(ConnectionError):
        await Budget(tokens, micro_usd, Prices(1.0, 1.0)).reserve(Usage(10, 0))
    assert (tokens.in_hand, micro_usd.in_hand) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=30))
def test_no_more_is_spent_than_the_hour_holds(calls: list[tuple[int, int]]) -> None:
    async def run() -> None:
        allowance = Allowance("a", 200, open_limiter(None))
        spent = 0
        for amount, share in calls:
            reserved = await allowance.reserve(amount)
            if reserved is not None:
                assert sum(each.amount for each in reserved) == amount
                allowance.settle(reserved, min(share, amount))
                spent += min(share, amount)
        assert spent <= 200
        assert allowance.in_hand <= 200 - spent

    asyncio.run(run())
