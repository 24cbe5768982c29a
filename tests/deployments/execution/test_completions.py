"""Systems that send no callbacks are asked what has ended, and each end is told once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import QueueUnavailable
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind
from core.ports.execution import Completion
from deployments.execution.completions import LOOK_BACK, CompletionNews, CompletionPoller

Make = Callable[..., ExecutionCommand]
Calls = dict[str, Callable[..., ActionCall]]


class Shop:
    """What has ended there, with when."""

    def __init__(self) -> None:
        self.ended: list[tuple[datetime, Completion]] = []
        self.asked: list[tuple[datetime, frozenset[str]]] = []

    async def completions(self, *, since: datetime, known: frozenset[str]) -> tuple[Completion, ...]:
        self.asked.append((since, known))
        return tuple(each for at, each in self.ended if at >= since and each.external_id not in known)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def poller(world: Any, shop: Shop) -> CompletionPoller:
    news = CompletionNews(world.log, world.outcomes, world.clock)
    return CompletionPoller({"shop": shop}, news, world.documents, world.clock)


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
