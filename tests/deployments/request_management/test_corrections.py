"""A person's correction of labels: kept for learning, with new targets, and with policy's action for an emergency."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import ServiceUnavailable, WrongState
from core.execution_labels import ActionKind
from core.identity import Principal
from core.labels import ApprovalTier, Category, Role, Status, Urgency
from core.messages import ItemFailure
from core.record import LabelCorrection, NextAction, RequestRecord
from core.request import Approval
from deployments.request_management import corrections, decisions, lifecycle, requests
from deployments.request_management.decisions import LATEST_ACTION
from deployments.request_management.dispatch import change_record
from deployments.request_management.schemas import Amendment
from tests.clock import ManualClock
from tests.deployments.request_management.stage import (
    MORNING,
    Peers,
    Stage,
    build_decided,
    build_decision,
    build_open,
    sent,
    staged,
)

HOUR = timedelta(hours=1)
STAFF = Principal("sam", Role.STAFF)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING + HOUR)


@pytest.fixture
def peers() -> Peers:
    made = Peers()
    made.assessment, acting = build_decision(Status.ESCALATED, act_now=True, urgency=Urgency.EMERGENCY)
    made.resolved = acting.model_copy(update={"document_by": MORNING + 3 * HOUR})
    return made


@pytest.fixture
async def stage(tmp_path: Path, clock: ManualClock, peers: Peers) -> AsyncIterator[Stage]:
    async with staged(tmp_path, peers, clock) as made:
        yield made


def waiting_for_approval() -> RequestRecord:
    assessment, resolved = build_decision()
    options = tuple(option.model_copy(update={"approval": ApprovalTier.MANAGER}) for option in resolved.options)
    record = build_decided(assessment, resolved.model_copy(update={"options": options}))
    return lifecycle.select_option(record, options[1].option_id, "RES_A_101", MORNING).record


async def correct(stage: Stage, record: RequestRecord, **labels: object) -> RequestRecord:
    await stage.requests.amend(STAFF, record.request.request_id, Amendment.model_validate(labels), None)
    return await stage.get(record)


def test_a_correction_is_kept_with_what_it_took_the_place_of() -> None:
    record = build_decided(*build_decision())
    changed = corrections.amend(record, "sam", MORNING, category=Category.SECURITY).record
    assert changed.corrections == (
        LabelCorrection(
            at=MORNING,
            by="sam",
            category_before=Category.MAINTENANCE,
            category_after=Category.SECURITY,
            urgency_before=Urgency.MEDIUM,
            urgency_after=Urgency.MEDIUM,
            model_version="cascade-1",
            confidence=0.8125,
        ),
    )
    same = corrections.amend(changed, "sam", MORNING, category=Category.SECURITY).record
    assert same.corrections == changed.corrections
    again = corrections.amend(changed, "sam", MORNING, urgency=Urgency.LOW).record
    assert [one.urgency_after for one in again.corrections] == [Urgency.MEDIUM, Urgency.LOW]


async def test_targets_follow_the_corrected_labels_from_the_beginning(stage: Stage, peers: Peers) -> None:
    record = await stage.add(sent(build_decided(*build_decision())))
    after = await correct(stage, record, urgency="High")
    assert peers.promised == [(Category.MAINTENANCE, Urgency.HIGH)]
    sla = after.request.sla
    assert sla is not None
    assert sla.basis == "targets#High"
    assert sla.resolution_due_at == MORNING + 24 * HOUR
    assert sla.response_met_at == MORNING + HOUR
    assert sla.paused
    assert NextAction.REVISE not in after.timers
    (event,) = [e for e in await stage.store.events(record.request.request_id) if e.kind == "targets_set"]
    assert event.details["resolution_due_at"] == "2026-05-05T14:00:00.000Z"


async def test_a_policy_that_does_not_answer_keeps_nobody_waiting_and_is_asked_later(
    stage: Stage, clock: ManualClock, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await stage.add(sent(build_decided(*build_decision())))
    peers.promising = ServiceUnavailable("down")
    after = await correct(stage, record, urgency="High")
    assert after.request.sla is not None
    assert after.request.sla.basis == "targets#Medium"
    assert NextAction.REVISE in after.timers
    peers.promising = None
    clock.advance(20)
    await stage.sweep()
    revised = (await stage.get(record)).request.sla
    assert revised is not None
    assert revised.basis == "targets#High"
    # One that hangs.
    gate = asyncio.Event()
    peers.before_answer = gate.wait
    monkeypatch.setattr(requests, "REVISION_WAIT_S", 0.05)
    changed = await correct(stage, record, urgency="Emergency")
    assert changed.emergency_raised_at == clock()
    gate.set()
    await asyncio.sleep(0.1)
    assert (await stage.get(record)).emergency_raised_at is None


@pytest.mark.parametrize("start", ["selection", "approval", "review"])
async def test_an_emergency_that_staff_see_starts_policys_action_at_once(
    stage: Stage, peers: Peers, start: str
) -> None:
    if start == "review":
        failure = ItemFailure(code="unavailable", detail="down.")
        before = sent(decisions.give_to_person(build_open(), failure, MORNING).record)
    else:
        before = waiting_for_approval() if start == "approval" else sent(build_decided(*build_decision()))
    record = await stage.add(before)
    after = await correct(stage, record, category="Maintenance", urgency="Emergency")
    request = after.request
    assert request.status in (Status.ESCALATED, Status.NEEDS_REVIEW, Status.IN_PROGRESS)
    assert request.needs_attention
    assert request.selected_option_id == peers.resolved.act_now
    assert after.selected_by == "policy"
    assert after.document_by == MORNING + 3 * HOUR
    assert after.trace == peers.resolved.trace
    assert request.sla is not None
    assert request.sla.resolution_due_at == MORNING + 4 * HOUR
    assert peers.items[0].classification.emergency
    await stage.sweeper.settle()
    for _ in range(20):
        await asyncio.sleep(0.01)
    commands = [*await stage.commands()]
    kinds = [[call.action for call in command.actions] for command in commands]
    assert kinds == [
        [ActionKind.ALERT_ON_CALL, ActionKind.NOTIFY],
        [ActionKind.DISPATCH_WORK_ORDER, ActionKind.NOTIFY],
    ]
    assert "911" in commands[0].actions[1].parameters["fields"]["advice"]
    final = (await stage.get(record)).request
    assert final.status is Status.IN_PROGRESS
    assert final.execution is not None
    assert final.execution.execution_id == commands[1].execution_id


async def test_the_alarm_goes_out_though_policy_is_down_and_the_action_follows(
    stage: Stage, clock: ManualClock, peers: Peers
) -> None:
    peers.resolving = peers.promising = ServiceUnavailable("down")
    record = await stage.add(waiting_for_approval())
    after = await correct(stage, record, urgency="Emergency")
    assert after.request.status is Status.ESCALATED
    assert after.request.selected_option_id is None
    assert after.request.approval is None
    peers.resolving = peers.promising = None
    clock.advance(20)
    await stage.sweep()
    await stage.sweeper.settle()
    assert (await stage.get(record)).request.selected_option_id == peers.resolved.act_now


async def test_labels_that_change_while_policy_thinks_keep_their_own_question(
    stage: Stage, clock: ManualClock, peers: Peers
) -> None:
    record = await stage.add(sent(build_decided(*build_decision())))

    async def correct_again() -> None:
        peers.before_promise = None
        await change_record(
            stage.store,
            record.request.request_id,
            lambda current: corrections.amend(current, "sam", clock(), urgency=Urgency.LOW),
        )

    peers.before_promise = correct_again
    after = await correct(stage, record, urgency="High")
    assert NextAction.REVISE in after.timers
    await stage.sweep()
    sla = (await stage.get(record)).request.sla
    assert sla is not None
    assert sla.basis == "targets#Low"


async def test_policy_does_not_act_on_an_emergency_of_long_ago(stage: Stage, clock: ManualClock, peers: Peers) -> None:
    peers.resolving = peers.promising = ServiceUnavailable("down")
    record = await stage.add(sent(build_decided(*build_decision())))
    await correct(stage, record, urgency="Emergency")
    peers.resolving = peers.promising = None
    clock.now += LATEST_ACTION + timedelta(seconds=1)
    await stage.sweep()
    after = await stage.get(record)
    assert after.request.selected_option_id is None
    assert after.request.sla is not None
    assert after.request.sla.basis == "targets#Emergency"


async def test_what_policy_cannot_act_on_is_left_to_staff_with_its_targets(stage: Stage, peers: Peers) -> None:
    peers.resolving = ItemFailure(code="invalid", detail="no.")
    record = await stage.add(sent(build_decided(*build_decision())))
    after = await correct(stage, record, urgency="Emergency")
    assert after.emergency_raised_at is None
    assert "emergency_action_left" in await stage.kinds(record)
    assert after.request.sla is not None
    assert after.request.sla.basis == "targets#Emergency"


async def test_a_correction_that_is_taken_back_starts_nothing(stage: Stage, clock: ManualClock, peers: Peers) -> None:
    peers.resolving = peers.promising = ServiceUnavailable("down")
    record = await stage.add(sent(build_decided(*build_decision())))
    await correct(stage, record, urgency="Emergency")
    await correct(stage, record, urgency="Low")
    peers.resolving = peers.promising = None
    clock.advance(20)
    await stage.sweep()
    after = await stage.get(record)
    assert after.request.selected_option_id is None
    assert after.request.sla is not None
    assert after.request.sla.basis == "targets#Low"


def test_an_ended_request_is_relabelled_without_new_promises() -> None:
    done = lifecycle.cancel(build_decided(*build_decision()), "RES_A_101", None, MORNING).record
    changed = corrections.amend(done, "sam", MORNING, urgency=Urgency.EMERGENCY).record
    assert changed.outbox == ()
    assert changed.next_action is None
    assert len(changed.corrections) == 1
    with pytest.raises(WrongState):
        corrections.amend(done, "sam", MORNING, waiting_for_access=True)


async def test_staff_say_what_the_work_waits_for(stage: Stage) -> None:
    record = await stage.add(
        sent(decisions.give_to_person(build_open(), ItemFailure(code="unavailable", detail="down."), MORNING).record)
    )
    await stage.sweep()
    assert (await correct(stage, record, waiting_for_access=True)).request.sla is not None
    waiting = await stage.get(record)
    assert waiting.waiting_for == "access"
    again = await correct(stage, record, waiting_for_access=True)
    assert (await stage.kinds(record)).count("waiting") == 1
    assert again.waiting_for == "access"
    assert (await correct(stage, record, waiting_for_access=False)).waiting_for is None


def ended(status: Status, urgency: Urgency = Urgency.MEDIUM) -> RequestRecord:
    record = sent(build_decided(*build_decision(urgency=urgency)))
    # The person on call was told of an emergency that it was before its end.
    request = record.request.model_copy(update={"status": status})
    return record.model_copy(update={"request": request, "alarmed": urgency is Urgency.EMERGENCY})


def alarms(record: RequestRecord) -> int:
    return sum(call.action is ActionKind.ALERT_ON_CALL for command in record.outbox for call in command.actions)


@pytest.mark.parametrize("status", [Status.ANSWERED, Status.RESOLVED, Status.CLOSED])
def test_reopening_as_an_emergency_alerts_the_person_on_call(status: Status) -> None:
    change = corrections.amend(ended(status), "sam", MORNING, status=Status.REOPENED, urgency=Urgency.EMERGENCY)
    record = change.record
    assert record.request.status is Status.REOPENED
    assert (alarms(record), record.alarmed, record.emergency_raised_at) == (1, True, MORNING)
    assert record.timers[NextAction.REVISE] == MORNING
    assert len({command.execution_id for command in record.outbox}) == len(record.outbox)


def test_reopening_an_emergency_alerts_once_more() -> None:
    record = ended(Status.RESOLVED, Urgency.EMERGENCY)
    for change in (
        corrections.amend(record, "sam", MORNING, status=Status.REOPENED),
        corrections.amend(record, "sam", MORNING, status=Status.REOPENED, urgency=Urgency.EMERGENCY),
        lifecycle.reopen(record, "RES_A_101", "it is back", MORNING),
    ):
        after = change.record
        assert (alarms(after), after.alarmed, after.emergency_raised_at) == (1, True, MORNING)
        assert NextAction.REVISE in after.timers


def test_reopening_as_less_than_an_emergency_alerts_nobody_until_it_is_one_again() -> None:
    record = ended(Status.RESOLVED, Urgency.EMERGENCY)
    calm = corrections.amend(record, "sam", MORNING, status=Status.REOPENED, urgency=Urgency.LOW).record
    assert (alarms(calm), calm.alarmed, calm.emergency_raised_at) == (0, False, None)
    plain = lifecycle.reopen(ended(Status.RESOLVED), "RES_A_101", None, MORNING).record
    assert (alarms(plain), plain.emergency_raised_at) == (0, None)
    assert alarms(corrections.amend(calm, "sam", MORNING, urgency=Urgency.EMERGENCY).record) == 1


def test_an_alarm_that_was_never_raised_is_raised_though_the_label_stood_already() -> None:
    record = sent(build_decided(*build_decision(urgency=Urgency.EMERGENCY)))
    assert alarms(corrections.amend(record, "sam", MORNING, urgency=Urgency.EMERGENCY).record) == 1
    told = record.model_copy(update={"alarmed": True})
    assert alarms(corrections.amend(told, "sam", MORNING, urgency=Urgency.EMERGENCY).record) == 0


def test_what_a_safety_rule_found_and_nothing_judged_is_alerted_when_it_is_reopened() -> None:
    failure = ItemFailure(code="broken_invariant", detail="it failed.", safety_rule="gas-leak", safety_advice="Go out.")
    given = sent(decisions.give_to_person(build_open(), failure, MORNING).record)
    resolved = sent(lifecycle.resolve(given, "sam", "done", MORNING).record)
    assert resolved.request.classification is None
    after = corrections.amend(
        resolved,
        "sam",
        MORNING,
        status=Status.REOPENED,
        category=Category.MAINTENANCE,
        urgency=Urgency.EMERGENCY,
    ).record
    assert alarms(after) == 1
    assert alarms(lifecycle.reopen(resolved, "sam", None, MORNING).record) == 1


async def test_policy_acts_at_once_on_an_emergency_that_is_reopened(stage: Stage, peers: Peers) -> None:
    record = await stage.add(ended(Status.RESOLVED, Urgency.EMERGENCY))
    await stage.requests.reopen(STAFF, record.request.request_id, None)
    after = await stage.get(record)
    assert after.request.selected_option_id == peers.resolved.act_now
    assert after.document_by == MORNING + 3 * HOUR


def acted() -> RequestRecord:
    """An emergency that policy acted on, and that a manager has to agree to."""
    assessment, acting = build_decision(Status.ESCALATED, act_now=True, urgency=Urgency.EMERGENCY)
    options = tuple(option.model_copy(update={"approval": ApprovalTier.MANAGER}) for option in acting.options)
    return build_decided(assessment, acting.model_copy(update={"options": options, "document_by": MORNING + 2 * HOUR}))


def test_an_emergencys_agreement_is_not_dropped_for_another_choice() -> None:
    record = acted()
    with pytest.raises(WrongState, match="documented"):
        corrections.amend(record, "sam", MORNING, status=Status.AWAITING_SELECTION)
    agreed = lifecycle.approve(record, "mia", ApprovalTier.MANAGER, None, MORNING).record
    with pytest.raises(WrongState, match="being carried out"):
        corrections.amend(agreed, "sam", MORNING, status=Status.AWAITING_SELECTION)


async def test_an_agreement_that_is_still_owed_goes_over_to_policys_next_action(stage: Stage, peers: Peers) -> None:
    before = lifecycle.resolve(sent(acted()), "sam", "done", MORNING).record
    record = await stage.add(sent(before))
    await stage.requests.reopen(STAFF, record.request.request_id, None)
    after = await stage.get(record)
    assert all(option.approval is ApprovalTier.NONE for option in peers.resolved.options)
    assert after.request.approval == Approval(required=ApprovalTier.MANAGER, granted_by="policy", at=MORNING + HOUR)
    assert after.document_by == MORNING + 2 * HOUR
    option = record.request.option(record.request.selected_option_id or "")
    assert option is not None
    assert after.ordered_usd == option.estimated_cost_usd.p90
