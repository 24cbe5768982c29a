"""Who leads an incident: chosen at acceptance; on the others nothing is ordered while it is open."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import Invalid, WrongState
from core.execution_labels import ActionKind
from core.labels import ApprovalTier, Role, Status, Urgency
from core.record import NextAction, RequestRecord
from core.request import Approval, RequestId
from deployments.request_management import decisions, follow_up, following, lifecycle
from deployments.request_management.change import Change, Draft
from deployments.request_management.dispatch import change_record
from deployments.request_management.incident import MOST_TITLE, title_of
from deployments.request_management.incident_lead import HandledTogether, require_orderable
from deployments.request_management.likeness import Matter
from deployments.request_management.orders import check_order
from deployments.request_management.schemas import ExecutionOrder
from tests.builders import NOON
from tests.deployments.request_management.light import Light, open_light
from tests.deployments.request_management.stage import MORNING, build_decided, build_decision, choose_first
from tests.deployments.request_management.test_incidents import (
    HEAT,
    STAFF,
    Embedding,
    cold,
    incidents,
    present,
    put,
    resolve,
)

LEAD, FAULT = RequestId("REQ_lead"), "INC_1"


@pytest.fixture
async def light(tmp_path: Path) -> AsyncIterator[Light]:
    async with open_light(tmp_path, Embedding()) as made:
        yield made


async def accepted(light: Light, *units: str, leader: int = 0) -> tuple[str, list[RequestRecord]]:
    """An incident that this one of the requests leads."""
    records = await cold(light, *units)
    (found,) = await incidents(light)
    await light.service.incidents.accept(STAFF, found.incident_id, None, records[leader].request.request_id)
    return found.incident_id, records


async def cancelled(light: Light, record: RequestRecord) -> RequestRecord:
    now = light.clock()
    return await change_record(
        light.ports.store,
        record.request.request_id,
        lambda current: lifecycle.cancel(current, current.request.resident_id, None, now),
    )


def taken(change: Change | None) -> RequestRecord:
    assert change is not None
    return change.record


def follower(record: RequestRecord) -> RequestRecord:
    return taken(following.join(record, FAULT, "Boiler", LEAD, "sam", MORNING))


async def test_staff_choose_who_leads(light: Light) -> None:
    _, (first, second, third) = await accepted(light, "101", "202", "303", leader=2)
    (found,) = await incidents(light)
    assert found.lead == third.request.request_id
    states = [await present(light, one) for one in (first, second, third)]
    assert [one.led_by for one in states] == [found.lead, found.lead, None]
    assert [one.subscribers for one in states] == [(), (), ("RES_A_101", "RES_A_202")]
    assert {NextAction.INCIDENT in one.pending for one in states} == {False}
    await resolve(light, third)
    assert (await incidents(light))[0].status == "Ended"
    assert {(await present(light, one)).request.status for one in (first, second)} == {Status.RESOLVED}


async def test_the_interface_takes_a_leader_once(light: Light) -> None:
    first, second, third = await cold(light, "101", "202", "303")
    other = await put(light, "404", "The thermostat shows an error")
    await cancelled(light, third)
    (found,) = await incidents(light)
    path = f"/incidents/{found.incident_id}/accept"
    async with light.client(Role.STAFF, "sam") as staff:

        async def accept(record: RequestRecord) -> int:
            return (await staff.post(path, json={"leader": record.request.request_id})).status_code

        assert (await accept(other), await accept(third)) == (422, 422)
        assert (await staff.post(path, json={"leader": "REQ <none>"})).status_code == 422
        assert (await staff.post(path, json={"title": " \t "})).status_code == 422
        assert (await incidents(light))[0] == found
        assert (await accept(second), await accept(second), await accept(first)) == (200, 200, 409)
        assert (await staff.post(path)).json()["lead"] == second.request.request_id


async def test_without_a_choice_the_earliest_leads_that_is_open(light: Light) -> None:
    first, second, _ = await cold(light, "101", "202", "303")
    await cancelled(light, first)
    (found,) = await incidents(light)
    assert (await light.service.incidents.accept(STAFF, found.incident_id)).lead == second.request.request_id


async def test_without_a_choice_whoever_has_work_ordered_leads(light: Light) -> None:
    _, second, third = await cold(light, "101", "202", "303")
    now = light.clock()
    await change_record(
        light.ports.store,
        third.request.request_id,
        lambda current: lifecycle.select_option(current, current.request.options[0].option_id, "sam", now),
    )
    (found,) = await incidents(light)
    assert (await light.service.incidents.accept(STAFF, found.incident_id)).lead == third.request.request_id
    assert (await present(light, second)).led_by == third.request.request_id


async def test_what_has_ended_altogether_is_not_accepted(light: Light) -> None:
    for record in await cold(light, "101", "202"):
        await cancelled(light, record)
    (found,) = await incidents(light)
    with pytest.raises(WrongState):
        await light.service.incidents.accept(STAFF, found.incident_id)
    assert (await incidents(light))[0] == found


async def test_a_leader_that_ends_while_it_is_made_one_ends_the_incident(
    light: Light, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await cold(light, "101", "202")
    (found,) = await incidents(light)
    requests = light.service.incidents._requests

    async def then_withdrawn(ids: object) -> object:
        read = await requests(ids)  # type: ignore[arg-type]
        monkeypatch.undo()
        await cancelled(light, first)
        return read

    monkeypatch.setattr(light.service.incidents, "_requests", then_withdrawn)
    await light.service.incidents.accept(STAFF, found.incident_id)
    lead = await present(light, first)
    assert lead.pending[NextAction.INCIDENT] <= light.clock()
    await light.service.incidents.follow(lead)
    assert (await incidents(light))[0].lead == second.request.request_id
    assert (await present(light, second)).led_by is None


async def test_a_follower_can_select_nothing_until_it_goes_its_own_way(light: Light) -> None:
    incident_id, (lead, second, third) = await accepted(light, "101", "202", "303")
    option = lead.request.options[0].option_id
    async with (
        light.client(Role.RESIDENT, "RES_A_202") as resident,
        light.client(Role.RESIDENT, "RES_A_303") as another,
        light.client(Role.STAFF, "sam") as staff,
    ):

        async def choose(who: object, record: RequestRecord) -> int:
            path = f"/requests/{record.request.request_id}/select-option"
            return (await who.post(path, json={"option_id": option})).status_code  # type: ignore[attr-defined]

        path = f"/requests/{second.request.request_id}/select-option"
        refused = (await resident.post(path, json={"option_id": option})).json()
        assert (refused["status"], refused["code"]) == (409, "handled_by_incident")
        assert refused["incident_id"] == incident_id
        assert incident_id in refused["detail"]
        assert "its leading request carries the work" in refused["detail"]
        assert lead.request.request_id not in str(refused)
        assert await choose(staff, second) == 409
        assert (await present(light, second)).request.selected_option_id is None
        members = f"/incidents/{incident_id}/members"
        await staff.post(members, json={"remove": [second.request.request_id]})
        assert await choose(resident, second) == 200
        assert await choose(another, third) == 409
        await staff.post(f"/incidents/{incident_id}/dismiss")
        assert await choose(another, third) == 200
        assert await choose(staff, lead) == 200


async def test_the_leader_selects_as_before(light: Light) -> None:
    _, (lead, _) = await accepted(light, "101", "202")
    async with light.client(Role.RESIDENT, "RES_A_101") as resident, light.client(Role.STAFF, "sam") as staff:
        path = f"/requests/{lead.request.request_id}"
        option = lead.request.options[0].option_id
        assert (await resident.post(f"{path}/select-option", json={"option_id": option})).status_code == 200
        assert (await staff.get(path)).json()["selected_option_id"] == option


async def test_who_comes_after_a_withdrawn_leader_selects_again(light: Light) -> None:
    _, (first, second, third) = await accepted(light, "101", "202", "303")
    await light.service.incidents.follow(await cancelled(light, first))
    assert (await present(light, second)).led_by is None
    assert (await present(light, third)).led_by == second.request.request_id
    assert (await present(light, first)).led_by is None


async def test_what_stays_open_after_the_end_is_its_own_until_the_leader_is_reopened(light: Light) -> None:
    first, second = await cold(light, "101", "202")
    emergency = await put(light, "303", HEAT[0], urgency=Urgency.EMERGENCY, status=Status.ESCALATED)
    await light.service.incidents.consider(emergency)
    (found,) = await incidents(light)
    own = light.service.incidents
    await own.accept(STAFF, found.incident_id)
    lead = await resolve(light, first)
    assert {(await present(light, one)).led_by for one in (second, emergency)} == {None}
    version = (await present(light, emergency)).request.version
    await own.follow(lead)
    assert (await present(light, emergency)).request.version == version, "nothing is written twice"
    now = light.clock()
    reopened = await change_record(
        light.ports.store,
        first.request.request_id,
        lambda current: lifecycle.reopen(current, "RES_A_101", "cold again", now),
    )
    await own.follow(reopened)
    assert {(await present(light, one)).led_by for one in (second, emergency)} == {first.request.request_id}


async def test_a_resident_learns_that_the_work_is_on_their_own_request_and_no_others(light: Light) -> None:
    incident_id, (lead, _) = await accepted(light, "101", "202")
    async with light.client(Role.RESIDENT, "RES_A_101") as own, light.client(Role.RESIDENT, "RES_A_202") as other:
        assert (await own.get(f"/incidents/{incident_id}")).json()["lead"] == lead.request.request_id
        assert (await other.get(f"/incidents/{incident_id}")).json()["lead"] is None
        assert (await own.get("/incidents")).json()["items"][0]["lead"] is None


def test_an_agreement_orders_nothing_on_a_follower_either() -> None:
    waiting = choose_first(build_decided(*build_decision()), MORNING)
    approval = Approval(required=ApprovalTier.MANAGER)
    request = waiting.request.model_copy(update={"status": Status.AWAITING_APPROVAL, "approval": approval})
    joined = follower(waiting.model_copy(update={"request": request}))
    with pytest.raises(HandledTogether):
        lifecycle.approve(joined, "mia", ApprovalTier.MANAGER, None, MORNING)
    refused = lifecycle.reject(joined, "mia", None, MORNING).record.request
    assert refused.status is Status.AWAITING_SELECTION


@pytest.mark.parametrize("action", [ActionKind.DISPATCH_WORK_ORDER, ActionKind.SCHEDULE_VISIT, ActionKind.ORDER_PART])
def test_no_work_is_ordered_on_a_follower_unless_it_is_an_emergency(action: ActionKind) -> None:
    joined = follower(build_decided(*build_decision()))
    order = ExecutionOrder(request_id=joined.request.request_id, action=action, parameters={"cost_limit_usd": 10})
    with pytest.raises(HandledTogether) as refused:
        require_orderable(joined, action)
    assert refused.value.members() == {"incident_id": FAULT}
    if action is ActionKind.DISPATCH_WORK_ORDER:
        with pytest.raises(HandledTogether):
            check_order(joined, order)
    require_orderable(follower(build_decided(*build_decision(urgency=Urgency.EMERGENCY))), action)
    require_orderable(taken(following.leave(joined, FAULT, "sam", MORNING)), action)


@pytest.mark.parametrize("action", [ActionKind.CREDIT_BILL, ActionKind.ISSUE_ACCESS_CODE, ActionKind.NOTIFY])
def test_what_is_one_residents_own_is_ordered_also_on_a_follower(action: ActionKind) -> None:
    require_orderable(follower(build_decided(*build_decision())), action)


def test_policy_selects_nothing_on_a_follower() -> None:
    joined = follower(build_decided(*build_decision()))
    _, resolved = build_decision()
    draft = Draft(joined, MORNING, "system")
    decisions._carry_out(draft, resolved.options[0], resolved)
    assert draft.status is Status.AWAITING_SELECTION
    assert [event.kind for event in draft.events] == ["left_to_lead"]


def test_a_followers_clock_runs_and_nobody_reminds_it_to_choose() -> None:
    waiting = build_decided(*build_decision())
    assert waiting.request.sla is not None
    assert waiting.request.sla.paused
    joined = follower(waiting)
    assert joined.request.sla is not None
    assert not joined.request.sla.paused
    due = joined.pending[NextAction.REMIND]
    later = taken(follow_up.EFFECTS[NextAction.REMIND](joined, due))
    assert later.outbox == joined.outbox
    assert later.pending[NextAction.REMIND] >= due + timedelta(hours=24)
    free = taken(following.leave(later, FAULT, "sam", due))
    assert free.request.sla is not None
    assert free.request.sla.paused
    reminded = follow_up.EFFECTS[NextAction.REMIND](free, free.pending[NextAction.REMIND])
    assert reminded is not None
    assert [event.kind for event in reminded.events] == ["reminded"]


def test_a_member_of_an_older_version_is_brought_in_step_without_a_word() -> None:
    joined = follower(build_decided(*build_decision()))
    old = joined.model_copy(update={"led_by": None})
    again = following.join(old, FAULT, "Boiler", LEAD, "sam", MORNING)
    assert again is not None
    assert (again.record.led_by, again.events) == (LEAD, ())
    assert following.join(again.record, FAULT, "Boiler", LEAD, "sam", MORNING) is None
    assert following.free(again.record, "INC_other", MORNING) is None


def test_a_suggested_title_says_what_it_is_of_and_where() -> None:
    def matter(request_id: str) -> Matter:
        return Matter(request_id, "RES", None, NOON, None, None, None, ())

    assert title_of("A", matter("1"), matter("2")) == "Fault: reported from several homes of building A"  # type: ignore[arg-type]
    assert len(title_of("B" * 300, matter("1"), matter("2"))) == MOST_TITLE  # type: ignore[arg-type]


async def test_an_incident_is_led_by_one_of_its_own(light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
    _, second, _ = await cold(light, "101", "202", "303")
    (found,) = await incidents(light)
    own, requests = light.service.incidents, light.service.incidents._requests

    async def then_taken_out(ids: object) -> object:
        read = await requests(ids)  # type: ignore[arg-type]
        monkeypatch.undo()
        await own.change_members(STAFF, found.incident_id, (), (second.request.request_id,))
        return read

    monkeypatch.setattr(own, "_requests", then_taken_out)
    with pytest.raises(Invalid):
        await own.accept(STAFF, found.incident_id, None, second.request.request_id)


async def test_of_two_who_choose_at_once_one_is_told_that_another_leads(light: Light) -> None:
    first, second = await cold(light, "101", "202")
    (found,) = await incidents(light)
    answers = await asyncio.gather(
        *(
            light.service.incidents.accept(STAFF, found.incident_id, None, one.request.request_id)
            for one in (first, second)
        ),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Incident", "WrongState"]
    (now,) = await incidents(light)
    led = {one.request.request_id: (await present(light, one)).led_by for one in (first, second)}
    assert led == {name: None if name == now.lead else now.lead for name in led}
