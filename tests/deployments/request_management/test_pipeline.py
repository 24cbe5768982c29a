"""What the pipeline keeps when a part of it fails, and what it asks of policy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import BrokenInvariant, ServiceUnavailable
from core.execution import ExecutionCommand
from core.execution_labels import ActionKind
from core.labels import Category, Status, Urgency
from core.messages import ItemFailure
from core.record import NextAction, RequestRecord
from deployments.request_management import corrections
from deployments.request_management.dispatch import change_record
from tests.clock import ManualClock
from tests.deployments.request_management.stage import (
    MORNING,
    Peers,
    Stage,
    build_decision,
    build_open,
    staged,
)

DOWN = ServiceUnavailable("down")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
def peers() -> Peers:
    return Peers()


@pytest.fixture
async def stage(tmp_path: Path, clock: ManualClock, peers: Peers) -> AsyncIterator[Stage]:
    async with staged(tmp_path, peers, clock) as made:
        yield made


def an_emergency(peers: Peers, safety_rule: str | None) -> None:
    assessment, peers.resolved = build_decision(Status.ESCALATED, act_now=True, urgency=Urgency.EMERGENCY)
    advice = "Leave the house." if safety_rule else None
    labels = assessment.classification.model_copy(update={"safety_rule": safety_rule, "safety_advice": advice})
    peers.assessment = assessment.model_copy(update={"classification": labels})


def alarms(commands: list[ExecutionCommand]) -> list[ExecutionCommand]:
    return [
        command
        for command in commands
        if command.urgency is Urgency.EMERGENCY
        and any(call.action is ActionKind.ALERT_ON_CALL for call in command.actions)
    ]


async def fail_once(stage: Stage, clock: ManualClock, record: RequestRecord) -> None:
    """One run that leaves it to the sweeper, since its lease is nearly over."""

    async def pass_time() -> None:
        clock.advance(13)

    stage.peers.before_answer = pass_time
    with pytest.raises(ServiceUnavailable):
        await stage.pipeline.start(record)
    stage.peers.before_answer = None


@pytest.mark.parametrize("safety_rule", ["gas-leak", None])
async def test_the_first_failure_of_a_decision_raises_the_alarm_and_no_later_one_does(
    stage: Stage, clock: ManualClock, peers: Peers, safety_rule: str | None
) -> None:
    an_emergency(peers, safety_rule)
    peers.resolving = DOWN
    record = await stage.add(build_open())
    await fail_once(stage, clock, record)
    kept = await stage.get(record)
    assert kept.request.status is Status.PROCESSING
    assert kept.request.classification == peers.assessment.classification
    assert kept.request.needs_attention
    clock.advance(10)
    (alarm,) = alarms([*await stage.commands(), *kept.outbox])
    assert [call.action for call in alarm.actions] == [ActionKind.ALERT_ON_CALL, ActionKind.NOTIFY]
    assert ("Leave the house." if safety_rule else "911") in alarm.actions[1].parameters["fields"]["advice"]
    await fail_once(stage, clock, await stage.get(record))
    assert (await stage.kinds(record)).count("alarm_raised") == 1
    peers.resolving = None
    await stage.pipeline.start(await stage.get(record))
    await stage.sweeper.settle()
    after = await stage.get(record)
    assert after.request.status in (Status.ESCALATED, Status.IN_PROGRESS)
    clock.advance(10)
    await stage.sweep()
    later = await stage.commands()
    assert [command.execution_id for command in alarms(later) if command != alarm] == []
    (started,) = [command for command in later if command.option_id is not None]
    assert [call.action for call in started.actions] == [ActionKind.DISPATCH_WORK_ORDER, ActionKind.NOTIFY]


async def test_an_emergency_that_is_never_decided_reaches_a_person_with_its_labels_and_one_alarm(
    stage: Stage, clock: ManualClock, peers: Peers
) -> None:
    an_emergency(peers, "gas-leak")
    peers.resolving = DOWN
    record = await stage.add(build_open())
    await fail_once(stage, clock, record)
    exhausted = (await stage.get(record)).model_copy(update={"attempts": 5})
    given = await stage.pipeline.start(exhausted)
    assert given.request.status is Status.NEEDS_REVIEW
    assert given.request.classification == peers.assessment.classification
    assert NextAction.REVISE in given.timers
    clock.advance(10)
    await stage.sweep()
    assert len(alarms(await stage.commands())) == 1
    after = await stage.get(record)
    assert after.request.sla is not None
    assert peers.promised == [(Category.MAINTENANCE, Urgency.EMERGENCY)]


@pytest.mark.parametrize("failure", [ItemFailure(code="invalid", detail="no."), BrokenInvariant("a bug")])
async def test_a_decision_that_fails_for_good_keeps_what_was_understood(
    stage: Stage, peers: Peers, failure: ItemFailure | BrokenInvariant
) -> None:
    peers.resolving = failure
    given = await stage.pipeline.start(await stage.add(build_open()))
    assert given.request.status is Status.NEEDS_REVIEW
    assert given.request.classification == peers.assessment.classification
    assert given.request.risk == peers.assessment.risk
    assert [call.action for call in given.outbox[0].actions] == [ActionKind.ALERT_ON_CALL]
    assert given.outbox[0].urgency is Urgency.HIGH


async def test_a_failure_of_the_assessment_keeps_what_the_safety_screen_found(stage: Stage, peers: Peers) -> None:
    peers.assessing = ItemFailure(code="invalid", detail="no.", safety_rule="gas-leak", safety_advice="Go out.")
    given = await stage.pipeline.start(await stage.add(build_open()))
    (alarm,) = alarms(list(given.outbox))
    assert alarm.actions[1].parameters["fields"]["advice"] == "Go out."
    assert given.alarmed


async def test_policy_is_told_what_was_spent_in_every_category(stage: Stage, peers: Peers) -> None:
    await stage.pipeline.start(await stage.add(build_open()))
    (item,) = peers.items
    assert item.spent_usd == dict.fromkeys(Category, 0.0)


async def test_what_policy_selects_is_selected_in_the_very_write_of_the_decision(stage: Stage, peers: Peers) -> None:
    trace = peers.resolved.trace.model_copy(update={"gates": ("Autonomy: all conditions hold. [a#b]",)})
    option = peers.resolved.options[0].option_id
    peers.resolved = peers.resolved.model_copy(update={"carry_out": option, "trace": trace})
    record = await stage.add(build_open())
    decided = await stage.pipeline.start(record)
    assert decided.request.version == record.request.version + 1
    assert decided.request.status is Status.APPROVED
    assert (decided.selected_by, decided.request.selected_option_id) == ("policy", option)
    (command,) = decided.outbox
    assert command.option_id == option
    (line,) = [e for e in await stage.store.events(record.request.request_id) if e.kind == "option_selected"]
    assert line.actor == "policy"
    assert "all conditions hold" in line.message


async def test_a_decision_that_loses_against_another_change_is_made_again_with_its_selection(
    stage: Stage, clock: ManualClock, peers: Peers
) -> None:
    peers.resolved = peers.resolved.model_copy(update={"carry_out": peers.resolved.options[0].option_id})
    record = await stage.add(build_open())

    async def interrupt() -> None:
        peers.before_answer = None
        comment = "a word"
        await change_record(
            stage.store,
            record.request.request_id,
            lambda current: corrections.amend(current, "sam", clock(), comment=comment),
        )

    peers.before_answer = interrupt
    decided = await stage.pipeline.start(record)
    assert decided.request.status is Status.APPROVED
    assert (await stage.kinds(record)).count("option_selected") == 1
