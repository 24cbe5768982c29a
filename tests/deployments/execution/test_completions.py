"""Systems whose callbacks do not suffice are asked what has ended, and each end is told once."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import QueueUnavailable
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind
from core.ports.execution import Completion
from deployments.execution import completions
from deployments.execution.callbacks import Callbacks
from deployments.execution.completions import (
    FIRST_REST,
    LOOK_BACK,
    UNKNOWN_TIMES,
    CompletionNews,
    CompletionPoller,
)

Make = Callable[..., ExecutionCommand]
Calls = dict[str, Callable[..., ActionCall]]


class Shop:
    """What has ended there, with when."""

    def __init__(self) -> None:
        self.ended: list[tuple[datetime, Completion]] = []
        self.asked: list[tuple[datetime, frozenset[str]]] = []
        self.limit = 100

    async def completions(self, *, since: datetime, known: frozenset[str]) -> tuple[Completion, ...]:
        self.asked.append((since, known))
        found = [each for at, each in self.ended if at >= since and each.external_id not in known]
        return tuple(found[: self.limit])


@pytest.fixture
def shop() -> Shop:
    return Shop()


def poller(world: Any, shop: Shop, **options: Any) -> CompletionPoller:
    news = CompletionNews(world.log, world.outcomes, world.clock)
    return CompletionPoller({"shop": shop}, news, world.documents, world.clock, **options)


async def carried_out(world: Any, make_command: Make, call: Calls, name: str = "EXE_1") -> str:
    executor = world.executor(
        systems={"operations_desk": world.desk, "shop": world.forgetful("shop")},
        routes={ActionKind.CREATE_STAFF_TASK: "shop"},
    )
    progress = await executor.execute(make_command(call["task"](), execution_id=name))
    await world.news()
    return progress.execution.steps[0].external_id


async def test_an_end_is_told_once_with_what_it_cost(world: Any, shop: Shop, make_command: Make, call: Calls) -> None:
    external_id = await carried_out(world, make_command, call)
    shop.ended.append((world.now, Completion(external_id, "fixed", 80.0, 1.5)))
    assert [await poller(world, shop).ask("shop") for _ in range(3)] == [1, 0, 0]
    (outcome,) = await world.news()
    assert (outcome.kind, outcome.job, outcome.actor) == ("work_completed", external_id, "shop")
    assert (outcome.notes, outcome.actual_cost_usd, outcome.actual_hours) == ("fixed", 80.0, 1.5)


async def test_what_was_not_told_is_told_at_the_next_look(
    world: Any, shop: Shop, make_command: Make, call: Calls
) -> None:
    external_id = await carried_out(world, make_command, call)
    shop.ended.append((world.now, Completion(external_id)))
    world.outcomes.down = 1
    with pytest.raises(QueueUnavailable):
        await poller(world, shop).ask("shop")
    world.wait(3600)
    assert await poller(world, shop).ask("shop") == 1
    assert [each.kind for each in await world.news()] == ["work_completed"]


async def test_the_work_of_others_is_left_alone(world: Any, shop: Shop) -> None:
    shop.ended.append((world.now, Completion("EXT-of-others")))
    assert await poller(world, shop).ask("shop") == 0
    assert await world.news() == []


async def test_each_look_goes_back_a_day(world: Any, shop: Shop) -> None:
    asking = poller(world, shop)
    first = world.now
    await asking.ask("shop")
    world.wait(timedelta(hours=5).total_seconds())
    await asking.ask("shop")
    second = world.now
    world.wait(60)
    await asking.ask("shop")
    assert [since for since, _ in shop.asked] == [first - LOOK_BACK, first - LOOK_BACK, second - LOOK_BACK]


async def test_unknown_work_is_left_out_after_a_while_so_that_it_keeps_nobody_waiting(
    world: Any, shop: Shop, make_command: Make, call: Calls
) -> None:
    external_id = await carried_out(world, make_command, call)
    shop.ended += [(world.now, Completion(f"EXT-of-others-{number}")) for number in range(3)]
    shop.ended.append((world.now, Completion(external_id)))
    shop.limit = 3
    asking = poller(world, shop)
    for _ in range(UNKNOWN_TIMES):
        assert await asking.ask("shop") == 0
        world.wait(60)
    assert await asking.ask("shop") == 1
    assert {f"EXT-of-others-{number}" for number in range(3)} <= shop.asked[-1][1]
    assert [each.kind for each in await world.news()] == ["work_completed"]


async def test_work_whose_step_is_recorded_late_is_told_after_its_rest(
    world: Any, shop: Shop, make_command: Make, call: Calls
) -> None:
    shop.ended.append((world.now, Completion("EXT-1", "fixed", 80.0)))
    asking = poller(world, shop)
    for _ in range(UNKNOWN_TIMES + 1):
        assert await asking.ask("shop") == 0
    assert await carried_out(world, make_command, call) == "EXT-1"
    assert await asking.ask("shop") == 0
    world.wait(FIRST_REST.total_seconds())
    assert await asking.ask("shop") == 1
    (outcome,) = await world.news()
    assert outcome.actual_cost_usd == 80.0


class Reader:
    """Reads a completion of the work in the body."""

    def __init__(self, cost: float | None = None) -> None:
        self.cost = cost

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[str, Completion | None]:
        return "C-1", Completion(body.decode(), actual_cost_usd=self.cost) if body else None


async def test_a_callback_without_a_cost_has_the_system_asked_at_once(
    world: Any, shop: Shop, make_command: Make, call: Calls
) -> None:
    external_id = await carried_out(world, make_command, call)
    asking = poller(world, shop, every_s=0.05)
    callbacks = Callbacks(asking.readers({"shop": Reader()}), world.log, world.outcomes, world.documents, world.clock)
    running = asyncio.create_task(asking.run())
    try:
        await asyncio.sleep(0.1)
        shop.ended.append((world.now, Completion(external_id, "fixed", 80.0, 1.5)))
        assert await callbacks.take("shop", {}, external_id.encode())
        assert not await callbacks.take("shop", {}, external_id.encode())
        async with asyncio.timeout(5):
            while not (news := await world.news()):
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [(each.kind, each.actual_cost_usd, each.actual_hours) for each in news] == [("work_completed", 80.0, 1.5)]
    assert await world.news() == []


async def test_a_callback_wakes_who_asks(world: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "WOKEN_AFTER_S", 0.01)
    asking = poller(world, shop, every_s=600.0)
    running = asyncio.create_task(asking.run())
    try:
        async with asyncio.timeout(5):
            while len(shop.asked) < 1:
                await asyncio.sleep(0.01)
            asking.readers({"shop": Reader()})["shop"].read({}, b"EXT-1", world.now)
            while len(shop.asked) < 2:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_callbacks_with_a_cost_and_those_of_systems_that_are_not_asked_are_told(world: Any, shop: Shop) -> None:
    readers = poller(world, shop).readers({"shop": Reader(5.0), "other": Reader()})
    assert readers["shop"].read({}, b"EXT-1", world.now) == ("C-1", Completion("EXT-1", actual_cost_usd=5.0))
    assert readers["other"].read({}, b"EXT-1", world.now) == ("C-1", Completion("EXT-1"))
    assert readers["shop"].read({}, b"", world.now) == ("C-1", None)
