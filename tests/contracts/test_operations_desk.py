"""The contract of `OperationsDesk`, on every implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.desk_database import SCHEMA, open_desk_database
from adapters.sqlite import Database
from adapters.system_operations_desk import SqliteOperationsDesk
from core.actions import parse_parameters
from core.entry import EntryRules, EntryTerms
from core.erasure import ERASED, ErasureScope
from core.errors import (
    ActionRejected,
    Invalid,
    InvalidCursor,
    NotFound,
    StaleVersion,
    SystemUnavailable,
    WrongState,
)
from core.execution import ActionCall, WorkOrder
from core.execution_labels import MESSAGES, ActionKind
from core.labels import Crew, Urgency
from core.ports.execution import ActionContext, Effect, OperationsDesk
from core.request import ExecutionId, RequestId, ResidentId

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


async def opened(desk: OperationsDesk, call: ActionCall, whose: ActionContext) -> str:
    effect = await desk.perform(call, whose)
    assert not effect.is_done
    return effect.external_id


async def opened_job(desk: OperationsDesk, call: ActionCall, whose: ActionContext) -> WorkOrder:
    order = await desk.work_order(await opened(desk, call, whose))
    assert order is not None
    return order


@pytest.fixture(params=["sqlite"])
async def open_desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same desk again, as another process would."""
    desks: list[OperationsDesk] = []

    def open_again() -> OperationsDesk:
        makers: dict[str, Open] = {
            "sqlite": lambda: SqliteOperationsDesk(open_desk_database(tmp_path / "desk.sqlite3"), clock=lambda: NOW)
        }
        desks.append(makers[request.param]())
        return desks[-1]

    yield open_again
    for desk in desks:
        await desk.close()


@pytest.fixture
def desk(open_desk: Open) -> OperationsDesk:
    return open_desk()


async def test_what_is_settled_without_its_jobs_cancels_them_once(open_desk: Open) -> None:
    desk, later = open_desk(), NOW + timedelta(hours=3)
    first = await opened(desk, job("Fix the tap"), context("EXE_1:0"))
    waiting = await opened(desk, job("Verify", waits_for=(0,)), context("EXE_1:1"))
    done = await opened(desk, job("Look"), context("EXE_1:2"))
    await close_job(desk, done)
    other = await opened(desk, job("Fix the sink"), context("EXE_2:0", "REQ_2"))
    hours = {"starts_at": NOW.isoformat(), "ends_at": later.isoformat()}
    booking = ActionCall(
        action=ActionKind.BOOK_AMENITY,
        parameters={"amenity": "Gym", "building_id": "A", "resident_id": "RES_A_101", **hours},
    )
    booked = await opened(desk, booking, context("EXE_3:0"))
    cancelled = await desk.cancel(RequestId("REQ_1"), by="sam", reason="Resolved: mended it", now=later)
    assert cancelled == (first, waiting)
    for each in cancelled:
        order = await open_desk().work_order(each)
        assert order is not None
        assert (order.status, order.closed_by, order.closed_at) == ("Cancelled", "sam", later)
        assert order.notes == "Resolved: mended it"
        assert order.version == 2
    kept = [await desk.work_order(each) for each in (done, other, booked)]
    assert [order.status for order in kept if order] == ["Done", "Open", "Open"]
    assert await desk.cancel(RequestId("REQ_1"), by="mia", reason="again", now=later) == ()
    # Nobody is told that the work was done.
    assert [order.work_order_id for order in await desk.unannounced(10)] == [done]


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
    order_id = await opened(desk, call, context("EXE_1:0"))
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
    order_id = await opened(desk, job(action=ActionKind.CREATE_STAFF_TASK), context("EXE_1:0", request_id=None))
    order = await desk.work_order(order_id)
    assert order is not None
    assert (order.kind, order.request_id) == ("staff_task", None)


async def test_the_same_key_is_one_job(open_desk: Open) -> None:
    desks = [open_desk(), open_desk()]
    ids = await asyncio.gather(*(opened(desk, job(), context("EXE_1:0")) for desk in desks * 10))
    assert len(set(ids)) == 1
    assert await walk(desks[0], 10, open_only=False, buildings=None) == [ids[0]]
    assert await opened(desks[1], job(), context("EXE_1:1")) != ids[0]


async def test_a_key_finds_its_job(desk: OperationsDesk) -> None:
    assert await desk.find(job(), context("EXE_1:0")) is None
    order_id = await opened(desk, job(), context("EXE_1:0"))
    assert await desk.find(job(), context("EXE_1:0")) == Effect(order_id)
    assert await desk.find(job(), context("EXE_1:1")) is None


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
        await opened(desk, call, context("EXE_1:0"))
    assert await desk.find(call, context("EXE_1:0")) is None


@pytest.mark.parametrize("wrong", ["", "WO-", "WO-0", "WO-99", "WO--1", "WO-1x", "1", "WO-" + "9" * 40, "WO-¹"])
async def test_an_unknown_job(desk: OperationsDesk, wrong: str) -> None:
    await opened(desk, job(), context("EXE_1:0"))
    assert await desk.work_order(wrong) is None
    with pytest.raises(NotFound):
        await close_job(desk, wrong)


async def test_closing_keeps_who_and_what(desk: OperationsDesk) -> None:
    order_id = await opened(desk, job(), context("EXE_1:0"))
    closed = await close_job(desk, order_id)
    assert (closed.status, closed.closed_by, closed.notes) == ("Done", "tech-1", "done")
    assert (closed.actual_cost_usd, closed.actual_hours, closed.closed_at) == (80.5, 1.25, NOW)
    assert await desk.work_order(order_id) == closed


async def test_closing_a_closed_job_returns_it_unchanged(desk: OperationsDesk) -> None:
    order_id = await opened(desk, job(), context("EXE_1:0"))
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
        building: dict[str, Any] = {"building_id": f"BLD_{n % 3}"} if n % 4 else {}
        ids.append(await opened(desk, job(**building), context(f"EXE_{n}:0")))
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
    ids = [await opened(desk, job(), context(f"EXE_{n}:0")) for n in range(4)]
    first = await desk.work_orders(open_only=False, buildings=None, limit=2, cursor=None)
    await opened(desk, job(), context("EXE_new:0"))
    second = await desk.work_orders(open_only=False, buildings=None, limit=2, cursor=first.next_cursor)
    assert [order.work_order_id for order in (*first.items, *second.items)] == ids[::-1]


async def test_a_cursor_that_this_list_did_not_give_is_refused(desk: OperationsDesk) -> None:
    for n in range(3):
        await opened(desk, job(), context(f"EXE_{n}:0"))
    page = await desk.work_orders(open_only=False, buildings=None, limit=1, cursor=None)
    for cursor in ("", "garbage", "%%%", "e30"):
        with pytest.raises(InvalidCursor):
            await desk.work_orders(open_only=False, buildings=None, limit=1, cursor=cursor)
    with pytest.raises(InvalidCursor):
        await desk.work_orders(open_only=True, buildings=None, limit=1, cursor=page.next_cursor)


async def test_a_closed_desk_is_unavailable(desk: OperationsDesk) -> None:
    await desk.close()
    with pytest.raises(SystemUnavailable):
        await opened(desk, job(), context("EXE_1:0"))


async def test_a_work_order_tells_who_must_do_it_and_from_when_on(desk: OperationsDesk) -> None:
    begins = NOW + timedelta(hours=24)
    parameters = {"title": "Pump", "crew": "general", "vendor": "pumps-inc", "licence": "plumber"}
    call = ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters=parameters | {"not_before": begins.isoformat()})
    order = await desk.work_order(await opened(desk, call, context("EXE_9:0")))
    assert order is not None
    assert (order.vendor, order.licence, order.not_before) == ("pumps-inc", "plumber", begins)
    plain = ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters={"title": "Tap", "crew": "plumbing"})
    order = await desk.work_order(await opened(desk, plain, context("EXE_9:1")))
    assert order is not None
    assert (order.vendor, order.licence, order.not_before) == (None, None, None)


@pytest.mark.parametrize("version", range(1, len(SCHEMA)))
async def test_a_desk_of_an_earlier_release_is_taken_over(tmp_path: Path, version: int) -> None:
    path = tmp_path / "desk.sqlite3"
    old = Database(path, SCHEMA[:version], unavailable=SystemUnavailable)
    await old.write(
        lambda connection: connection.executemany(
            "INSERT INTO work_orders (idempotency_key, execution_id, kind, crew, title, steps, cost_limit_usd, urgency,"
            " status, created_at, building_id) VALUES (?, 'EXE_1', 'work_order', 'general', 'Old', '[]', 0, 'Low', ?,"
            " 0, 'BLD_A')",
            [("EXE_1:0", "Done"), ("EXE_1:1", "Open")],
        )
    )
    await old.close()
    desk = SqliteOperationsDesk(open_desk_database(path), clock=lambda: NOW)
    done, left = await desk.work_order("WO-1"), await desk.work_order("WO-2")
    assert done is not None
    assert left is not None
    assert (done.status, done.title, done.vendor, done.details, done.waits_for) == ("Done", "Old", None, {}, ())
    assert (left.version, left.is_ready, left.scheduled_start) == (1, True, None)
    assert (await plan(desk, left, start=NOW)).version == 2
    assert [one.work_order_id for one in await span(desk)] == ["WO-2"]
    assert await desk.unannounced(10) == ()
    assert await desk.find(job(), context("EXE_1:1")) == Effect("WO-2")
    after = await opened_job(desk, job(waits_for=[0, 1]), context("EXE_1:2"))
    assert (after.waits_for, after.is_ready) == (("WO-1", "WO-2"), False)
    await desk.close()


RULES = EntryRules(
    notice_hours=24, quiet_start=time(22), quiet_end=time(7), weekend_start=time(9), weekend_end=time(19)
)
TERMS = EntryTerms(rules=RULES, notice=True, time_zone="UTC").model_dump(mode="json")
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def action(kind: ActionKind, **parameters: Any) -> ActionCall:
    return ActionCall(action=kind, parameters={"building_id": "BLD_A", **parameters})


def visit(**more: Any) -> ActionCall:
    return action(ActionKind.SCHEDULE_VISIT, title="See the tap", crew="plumbing", entry=TERMS, **more)


def booking(start: datetime, hours: float = 2, **more: Any) -> ActionCall:
    wanted = {"amenity": "Roof deck", "resident_id": "RES_1", "starts_at": start, "ends_at": start + hours * HOUR}
    return action(ActionKind.BOOK_AMENITY, **wanted | more)


def closure(start: datetime, hours: float = 2, **more: Any) -> ActionCall:
    wanted = {"amenity": "Roof deck", "reason": "Storm", "starts_at": start, "ends_at": start + hours * HOUR}
    return action(ActionKind.CLOSE_AMENITY, **wanted | more)


async def plan(
    desk: OperationsDesk,
    order: WorkOrder,
    start: datetime | None = None,
    hours: float = 1,
    assigned_to: str | None = "tech-1",
    now: datetime = NOW,
) -> WorkOrder:
    return await desk.plan(
        order.work_order_id,
        by="sam",
        expected_version=order.version,
        assigned_to=assigned_to,
        scheduled_start=start,
        scheduled_end=None if start is None else start + hours * HOUR,
        now=now,
    )


async def span(desk: OperationsDesk, buildings: frozenset[str] | None = None, limit: int = 50) -> tuple[WorkOrder, ...]:
    return await desk.calendar(start=NOW, end=NOW + timedelta(days=7), buildings=buildings, limit=limit)


OFFICE: list[tuple[ActionKind, dict[str, Any], str, Crew, float, str]] = [
    (ActionKind.ORDER_PART, {"part": "P-12", "quantity": 2, "cost_limit_usd": 90.0, "supplier": "Parts Inc"},
     "part_order", Crew.OFFICE, 90.0, "Order 2 of P-12"),
    (ActionKind.TRACE_PARCEL, {"resident_id": "RES_1", "description": "a lamp", "carrier": "UPS",
      "tracking_number": "1Z"},
     "parcel", Crew.CONCIERGE, 0.0, "Trace a parcel (UPS 1Z)"),
    (ActionKind.REROUTE_PARCEL, {"resident_id": "RES_1", "description": "a lamp", "destination": "Locker 4"},
     "parcel", Crew.CONCIERGE, 0.0, "Have a parcel brought to Locker 4"),
    (ActionKind.CREDIT_BILL, {"resident_id": "RES_1", "amount_usd": 1025.5, "reason": "No heat"},
     "billing", Crew.OFFICE, 1025.5, "Credit $1,025.50: No heat"),
    (ActionKind.CORRECT_BILL,
     {"resident_id": "RES_1", "charge_id": "CH_1", "charged_usd": 50.0, "correct_usd": 20.0, "reason": "Charged twice"},
     "billing", Crew.OFFICE, 30.0, "Correct charge CH_1 from $50.00 to $20.00"),
    (ActionKind.ISSUE_ACCESS_CODE,
     {"door": "Gate 2", "holder": "Ana", "reason": "Nurse", "valid_from": NOW.isoformat(),
      "valid_until": (NOW + HOUR).isoformat()},
     "access_code", Crew.SECURITY, 0.0, "Issue an access code for Gate 2"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "parameters", "job_kind", "crew", "cost", "title"), OFFICE)
async def test_every_other_action_is_a_job_for_those_who_do_it(
    desk: OperationsDesk,
    kind: ActionKind,
    parameters: dict[str, Any],
    job_kind: str,
    crew: Crew,
    cost: float,
    title: str,
) -> None:
    call = action(kind, **parameters)
    order = await opened_job(desk, call, context("EXE_1:0"))
    assert (order.kind, order.crew, order.cost_limit_usd, order.title) == (job_kind, crew, cost, title)
    assert order.building_id == "BLD_A"
    told = parse_parameters(kind, order.details)
    assert told == parse_parameters(kind, call.parameters)
    assert await opened(desk, call, context("EXE_1:0")) == order.work_order_id


async def test_an_access_code_is_made_by_a_person(desk: OperationsDesk) -> None:
    kind, parameters, *_ = OFFICE[-1]
    order = await opened_job(desk, action(kind, **parameters), context("EXE_1:0"))
    assert "Make a code for Gate 2" in order.steps[0]
    assert "Ana" in order.steps[1]
    assert "code" not in order.details


def test_no_work_is_left_out() -> None:
    here = {ActionKind.DISPATCH_WORK_ORDER, ActionKind.CREATE_STAFF_TASK, ActionKind.SCHEDULE_VISIT,
            ActionKind.BOOK_AMENITY, ActionKind.CLOSE_AMENITY, *(kind for kind, *_ in OFFICE)}  # fmt: skip
    assert here == set(ActionKind) - MESSAGES


async def test_a_long_title_is_cut_and_its_words_stay_in_the_details(desk: OperationsDesk) -> None:
    call = action(ActionKind.CREDIT_BILL, resident_id="RES_1", amount_usd=5.0, reason="r" * 300)
    order = await opened_job(desk, call, context("EXE_1:0"))
    assert len(order.title) == 300
    assert order.details["reason"] == "r" * 300


async def test_a_visit_is_at_the_first_time_that_is_allowed_and_suits(desk: OperationsDesk) -> None:
    order = await opened_job(desk, visit(duration_hours=1.5), context("EXE_1:0"))
    assert (order.kind, order.scheduled_start) == ("visit", MONDAY)
    assert order.scheduled_end == MONDAY + 1.5 * HOUR
    suits = visit(preferred_days=["miércoles"], preferred_time_slots=["mañana"])
    wished = await opened_job(desk, suits, context("EXE_1:1"))
    assert wished.scheduled_start == datetime(2026, 3, 4, 8, tzinfo=UTC)
    assert order.details["entry"] == TERMS


async def test_an_emergency_visit_begins_now(desk: OperationsDesk) -> None:
    whose = replace(context("EXE_1:0"), urgency=Urgency.EMERGENCY)
    assert (await opened_job(desk, visit(), whose)).scheduled_start == NOW


@pytest.mark.parametrize(
    ("start", "clause"),
    [(NOW + 2 * HOUR, "Notice"), (MONDAY + 9.5 * HOUR, "Quiet hours"), (NOW - 5 * HOUR, "passed")],
)
async def test_a_visit_at_a_time_that_is_not_allowed_is_refused(
    desk: OperationsDesk, start: datetime, clause: str
) -> None:
    call = visit(window_start=start.isoformat(), window_end=(start + HOUR).isoformat())
    with pytest.raises(ActionRejected, match=clause):
        await desk.perform(call, context("EXE_1:0"))
    assert await desk.find(call, context("EXE_1:0")) is None


async def test_notice_runs_from_the_order_and_not_from_its_carrying_out(desk: OperationsDesk) -> None:
    start = NOW + 23 * HOUR
    window = {"window_start": start.isoformat(), "window_end": (start + HOUR).isoformat()}
    order = await opened_job(desk, visit(**window, not_before=start.isoformat()), context("EXE_1:0"))
    assert order.scheduled_start == start


async def test_a_repetition_is_answered_after_its_time_has_passed(tmp_path: Path) -> None:
    moments = [NOW]
    desk = SqliteOperationsDesk(open_desk_database(tmp_path / "desk.sqlite3"), clock=lambda: moments[-1])
    call = visit(window_start=MONDAY.isoformat(), window_end=(MONDAY + HOUR).isoformat())
    first = await desk.perform(call, context("EXE_1:0"))
    moments.append(MONDAY + timedelta(days=2))
    assert await desk.perform(call, context("EXE_1:0")) == first
    with pytest.raises(ActionRejected):
        await desk.perform(call, context("EXE_1:1"))
    await desk.close()


@pytest.mark.parametrize(
    ("start", "hours", "more", "taken"),
    [
        (MONDAY, 2, {}, True),
        (MONDAY - HOUR, 1.5, {}, True),
        (MONDAY + 1.5 * HOUR, 4, {}, True),
        (MONDAY + 0.5 * HOUR, 0.5, {"amenity": " roof  DECK "}, True),
        (MONDAY - HOUR, 1, {}, False),
        (MONDAY + 2 * HOUR, 1, {}, False),
        (MONDAY, 2, {"amenity": "Gym"}, False),
        (MONDAY, 2, {"building_id": "BLD_B"}, False),
        (MONDAY, 2, {"building_id": None}, False),
    ],
)
@pytest.mark.parametrize(("make", "what"), [(booking, "booked"), (closure, "closed")])
async def test_an_amenity_is_taken_once(
    desk: OperationsDesk,
    make: Callable[[datetime], ActionCall],
    what: str,
    start: datetime,
    hours: float,
    more: dict[str, Any],
    taken: bool,
) -> None:
    first = await opened_job(desk, make(MONDAY), context("EXE_1:0"))
    assert (first.scheduled_start, first.scheduled_end) == (MONDAY, MONDAY + 2 * HOUR)
    if taken:
        with pytest.raises(ActionRejected, match=f"{what} for some of that time.*{first.work_order_id}"):
            await desk.perform(booking(start, hours, **more), context("EXE_2:0"))
    else:
        assert (await opened_job(desk, booking(start, hours, **more), context("EXE_2:0"))).kind == "booking"


async def test_many_at_once_get_an_amenity_once(open_desk: Open) -> None:
    desks = [open_desk(), open_desk()]
    tries = (desks[n % 2].perform(booking(MONDAY), context(f"EXE_{n}:0")) for n in range(12))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["ActionRejected"] * 11 + ["Effect"]


async def test_a_booking_holds_when_it_is_written_down_and_not_when_it_is_cancelled(desk: OperationsDesk) -> None:
    order_id = await opened(desk, booking(MONDAY), context("EXE_1:0"))
    await close_job(desk, order_id)
    with pytest.raises(ActionRejected):
        await desk.perform(booking(MONDAY), context("EXE_2:0"))
    later = await opened(desk, booking(MONDAY + 2 * HOUR), context("EXE_3:0"))
    assert await desk.undo(booking(MONDAY), context("EXE_3:0"), later)
    assert await opened(desk, booking(MONDAY + 2 * HOUR), context("EXE_4:0"))


async def test_a_closure_names_the_bookings_that_it_hits(desk: OperationsDesk) -> None:
    hit = [await opened(desk, booking(MONDAY + n * HOUR, 1), context(f"EXE_{n}:0")) for n in range(3)]
    await desk.undo(booking(MONDAY), context("EXE_2:0"), hit[2])
    await opened(desk, booking(MONDAY + 9 * HOUR), context("EXE_8:0"))
    await opened(desk, closure(MONDAY, 1), context("EXE_9:0"))
    order = await opened_job(desk, closure(MONDAY, 8), context("EXE_9:1"))
    assert order.details["bookings"] == hit[:2]


async def test_undoing_cancels_an_open_job_once_and_never_a_done_one(desk: OperationsDesk) -> None:
    order_id = await opened(desk, job(), context("EXE_1:0"))
    assert await desk.undo(job(), context("EXE_1:0"), order_id)
    cancelled = await desk.work_order(order_id)
    assert cancelled is not None
    assert (cancelled.status, cancelled.closed_by, cancelled.closed_at) == ("Cancelled", "system", NOW)
    assert await desk.undo(job(), context("EXE_1:0"), order_id)
    assert await desk.work_order(order_id) == cancelled
    with pytest.raises(WrongState, match="cancelled"):
        await close_job(desk, order_id)
    done = await opened(desk, job(), context("EXE_2:0"))
    closed = await close_job(desk, done)
    assert not await desk.undo(job(), context("EXE_2:0"), done)
    assert await desk.work_order(done) == closed
    assert not await desk.undo(job(), context("EXE_3:0"), "WO-99")


async def test_a_job_begins_when_those_before_it_are_done(desk: OperationsDesk) -> None:
    first, second = [await opened(desk, job(), context(f"EXE_1:{n}")) for n in range(2)]
    await opened(desk, job(), context("EXE_11:0"))
    last = await opened_job(desk, job(waits_for=[0, 1]), context("EXE_1:2"))
    assert (last.waits_for, last.is_ready) == ((first, second), False)
    await close_job(desk, first)
    with pytest.raises(WrongState, match=second):
        await close_job(desk, last.work_order_id)
    await desk.undo(job(), context("EXE_1:1"), second)
    assert (await close_job(desk, last.work_order_id)).status == "Done"


async def test_a_job_waits_for_the_newest_round_of_a_place(desk: OperationsDesk) -> None:
    first = await opened(desk, job(), context("EXE_1:1"))
    await opened(desk, job(), context("EXE_1:10"))
    waiting = await opened(desk, job(waits_for=[1]), context("EXE_1:2"))
    await desk.undo(job(), context("EXE_1:1"), first)
    again = await opened(desk, job(), replace(context("EXE_1:1:r2"), execution_id=ExecutionId("EXE_1")))
    order = await desk.work_order(waiting)
    assert order is not None
    assert (order.waits_for, order.is_ready) == ((again,), False)


async def test_a_place_without_a_job_here_holds_nothing_up(desk: OperationsDesk) -> None:
    order = await opened_job(desk, job(waits_for=[0]), context("EXE_1:1"))
    assert (order.waits_for, order.is_ready) == ((), True)
    late = await opened(desk, job(), context("EXE_1:0"))
    again = await desk.work_order(order.work_order_id)
    assert again is not None
    assert (again.waits_for, again.is_ready) == ((late,), False)


@pytest.mark.parametrize("key", ["EXE_1:1", "EXE_1:1:r2"])
async def test_a_job_can_not_wait_for_itself(desk: OperationsDesk, key: str) -> None:
    with pytest.raises(ActionRejected):
        await desk.perform(job(waits_for=[1]), replace(context(key), execution_id=ExecutionId("EXE_1")))


async def test_a_job_is_planned_by_whoever_read_it_last(desk: OperationsDesk) -> None:
    order = await opened_job(desk, job(), context("EXE_1:0"))
    planned = await plan(desk, order, start=MONDAY, hours=2)
    assert (planned.assigned_to, planned.scheduled_start, planned.version) == ("tech-1", MONDAY, 2)
    assert planned.scheduled_end == MONDAY + 2 * HOUR
    with pytest.raises(StaleVersion):
        await plan(desk, order)
    taken_off = await plan(desk, planned, assigned_to=None)
    assert (taken_off.assigned_to, taken_off.scheduled_start, taken_off.scheduled_end) == (None, None, None)
    assert await desk.work_order(order.work_order_id) == taken_off
    with pytest.raises(NotFound):
        await plan(desk, order.model_copy(update={"work_order_id": "WO-99"}))
    closed = await close_job(desk, order.work_order_id)
    assert closed.version == 4
    with pytest.raises(WrongState):
        await plan(desk, closed)


async def test_of_two_who_plan_at_once_one_is_told(open_desk: Open) -> None:
    desks = [open_desk(), open_desk()]
    order = await opened_job(desks[0], job(), context("EXE_1:0"))
    tries = (plan(desks[n % 2], order, assigned_to=f"tech-{n}") for n in range(6))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["StaleVersion"] * 5 + ["WorkOrder"]


async def test_a_time_that_is_not_allowed_can_not_be_planned(desk: OperationsDesk) -> None:
    waits = await opened_job(desk, job(not_before=MONDAY.isoformat()), context("EXE_1:0"))
    with pytest.raises(Invalid, match="before"):
        await plan(desk, waits, start=MONDAY - HOUR)
    with pytest.raises(Invalid, match="ends after"):
        await plan(desk, waits, start=MONDAY, hours=-1)
    with pytest.raises(Invalid, match="both"):
        await desk.plan(
            waits.work_order_id, by="sam", expected_version=1, assigned_to=None, scheduled_start=MONDAY,
            scheduled_end=None, now=NOW,
        )  # fmt: skip
    assert (await plan(desk, waits, start=MONDAY)).scheduled_start == MONDAY
    home = await opened_job(desk, visit(), context("EXE_1:1"))
    with pytest.raises(Invalid, match="Notice"):
        await plan(desk, home, start=NOW + 2 * HOUR)
    with pytest.raises(Invalid, match="Quiet hours"):
        await plan(desk, home, start=MONDAY + 12 * HOUR)
    # Its own time stands, although notice of a new one would have to run by now.
    assigned = await plan(desk, home, assigned_to="tech-2", start=home.scheduled_start, now=MONDAY - HOUR)
    assert (assigned.assigned_to, assigned.scheduled_start) == ("tech-2", home.scheduled_start)
    assert (await plan(desk, assigned, start=MONDAY + 24 * HOUR)).scheduled_start == MONDAY + 24 * HOUR


@pytest.mark.parametrize(
    ("start", "hours", "clause"),
    [
        (MONDAY + 15 * HOUR, 1, "Quiet hours"),
        (MONDAY + 9.5 * HOUR, 1, "Quiet hours"),
        (MONDAY - 6 * HOUR, 1, "before"),
        (NOW - 5 * HOUR, 1, "before"),
    ],
)
async def test_a_work_order_in_a_home_keeps_quiet_hours(
    desk: OperationsDesk, start: datetime, hours: float, clause: str
) -> None:
    home = job(unit="101", entry=TERMS, not_before=MONDAY.isoformat())
    order = await opened_job(desk, home, context("EXE_1:0"))
    assert order.details == {"entry": TERMS}
    with pytest.raises(Invalid, match=clause):
        await plan(desk, order, start=start, hours=hours)
    assert await desk.work_order(order.work_order_id) == order
    # Notice was told with the order: once it has run, it does not run anew.
    soon = MONDAY + 2 * HOUR
    assert (await plan(desk, order, start=soon, now=MONDAY + HOUR)).scheduled_start == soon


async def test_an_emergency_work_order_waits_for_nothing(desk: OperationsDesk) -> None:
    whose = replace(context("EXE_1:0"), urgency=Urgency.EMERGENCY)
    order = await opened_job(desk, job(unit="101", entry=TERMS), whose)
    assert (await plan(desk, order, start=MONDAY + 15 * HOUR)).scheduled_start == MONDAY + 15 * HOUR


async def test_only_a_change_of_the_time_counts_as_one(desk: OperationsDesk) -> None:
    order = await opened_job(desk, job(), context("EXE_1:0"))
    told = [(order.rescheduled, order.scheduled_before)]
    for start, hours in ((None, 1), (MONDAY, 1), (MONDAY, 1), (MONDAY, 2), (MONDAY + HOUR, 1), (None, 1), (None, 1)):
        order = await plan(desk, order, start=start, hours=hours)
        told.append((order.rescheduled, order.scheduled_before))
    assert told == [
        (0, None), (0, None), (1, None), (1, None), (2, MONDAY), (3, MONDAY), (4, MONDAY + HOUR), (4, MONDAY + HOUR),
    ]  # fmt: skip


async def test_what_is_done_is_to_be_announced_until_it_was(open_desk: Open) -> None:
    desk = open_desk()
    ids = [await opened(desk, job(), context(f"EXE_{n}:0")) for n in range(3)]
    of_nobody = await opened(desk, job(), context("EXE_8:0", request_id=None))
    cancelled = await opened(desk, job(), context("EXE_9:0"))
    assert await desk.undo(job(), context("EXE_9:0"), cancelled)
    assert await desk.unannounced(10) == ()
    for each in (ids[1], of_nobody, ids[0]):
        await close_job(desk, each)
    again = open_desk()
    assert [order.work_order_id for order in await again.unannounced(10)] == [ids[0], ids[1]]
    assert [order.work_order_id for order in await again.unannounced(1)] == [ids[0]]
    for each in (ids[0], ids[0], "WO-99", "nonsense"):
        await again.announced(each)
    (left,) = await desk.unannounced(10)
    assert left == await desk.work_order(ids[1])
    # Closing it again, as a caller does who had no answer, does not make it forgotten.
    await close_job(desk, ids[1])
    await close_job(desk, ids[0])
    assert await desk.unannounced(10) == (left,)


async def test_nobody_is_told_of_an_erased_job(desk: OperationsDesk) -> None:
    scope = ErasureScope("RES_1", ResidentId("RES_ERASED_0123456789abcdef"), frozenset({"REQ_1"}))
    await close_job(desk, await opened(desk, job(), context("EXE_1:0")))
    await opened(desk, job(), context("EXE_2:0"))
    await desk.erase(scope, now=NOW)
    assert await desk.unannounced(10) == ()


async def test_a_booking_keeps_its_time(desk: OperationsDesk) -> None:
    order = await opened_job(desk, booking(MONDAY), context("EXE_1:0"))
    with pytest.raises(Invalid):
        await plan(desk, order, start=MONDAY + HOUR)
    assert (await plan(desk, order, start=MONDAY, hours=2)).assigned_to == "tech-1"


async def test_the_calendar_shows_open_jobs_of_the_span_the_earliest_first(desk: OperationsDesk) -> None:
    days: list[WorkOrder] = []
    for n, day in enumerate((3, 1, 0, 2, 7, -1, 1)):
        order = await opened_job(desk, job(building_id=f"BLD_{n % 2}"), context(f"EXE_{n}:0"))
        days.append(await plan(desk, order, start=NOW + timedelta(days=day)))
    await opened(desk, job(), context("EXE_9:0"))
    await close_job(desk, days[3].work_order_id)
    ordered = [days[n] for n in (2, 1, 6, 0)]
    assert list(await span(desk)) == ordered
    assert list(await span(desk, limit=2)) == ordered[:2]
    assert list(await span(desk, buildings=frozenset({"BLD_0"}))) == [days[n] for n in (2, 6, 0)]
    assert list(await span(desk, buildings=frozenset({"BLD_0", "BLD_1"}), limit=3)) == ordered[:3]
    assert await span(desk, buildings=frozenset()) == ()


async def test_the_state_tells_refusals_from_outages(desk: OperationsDesk) -> None:
    await desk.perform(job(), context("EXE_1:0"))
    with pytest.raises(ActionRejected):
        await desk.perform(job(steps="all"), context("EXE_1:1"))
    state = desk.state()
    assert (state.name, state.status, state.calls, state.failures, state.in_flight) == (desk.name, "ok", 2, 0, 0)
    await desk.close()
    with pytest.raises(SystemUnavailable):
        await desk.find(job(), context("EXE_1:0"))
    state = desk.state()
    assert (state.status, state.calls, state.failures, state.in_flight) == ("failing", 3, 1, 0)
    assert state.last_error


async def test_erasing_takes_the_resident_out_of_what_was_planned(desk: OperationsDesk, tmp_path: Path) -> None:
    scope = ErasureScope("RES_1", ResidentId("RES_ERASED_0123456789abcdef"), frozenset({"REQ_1"}))
    kind, parameters, *_ = OFFICE[3]
    own = await opened_job(desk, visit(instructions="zebrafinch"), context("EXE_1:0"))
    await plan(desk, own, start=own.scheduled_start, assigned_to="RES_1")
    unasked = await opened_job(desk, action(kind, **parameters), context("EXE_2:0", request_id=None))
    cancelled = await opened_job(desk, job("zebrafinch"), context("EXE_3:0"))
    await desk.undo(job(), context("EXE_3:0"), cancelled.work_order_id)
    kept = await opened_job(desk, action(kind, **parameters), context("EXE_4:0", request_id="REQ_held"))
    ids = tuple(one.work_order_id for one in (own, unasked, cancelled))
    for _ in range(2):
        assert await desk.erase(scope, now=NOW) == ids
    left = [order for one in ids if (order := await desk.work_order(one)) is not None]
    assert [(one.title, one.status) for one in left] == [(ERASED, "Done"), (ERASED, "Done"), (ERASED, "Cancelled")]
    assert {str(one.details) for one in left} == {str({"resident_id": scope.pseudonym})}
    assert left[0].assigned_to == scope.pseudonym
    assert await desk.work_order(kept.work_order_id) == kept
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"zebrafinch" not in content
    assert content.count(b'"RES_1"') == 1
