"""Closed jobs of which nobody was told are told of later, each until it was."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.desk_database import open_desk_database
from adapters.system_operations_desk import SqliteOperationsDesk
from core.errors import QueueUnavailable
from core.execution import ActionCall, WorkOrder
from core.execution_labels import ActionKind
from core.labels import Urgency
from core.ports.execution import ActionContext
from core.request import ExecutionId, RequestId
from deployments.execution.desk_announcements import DeskAnnouncements
from tests.clock import ManualClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Listener:
    """Takes what it is told, but for the jobs that it can't take now."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refused: dict[str, Exception] = {}

    async def tell(self, order: WorkOrder) -> None:
        if (problem := self.refused.get(order.work_order_id)) is not None:
            raise problem
        self.told.append(order.work_order_id)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[SqliteOperationsDesk]:
    made = SqliteOperationsDesk(open_desk_database(tmp_path / "desk.sqlite3"), clock=lambda: NOW)
    yield made
    await made.close()


async def closed(desk: SqliteOperationsDesk, number: int, at: datetime = NOW) -> str:
    call = ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters={"title": "Tap", "crew": "plumbing"})
    context = ActionContext(ExecutionId(f"EXE_{number}"), RequestId("REQ_1"), Urgency.LOW, "c", f"EXE_{number}:0")
    effect = await desk.perform(call, context)
    await desk.complete(effect.external_id, by="sam", notes="done", actual_cost_usd=None, actual_hours=None, now=at)
    return effect.external_id


async def test_what_its_own_call_had_time_to_tell_is_told_once(desk: SqliteOperationsDesk) -> None:
    listener, clock = Listener(), ManualClock(NOW)
    announcements = DeskAnnouncements(desk, listener.tell, clock)
    old, new = await closed(desk, 1), await closed(desk, 2, NOW + timedelta(seconds=5))
    assert await announcements.sweep() == 0
    clock.advance(10)
    assert await announcements.sweep() == 1
    assert await announcements.sweep() == 0
    clock.advance(5)
    assert await announcements.sweep() == 1
    assert listener.told == [old, new]
    assert await desk.unannounced(10) == ()


@pytest.mark.parametrize("problem", [QueueUnavailable("full"), RuntimeError("broken")])
async def test_one_that_can_not_be_told_holds_up_no_other(desk: SqliteOperationsDesk, problem: Exception) -> None:
    listener, clock = Listener(), ManualClock(NOW + timedelta(minutes=1))
    announcements = DeskAnnouncements(desk, listener.tell, clock)
    first, second = await closed(desk, 1), await closed(desk, 2)
    listener.refused = {first: problem}
    assert await announcements.sweep() == 1
    assert listener.told == [second]
    listener.refused = {}
    assert await announcements.sweep() == 1
    assert listener.told == [second, first]


async def test_it_goes_on_while_the_desk_or_its_listener_fail(desk: SqliteOperationsDesk) -> None:
    listener, clock = Listener(), ManualClock(NOW + timedelta(minutes=1))
    first = await closed(desk, 1)
    looked = 0

    class Failing:
        async def unannounced(self, limit: int) -> tuple[WorkOrder, ...]:
            nonlocal looked
            looked += 1
            if looked < 3:
                raise (QueueUnavailable("away"), RuntimeError("odd"))[looked - 1]
            return await desk.unannounced(limit)

        async def announced(self, work_order_id: str) -> None:
            await desk.announced(work_order_id)

    running = asyncio.create_task(DeskAnnouncements(Failing(), listener.tell, clock, every_s=0.01).run())
    async with asyncio.timeout(5):
        while not listener.told:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert listener.told == [first]
