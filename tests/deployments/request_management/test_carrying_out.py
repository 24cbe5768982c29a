"""Orders beyond jobs, the desk, preferences, callbacks and retries, as people and systems call them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.actions import CreditParameters, JobParameters, NotifyParameters, VisitParameters, parse_parameters
from core.entry import EntryRules, EntryTerms
from core.errors import Forbidden, Invalid
from core.execution import ActionCall, ExecutionCommand, Notification
from core.execution_labels import ActionKind, ExecutionStatus, NoticeKind, StepStatus
from core.identity import Principal
from core.labels import ApprovalTier, Crew, Role, Urgency
from core.notices import of_person, of_resident
from core.record import RequestRecord
from core.request import ExecutionId
from deployments.execution.notices.preferences import make_token
from deployments.request_management import news, orders
from deployments.request_management.lifecycle import ApprovalLimitExceeded
from deployments.request_management.orders import order_execution_id, place_order
from deployments.request_management.schemas import ExecutionOrder
from tests.deployments.request_management.erasure_world import NOTICE_KEY, World, opened
from tests.deployments.request_management.stage import MORNING, Peers, Stage, build_decided, build_decision, staged

STAFF = Principal("sam", Role.STAFF)
RULES = EntryRules.model_validate(
    {
        "notice_hours": 24.0,
        "quiet_start": "22:00",
        "quiet_end": "07:00",
        "weekend_start": "09:00",
        "weekend_end": "19:00",
    }
)
ENTRY = EntryTerms(rules=RULES, notice=True, time_zone="America/New_York")


class KnowingPeers(Peers):
    """A policy that asks for notice."""

    async def entry_terms(self, building_id: str | None, urgency: Urgency, consent: bool | None) -> EntryTerms:
        return ENTRY


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, KnowingPeers()) as made:
        yield made


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as made:
        yield made


def decided() -> RequestRecord:
    """A decided request whose trace holds nothing that is asked for here."""
    return build_decided(*build_decision()).model_copy(update={"trace": None})


def an_order(action: ActionKind, **parameters: Any) -> ExecutionOrder:
    record = decided()
    return ExecutionOrder(request_id=record.request.request_id, action=action, parameters=parameters)


async def ordered(stage: Stage, action: ActionKind, by: Principal = STAFF, **parameters: Any) -> ExecutionCommand:
    record = await stage.add(decided())
    order = ExecutionOrder(request_id=record.request.request_id, action=action, parameters=parameters)
    await stage.operations.execute(by, order, order_execution_id(record.request.request_id), "corr")
    return (await stage.get(record)).outbox[-1] if (await stage.get(record)).outbox else (await stage.commands())[-1]


async def test_a_credit_counts_as_money_and_is_the_requests_residents(stage: Stage) -> None:
    with pytest.raises(ApprovalLimitExceeded):
        await ordered(stage, ActionKind.CREDIT_BILL, amount_usd=600.0, reason="Sorry")


async def test_nobody_chooses_another_resident(stage: Stage) -> None:
    stage.peers.authorities[Role.STAFF] = ApprovalTier.SUPERVISOR
    command = await ordered(
        stage, ActionKind.CREDIT_BILL, amount_usd=40.0, reason="Sorry", resident_id="RES_B_9", building_id="B"
    )
    parsed = parse_parameters(command.actions[0].action, command.actions[0].parameters)
    assert isinstance(parsed, CreditParameters)
    assert (parsed.resident_id, parsed.building_id) == ("RES_A_101", "A")


async def test_a_visit_keeps_the_notice_whatever_its_order_says(stage: Stage) -> None:
    command = await ordered(
        stage,
        ActionKind.SCHEDULE_VISIT,
        title="Look at the tap",
        crew=Crew.PLUMBING,
        duration_hours=2.0,
        entry=None,
        not_before=None,
    )
    visit, told = command.actions
    parsed = parse_parameters(visit.action, visit.parameters)
    assert isinstance(parsed, VisitParameters)
    assert parsed.entry == ENTRY
    assert parsed.window_start is not None
    assert parsed.window_end is not None
    assert parsed.window_start >= MORNING + timedelta(hours=24)
    assert parsed.window_end - parsed.window_start == timedelta(hours=2)
    assert told.needs == (0,)
    assert told.parameters["event"] == "visit_scheduled"


async def test_a_correction_needs_a_manager_whatever_it_claims_to_cost(stage: Stage) -> None:
    free = {"charge_id": "C-9", "charged_usd": 0.0, "correct_usd": 0.0, "reason": "x"}
    stage.peers.authorities[Role.STAFF] = ApprovalTier.SUPERVISOR
    with pytest.raises(ApprovalLimitExceeded):
        await ordered(stage, ActionKind.CORRECT_BILL, **free)
    stage.peers.authorities[Role.STAFF] = ApprovalTier.MANAGER
    order = ExecutionOrder(request_id=decided().request.request_id, action=ActionKind.CORRECT_BILL, parameters=free)
    await stage.operations.execute(STAFF, order, order_execution_id(order.request_id), "corr")


@pytest.mark.parametrize("action", [ActionKind.CREDIT_BILL, ActionKind.ISSUE_ACCESS_CODE, ActionKind.REROUTE_PARCEL])
async def test_no_program_gives_money_or_doors_away(stage: Stage, action: ActionKind) -> None:
    with pytest.raises(Forbidden):
        await ordered(stage, action, Principal("robot", Role.SERVICE), amount_usd=1.0, reason="x")


@pytest.mark.parametrize(
    "parameters",
    [
        {"recipient_kind": "staff_role", "recipient": "RES_B_202", "subject": "s", "body": "b"},
        {"event": "help_has_started", "fields": {"advice": "Run", "title": "x"}},
    ],
)
def test_nobody_writes_to_others_or_in_the_systems_words(parameters: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        orders.check_order(decided(), an_order(ActionKind.NOTIFY, **parameters))


def test_a_message_cannot_be_made_one_of_danger() -> None:
    order = an_order(ActionKind.NOTIFY, kind="emergency", subject="s", body="b", recipient="RES_B_9")
    parameters = orders.check_order(decided(), order).parameters
    assert isinstance(parameters, NotifyParameters)
    assert (parameters.kind, parameters.recipient) == (NoticeKind.REQUEST, "RES_A_101")


async def test_a_job_in_a_home_waits_for_the_notice_whatever_its_order_says(stage: Stage) -> None:
    record = decided()
    home = record.request.model_copy(update={"unit": "101"})
    await stage.add(record.model_copy(update={"request": home}))
    parameters = {"title": "Fix", "crew": "plumbing", "not_before": None, "entry": None}
    order = ExecutionOrder(request_id=home.request_id, action=ActionKind.DISPATCH_WORK_ORDER, parameters=parameters)
    await stage.operations.execute(STAFF, order, order_execution_id(home.request_id), "corr")
    found = await stage.get(record)
    (command,) = found.outbox or await stage.commands()
    parsed = parse_parameters(command.actions[0].action, command.actions[0].parameters)
    assert isinstance(parsed, JobParameters)
    assert parsed.entry == ENTRY
    assert parsed.not_before is not None
    assert parsed.not_before >= MORNING + timedelta(hours=24)


def test_a_visit_within_the_notice_is_refused() -> None:
    record = decided()
    soon = MORNING + timedelta(hours=3)
    order = an_order(
        ActionKind.SCHEDULE_VISIT,
        title="Look",
        crew=Crew.PLUMBING,
        window_start=soon.isoformat(),
        window_end=(soon + timedelta(hours=1)).isoformat(),
    )
    with pytest.raises(Invalid, match="Notice of entry"):
        place_order(record, order, "EXE_1_ordx", "sam", "corr", MORNING, ENTRY)


@pytest.mark.parametrize(
    "order",
    [
        an_order(ActionKind.CREDIT_BILL, amount_usd=-5.0, reason="x"),
        an_order(ActionKind.CREDIT_BILL, amount_usd=True, reason="x"),
        an_order(ActionKind.ORDER_PART, part="valve", quantity=0, cost_limit_usd=5.0),
        an_order(ActionKind.CORRECT_BILL, charge_id="C", charged_usd=5.0, correct_usd=float("inf"), reason="x"),
        an_order(ActionKind.ISSUE_ACCESS_CODE, door="front", holder="Ann", reason="x"),
        an_order(ActionKind.REROUTE_PARCEL),
        an_order(ActionKind.NOTIFY, event="no_such_event"),
        an_order(ActionKind.NOTIFY, event="choose_an_option", fields={"count": "2", "more": "x"}),
    ],
)
def test_parameters_that_do_not_fit_are_refused(order: ExecutionOrder) -> None:
    with pytest.raises(Invalid):
        orders.check_order(decided(), order, ENTRY)


async def test_preferences_are_a_persons_own(world: World) -> None:
    async with world.light.client(Role.RESIDENT, "RES_A_101") as resident:
        first = await resident.get("/me/notification-preferences")
        assert (first.status_code, first.json()["version"], first.headers["ETag"]) == (200, 0, '"0"')
        chosen = first.json() | {"email": "ann@example.org", "language": "es", "opted_out": ["reminder"]}
        kept = await resident.put("/me/notification-preferences", json=chosen, headers={"If-Match": '"0"'})
        assert (kept.status_code, kept.json()["email"]) == (200, "ann@example.org")
        stale = await resident.put("/me/notification-preferences", json=chosen, headers={"If-Match": '"0"'})
        assert stale.status_code == 412
        own = await resident.get("/residents/RES_A_101/notification-preferences")
        assert own.json()["language"] == "es"
        assert (await resident.get("/residents/RES_A_102/notification-preferences")).status_code == 404
        bad = await resident.put("/me/notification-preferences", json=chosen | {"opted_out": ["emergency"]})
        assert bad.status_code == 422
    async with world.light.client(Role.STAFF, "sam", buildings=["B"]) as other:
        assert (await other.get("/residents/RES_A_101/notification-preferences")).status_code == 404


async def test_a_resident_of_a_colleagues_name_leads_to_none_of_their_wishes(world: World) -> None:
    async with world.light.client(Role.STAFF, "RES_A_101") as person:
        chosen = (await person.get("/me/notification-preferences")).json() | {"email": "ann@example.org"}
        assert (await person.put("/me/notification-preferences", json=chosen)).status_code == 200
    async with world.light.client(Role.RESIDENT, "RES_A_101") as resident:
        for path in ("/me", "/residents/RES_A_101"):
            assert (await resident.get(f"{path}/notification-preferences")).json()["email"] is None
        other = chosen | {"email": "eve@example.org"}
        path = "/residents/RES_A_101/notification-preferences"
        assert (await resident.put(path, json=other, headers={"If-Match": '"0"'})).status_code == 200
    assert (await world.execution.preferences(of_person("RES_A_101"))).email == "ann@example.org"
    assert (await world.execution.preferences(of_resident("RES_A_101"))).email == "eve@example.org"


async def test_a_link_asks_before_it_unsubscribes(world: World) -> None:
    sent = Notification(recipient_kind="resident", recipient="RES_A_101", subject="Please choose", body="Soon.")
    sent_id = await world.execution._notifier.send(sent, idempotency_key="k", now=MORNING)
    subject = of_resident("RES_A_101")
    token = make_token(NOTICE_KEY, subject, NoticeKind.REMINDER, sent_id)
    async with world.light.client() as anybody:
        page = await anybody.get("/unsubscribe", params={"token": token})
        assert page.status_code == 200
        assert f"?token={token}" in page.text
        assert (await world.execution.preferences(subject)).opted_out == frozenset()
        assert (await anybody.get("/unsubscribe", params={"token": '"><script>'})).status_code == 422
        form = {"List-Unsubscribe": "One-Click"}
        done = await anybody.post("/unsubscribe", params={"token": token}, data=form)
        assert (done.status_code, done.json()) == (200, {"kind": "reminder"})
        assert "reminder" in (await world.execution.preferences(subject)).opted_out
        assert (await anybody.post("/unsubscribe", params={"token": token + "x"})).status_code == 404


async def test_a_callback_of_an_unknown_system_is_not_found(world: World) -> None:
    async with world.light.client() as anybody:
        assert (await anybody.post("/callbacks/nobody", json={})).status_code == 404


async def test_the_desk_is_planned_over_http(world: World) -> None:
    await world.execution.enqueue(a_job())
    world.execution.start()
    async with world.light.client(Role.STAFF, "sam", buildings=["A"]) as staff:
        job = await first_job(staff)
        path = f"/operations/work-orders/{job['work_order_id']}"
        start, end = "2027-01-05T15:00:00Z", "2027-01-05T16:00:00Z"
        plan = {"assigned_to": "pat", "scheduled_start": start, "scheduled_end": end}
        planned = await staff.put(path, json=plan, headers={"If-Match": f'"{job["version"]}"'})
        assert (planned.status_code, planned.json()["assigned_to"]) == (200, "pat")
        assert (await staff.put(path, json=plan, headers={"If-Match": f'"{job["version"]}"'})).status_code == 412
        span = {"start": "2027-01-05T00:00:00Z", "end": "2027-01-06T00:00:00Z"}
        shown = (await staff.get("/operations/calendar", params=span)).json()["items"]
        assert [each["work_order_id"] for each in shown] == [job["work_order_id"]]
        too_long = {"start": "2027-01-05T00:00:00Z", "end": "2027-06-06T00:00:00Z"}
        assert (await staff.get("/operations/calendar", params=too_long)).status_code == 422
        assert (await staff.put(path, json={"scheduled_start": start})).status_code == 422
    async with world.light.client(Role.STAFF, "kim", buildings=["B"]) as other:
        assert (await other.get(path)).status_code == 404
        assert (await other.put(path, json=plan)).status_code == 404
        assert (await other.get("/operations/calendar", params=span)).json()["items"] == []


def a_job() -> ExecutionCommand:
    parameters = {"title": "Fix the tap", "crew": "plumbing", "building_id": "A", "unit": "101"}
    return ExecutionCommand(
        execution_id=ExecutionId("EXE_desk"),
        request_id=None,
        urgency=Urgency.LOW,
        actions=(ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters=parameters),),
        correlation_id="corr",
        requested_by="sam",
    )


async def first_job(staff: Any) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while not (items := (await staff.get("/operations/work-orders")).json()["items"]):
            await asyncio.sleep(0.02)
    return items[0]


async def test_what_was_given_up_is_listed_and_tried_again(world: World) -> None:
    unknown = {"title": "x", "crew": "plumbing", "building_id": "A", "unit": "1", "waits_for": [0]}
    command = a_job().model_copy(
        update={"actions": (ActionCall(action=ActionKind.DISPATCH_WORK_ORDER, parameters=unknown),)}
    )
    # A job that waits for itself is refused by the desk.
    await world.execution.enqueue(command)
    world.execution.start()
    async with world.light.client(Role.MANAGER, "mia") as manager:
        async with asyncio.timeout(5):
            while not (items := (await manager.get("/executions")).json()["items"]):
                await asyncio.sleep(0.02)
        (given_up,) = items
        assert given_up["status"] == ExecutionStatus.DEAD_LETTERED
        assert given_up["reason"]
        assert given_up["steps"][0]["status"] == StepStatus.FAILED
        again = await manager.post(f"/executions/{given_up['execution_id']}/retry")
        assert again.status_code == 202
        assert (await manager.post("/executions/EXE_none/retry")).status_code == 404
        states = (await manager.get("/operations/systems")).json()["items"]
        assert "operations_desk" in [each["name"] for each in states]
    async with world.light.client(Role.STAFF, "kim", buildings=["A"]) as other:
        # It belongs to no request, so that only who sees all buildings sees it.
        assert (await other.get("/executions")).json()["items"] == []


def test_a_retry_takes_the_news_anew() -> None:
    record = build_decided(*build_decision())
    told = record.model_copy(update={"news": ("EXE_1:failed", "EXE_1:dead_lettered", "EXE_2:failed")})
    change = news.retried(told, "EXE_1", "sam", MORNING)
    assert change is not None
    assert change.record.news == ("EXE_2:failed",)
    assert [event.kind for event in change.events] == ["execution_retried"]
