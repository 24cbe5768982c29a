"""The contract of `OperationsDesk`, on every implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters import desk_database
from adapters.desk_database import open_desk_database
from adapters.sqlite import Database
from adapters.system_operations_desk import SqliteOperationsDesk
from core.errors import ActionRejected, InvalidCursor, NotFound, SystemUnavailable
from core.labels import ActionKind, Crew, Urgency
from core.messages import ActionCall, WorkOrder
from core.ports.execution import ActionContext, OperationsDesk
from core.request import ExecutionId, RequestId

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Open = Callable[[], OperationsDesk]


def job(title: str = "Fix the tap", action: ActionKind = ActionKind.DISPATCH_WORK_ORDER, **more: Any) -> ActionCall:
    return ActionCall(action=action, parameters={"title": title, "crew": Crew.PLUMBING, **more})


def context(key: str, request_id: str | None = "REQ_1") -> ActionContext:
    return ActionContext(
        execution_id=ExecutionId(key.split(":")[0]),
        request_id=None if request_id is None else RequestId(request_id),
        urgency=Urgency.HIGH,
        correlation_id="c",
        idempotency_key=key,
    )


@pytest.fixture(params=["sqlite"])
async def open_desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same desk again, as another process would."""
    opened: list[OperationsDesk] = []

    def open_again() -> OperationsDesk:
        makers: dict[str, Open] = {
            "sqlite": lambda: SqliteOperationsDesk(open_desk_database(tmp_path / "desk.sqlite3"), clock=lambda: NOW)
        }
        opened.append(makers[request.param]())
        return opened[-1]

    yield open_again
    for desk in opened:
        await desk.close()


@pytest.fixture
def desk(open_desk: Open) -> OperationsDesk:
    return open_desk()


async def close_job(desk: OperationsDesk, work_order_id: str, by: str = "tech-1", notes: str = "done") -> WorkOrder:
    return await desk.complete(work_order_id, by=by, notes=notes, actual_cost_usd=80.5, actual_hours=1.25, now=NOW)


async def walk(desk: OperationsDesk, limit: int, **filters: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await desk.work_orders(limit=limit, cursor=cursor, **filters)
        assert len(page.items) <= limit
        found += [order.work_order_id for order in page.items]
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


async def test_a_work_order_holds_everything_that_was_asked(desk: OperationsDesk) -> None:
    call = job(steps=["look", "fix"], building_id="BLD_A", unit="101", instructions="ring twice", cost_limit_usd=250.0)
    order_id = await desk.perform(call, context("EXE_1:0"))
    assert await desk.work_order(order_id) == WorkOrder(
        work_order_id=order_id,
        request_id=RequestId("REQ_1"),
        execution_id=ExecutionId("EXE_1"),
        kind="work_order",
        crew=Crew.PLUMBING,
        title="Fix the tap",
        steps=("look", "fix"),
        building_id="BLD_A",
        unit="101",
        instructions="ring twice",
        cost_limit_usd=250.0,
        urgency=Urgency.HIGH,
        status="Open",
        created_at=NOW,
    )


async def test_a_staff_task_is_told_from_a_work_order(desk: OperationsDesk) -> None:
    order_id = await desk.perform(job(action=ActionKind.CREATE_STAFF_TASK), context("EXE_1:0", request_id=None))
    order = await desk.work_order(order_id)
    assert order is not None
    assert (order.kind, order.request_id) == ("staff_task", None)


async def test_the_same_key_is_one_job(open_desk: Open) -> None:
    desks = [open_desk(), open_desk()]
    ids = await asyncio.gather(*(desk.perform(job(), context("EXE_1:0")) for desk in desks * 10))
    assert len(set(ids)) == 1
    assert await walk(desks[0], 10, open_only=False, buildings=None) == [ids[0]]
    assert await desks[1].perform(job(), context("EXE_1:1")) != ids[0]


async def test_a_key_finds_its_job(desk: OperationsDesk) -> None:
    assert await desk.find("EXE_1:0") is None
    order_id = await desk.perform(job(), context("EXE_1:0"))
    assert await desk.find("EXE_1:0") == order_id
    assert await desk.find("EXE_1:1") is None


@pytest.mark.parametrize(
    "call",
    [
        ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters={"title": "no crew"}),
        ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters={"title": "x", "crew": "wizards"}),
        ActionCall(
            action=ActionKind.NOTIFY,
            parameters={"recipient_kind": "resident", "recipient": "R", "subject": "s", "body": "b"},
        ),
    ],
)
async def test_what_the_desk_does_not_do_is_rejected(desk: OperationsDesk, call: ActionCall) -> None:
    with pytest.raises(ActionRejected):
        await desk.perform(call, context("EXE_1:0"))
    assert await desk.find("EXE_1:0") is None


@pytest.mark.parametrize("wrong", ["", "WO-", "WO-0", "WO-99", "WO--1", "WO-1x", "1", "WO-" + "9" * 40, "WO-¹"])
async def test_an_unknown_job(desk: OperationsDesk, wrong: str) -> None:
    await desk.perform(job(), context("EXE_1:0"))
    assert await desk.work_order(wrong) is None
    with pytest.raises(NotFound):
        await close_job(desk, wrong)


async def test_closing_keeps_who_and_what(desk: OperationsDesk) -> None:
    order_id = await desk.perform(job(), context("EXE_1:0"))
    closed = await close_job(desk, order_id)
    assert (closed.status, closed.closed_by, closed.notes) == ("Done", "tech-1", "done")
    assert (closed.actual_cost_usd, closed.actual_hours, closed.closed_at) == (80.5, 1.25, NOW)
    assert await desk.work_order(order_id) == closed


async def test_closing_a_closed_job_returns_it_unchanged(desk: OperationsDesk) -> None:
    order_id = await desk.perform(job(), context("EXE_1:0"))
    first = await close_job(desk, order_id)
    second = await desk.complete(
        order_id,
        by="tech-2",
        notes="me too",
        actual_cost_usd=None,
        actual_hours=None,
        now=NOW + timedelta(hours=1),
    )
    assert second == first


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_pages_hold_each_job_once_newest_first(desk: OperationsDesk, limit: int) -> None:
    ids: list[str] = []
    for n in range(9):
        building = {"building_id": f"BLD_{n % 3}"} if n % 4 else {}
        ids.append(await desk.perform(job(**building), context(f"EXE_{n}:0")))
    for n in (0, 4, 5):
        await close_job(desk, ids[n])
    newest = list(reversed(range(9)))
    assert await walk(desk, limit, open_only=False, buildings=None) == [ids[n] for n in newest]
    assert await walk(desk, limit, open_only=True, buildings=None) == [ids[n] for n in newest if n not in (0, 4, 5)]
    # 0, 4 and 8 have no building.
    assert await walk(desk, limit, open_only=False, buildings=frozenset({"BLD_1", "BLD_2"})) == [
        ids[n] for n in newest if n % 3 in (1, 2) and n % 4
    ]
    assert await walk(desk, limit, open_only=True, buildings=frozenset({"BLD_2"})) == [ids[2]]
    assert await walk(desk, limit, open_only=False, buildings=frozenset()) == []


async def test_a_job_that_comes_between_two_pages_disturbs_neither(desk: OperationsDesk) -> None:
    ids = [await desk.perform(job(), context(f"EXE_{n}:0")) for n in range(4)]
    first = await desk.work_orders(open_only=False, buildings=None, limit=2, cursor=None)
    await desk.perform(job(), context("EXE_new:0"))
    second = await desk.work_orders(open_only=False, buildings=None, limit=2, cursor=first.next_cursor)
    assert [order.work_order_id for order in (*first.items, *second.items)] == ids[::-1]


async def test_a_cursor_that_this_list_did_not_give_is_refused(desk: OperationsDesk) -> None:
    for n in range(3):
        await desk.perform(job(), context(f"EXE_{n}:0"))
    page = await desk.work_orders(open_only=False, buildings=None, limit=1, cursor=None)
    for cursor in ("", "garbage", "%%%", "e30"):
        with pytest.raises(InvalidCursor):
            await desk.work_orders(open_only=False, buildings=None, limit=1, cursor=cursor)
    with pytest.raises(InvalidCursor):
        await desk.work_orders(open_only=True, buildings=None, limit=1, cursor=page.next_cursor)


async def test_a_closed_desk_is_unavailable(desk: OperationsDesk) -> None:
    await desk.close()
    with pytest.raises(SystemUnavailable):
        await desk.perform(job(), context("EXE_1:0"))


async def test_a_work_order_tells_who_must_do_it_and_from_when_on(desk: OperationsDesk) -> None:
    begins = NOW + timedelta(hours=24)
    parameters = {"title": "Pump", "crew": "general", "vendor": "pumps-inc", "licence": "plumber"}
    call = ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters=parameters | {"not_before": begins.isoformat()})
    order = await desk.work_order(await desk.perform(call, context("EXE_9:0")))
    assert order is not None
    assert (order.vendor, order.licence, order.not_before) == ("pumps-inc", "plumber", begins)
    plain = ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters={"title": "Tap", "crew": "plumbing"})
    order = await desk.work_order(await desk.perform(plain, context("EXE_9:1")))
    assert order is not None
    assert (order.vendor, order.licence, order.not_before) == (None, None, None)


async def test_a_desk_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "desk.sqlite3"
    old = Database(path, desk_database._SCHEMA[:1], unavailable=SystemUnavailable)
    await old.write(
        lambda connection: connection.execute(
            "INSERT INTO work_orders (idempotency_key, execution_id, kind, crew, title, steps, cost_limit_usd, urgency,"
            " status, created_at) VALUES ('k', 'EXE_1', 'work_order', 'general', 'Old', '[]', 0, 'Low', 'Open', 0)"
        )
    )
    await old.close()
    desk = SqliteOperationsDesk(open_desk_database(path), clock=lambda: NOW)
    order = await desk.work_order("WO-1")
    assert order is not None
    assert (order.title, order.vendor) == ("Old", None)
    await desk.close()
