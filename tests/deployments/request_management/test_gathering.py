"""Gathering: what is there at once goes together, nobody waits alone, and errors stay with their call."""

import asyncio

import pytest

from core.errors import BrokenInvariant, ServiceUnavailable
from deployments.request_management.gathering import Gathered


class Recorder:
    """Doubles numbers, remembers its calls, and can be held back."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, items: list[int]) -> list[int]:
        self.calls.append(items)
        await self.open.wait()
        if -1 in items:
            raise ServiceUnavailable("down")
        return [2 * item for item in items]


async def test_a_lone_item_goes_at_once() -> None:
    send = Recorder()
    assert await Gathered(send)(3) == 6
    assert send.calls == [[3]]


async def test_items_of_one_moment_cross_together_in_order() -> None:
    send = Recorder()
    gathered = Gathered(send, max_size=32)
    assert await asyncio.gather(*(gathered(number) for number in range(20))) == [2 * number for number in range(20)]
    assert send.calls == [list(range(20))]


async def test_while_all_calls_are_on_their_way_items_collect() -> None:
    send = Recorder()
    send.open.clear()
    gathered = Gathered(send, max_size=8, max_calls=2)
    waiting: list[asyncio.Task[int]] = []
    for number in range(12):
        waiting.append(asyncio.ensure_future(gathered(number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [len(call) for call in send.calls] == [1, 1]
    send.open.set()
    assert await asyncio.gather(*waiting) == [2 * number for number in range(12)]
    assert [len(call) for call in send.calls] == [1, 1, 8, 2]


async def test_an_error_is_that_of_its_own_call_alone() -> None:
    gathered = Gathered(Recorder(), max_size=1)
    results = await asyncio.gather(gathered(1), gathered(-1), gathered(2), return_exceptions=True)
    assert results[0] == 2
    assert isinstance(results[1], ServiceUnavailable)
    assert results[2] == 4


async def test_a_caller_who_leaves_takes_nobody_along() -> None:
    send = Recorder()
    send.open.clear()
    gathered = Gathered(send)
    leaving, staying = asyncio.ensure_future(gathered(1)), asyncio.ensure_future(gathered(2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    send.open.set()
    assert await staying == 4


async def test_a_wrong_number_of_results_is_never_handed_out() -> None:
    async def send(items: list[int]) -> list[int]:
        return items[:-1]

    gathered = Gathered(send)
    with pytest.raises(BrokenInvariant):
        await asyncio.gather(gathered(1), gathered(2))
