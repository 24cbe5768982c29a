"""What a request may spend and what it really cost: nothing spent twice, nothing beyond a limit, nothing uncounted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import Rejected, WrongState
from core.execution import ExecutionOutcome
from core.execution_labels import ActionKind, ExecutionStatus
from core.identity import Principal
from core.labels import ApprovalTier, Role, Status, Urgency
from core.record import RequestRecord
from core.request import ExecutionId
from deployments.request_management import corrections, decisions, lifecycle, news, orders
from deployments.request_management.lifecycle import ApprovalLimitExceeded
from deployments.request_management.orders import committed_usd, judged_urgency, order_execution_id
from deployments.request_management.schemas import ExecutionOrder
from tests.clock import ManualClock
from tests.deployments.request_management.stage import (
    MORNING,
    NoExecution,
    Stage,
    build_decided,
    build_decision,
    build_open,
    choose_first,
    sent,
    staged,
)

STAFF = Principal("sam", Role.STAFF)
DEAR = 210.5
"""The 90th percentile of every option's cost."""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path, clock=ManualClock(MORNING)) as made:
        yield made


def decided() -> RequestRecord:
    assessment, resolved = build_decision()
    judged = {"classification": {"urgency": "Medium"}}
    trace = resolved.trace.model_copy(update={"inputs": judged})
    return sent(build_decided(assessment, resolved.model_copy(update={"trace": trace})))


def in_progress() -> RequestRecord:
    chosen = choose_first(decided(), MORNING)
    change = news.dispatched(chosen, chosen.outbox, MORNING)
    assert change is not None
    return change.record


def heard(record: RequestRecord, kind: Any, execution_id: str | None = None, usd: float | None = None) -> RequestRecord:
    summary = record.request.execution
    known = summary.execution_id if summary else ""
    outcome = ExecutionOutcome(
        execution_id=ExecutionId(execution_id or known),
        request_id=record.request.request_id,
        kind=kind,
        at=MORNING,
        actual_cost_usd=usd,
    )
    change = news.apply_outcome(record, outcome, f"{execution_id or known}:{kind}:{len(record.news)}", MORNING)
    assert change is not None
    return change.record


def job(record: RequestRecord, usd: float, **fields: object) -> ExecutionOrder:
    parameters = {"crew": "plumbing", "title": "Another job", "cost_limit_usd": usd}
    known = {"request_id": record.request.request_id, "action": "dispatch_work_order", "parameters": parameters}
    return ExecutionOrder.model_validate(known | fields)


def again(record: RequestRecord) -> ExecutionOrder:
    return job(record, 0.0, option_id=record.request.selected_option_id, parameters={})


async def order(stage: Stage, record: RequestRecord, what: ExecutionOrder, execution_id: str | None = None) -> Any:
    chosen = execution_id or order_execution_id(record.request.request_id)
    return await stage.operations.execute(STAFF, what, chosen, "corr")


def cost(record: RequestRecord) -> float | None:
    assert record.request.resolution is not None
    return record.request.resolution.actual_cost_usd


async def test_orders_at_the_same_moment_count_together(stage: Stage) -> None:
    record = await stage.add(decided())
    found = await asyncio.gather(*(order(stage, record, job(record, 200.0)) for _ in range(6)), return_exceptions=True)
    placed = [one for one in found if not isinstance(one, BaseException)]
    assert len(placed) == 2
    assert {type(one) for one in found if isinstance(one, BaseException)} == {ApprovalLimitExceeded}
    after = await stage.get(record)
    assert after.ordered_usd == 400.0
    assert len(after.orders) == 2


async def test_the_selected_options_cost_is_in_the_sum(stage: Stage) -> None:
    record = await stage.add(in_progress())
    assert committed_usd(record) == DEAR
    with pytest.raises(ApprovalLimitExceeded):
        await order(stage, record, job(record, 300.0))
    await order(stage, record, job(record, 289.5))
    with pytest.raises(ApprovalLimitExceeded):
        await order(stage, record, job(record, 1.0))


async def test_an_order_is_counted_before_it_is_sent_and_a_repetition_is_the_same_order(stage: Stage) -> None:
    record = await stage.add(decided())
    first = await order(stage, record, job(record, 100.0), "EXE_1_ordx")
    assert first.status is ExecutionStatus.QUEUED
    stored = await stage.get(record)
    assert (stored.ordered_usd, stored.orders) == (100.0, ("EXE_1_ordx",))
    # The first caller died before it had its answer.
    await order(stage, record, job(record, 100.0), "EXE_1_ordx")
    assert (await stage.get(record)).ordered_usd == 100.0
    for _ in range(20):
        await asyncio.sleep(0.01)
    (command,) = await stage.commands()
    assert command.execution_id == "EXE_1_ordx"
    assert command.requested_by == "sam"


async def test_an_order_that_its_caller_could_not_send_is_sent_by_the_sweeper(stage: Stage) -> None:
    record = await stage.add(decided())
    change = orders.place_order(record, job(record, 100.0), "EXE_1_ordx", "sam", "corr", MORNING)
    assert change is not None
    await stage.store.save(change.record, expected_version=1, events=change.events)
    stage.clock.advance(6)
    await stage.sweep()
    assert [command.execution_id for command in await stage.commands()] == ["EXE_1_ordx"]


async def test_an_order_can_be_followed_before_execution_has_seen_it(stage: Stage) -> None:
    record = await stage.add(decided())
    execution_id = order_execution_id(record.request.request_id)
    await order(stage, record, job(record, 100.0), execution_id)
    seen = await stage.operations.describe(STAFF, execution_id)
    assert (seen.execution_id, seen.status) == (execution_id, ExecutionStatus.QUEUED)
    assert isinstance(await NoExecution().describe(ExecutionId(execution_id)), type(None))


async def test_what_could_not_be_carried_out_is_ordered_again_once_and_then_resolves_its_request(
    stage: Stage,
) -> None:
    record = await stage.add(heard(in_progress(), "dead_lettered"))
    found = await asyncio.gather(*(order(stage, record, again(record)) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(one, WrongState) for one in found) == 2
    for _ in range(20):
        await asyncio.sleep(0.01)
    (command,) = await stage.commands()
    stored = await stage.get(record)
    assert stored.request.execution is not None
    assert stored.request.execution.execution_id == command.execution_id
    assert stored.ordered_usd == 0.0
    assert command.actions[0].parameters["cost_limit_usd"] == DEAR
    done = heard(stored, "work_completed", usd=99.0)
    assert done.request.status is Status.RESOLVED
    assert cost(done) == 99.0


async def test_what_runs_already_is_not_ordered_again(stage: Stage) -> None:
    record = await stage.add(in_progress())
    with pytest.raises(WrongState, match="carried out already"):
        await order(stage, record, again(record))
    done = await stage.add(
        lifecycle.resolve(in_progress(), "sam", "done", MORNING).record.model_copy(
            update={
                "request": lifecycle.resolve(in_progress(), "sam", "done", MORNING).record.request.model_copy(
                    update={"request_id": "REQ_2_x"}
                )
            }
        )
    )
    with pytest.raises(Rejected, match="reopen"):
        await order(stage, done, job(done, 10.0))


def reopened() -> RequestRecord:
    """Its work was ordered and cancelled as it was resolved, and then it was not done after all."""
    resolved = lifecycle.resolve(in_progress(), "sam", "done", MORNING).record
    return sent(lifecycle.reopen(resolved, "RES_A_101", "It drips", MORNING).record)


async def test_after_a_reopening_the_option_is_ordered_once_more_and_costs_once_more(stage: Stage) -> None:
    record = await stage.add(reopened())
    assert (record.request.execution, record.ordered_usd, committed_usd(record)) == (None, DEAR, 2 * DEAR)
    found = await asyncio.gather(*(order(stage, record, again(record)) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(one, WrongState) for one in found) == 2
    for _ in range(20):
        await asyncio.sleep(0.01)
    (command,) = await stage.commands()
    stored = await stage.get(record)
    assert stored.request.execution is not None
    assert stored.request.execution.execution_id == command.execution_id
    assert stored.request.status is Status.IN_PROGRESS
    done = heard(stored, "work_completed", usd=99.0)
    assert done.request.status is Status.RESOLVED


async def test_ordering_an_option_once_more_needs_who_may_agree_to_both(stage: Stage) -> None:
    record = reopened()
    record = await stage.add(record.model_copy(update={"ordered_usd": 100 * DEAR}))
    with pytest.raises(ApprovalLimitExceeded):
        await order(stage, record, again(record))
    assert (await stage.get(record)).request.execution is None


def test_what_was_given_up_stays_over_a_reopening_and_may_be_tried_again() -> None:
    given_up = heard(in_progress(), "dead_lettered")
    resolved = lifecycle.resolve(given_up, "sam", "done", MORNING).record
    record = lifecycle.reopen(resolved, "RES_A_101", None, MORNING).record
    assert record.request.execution is not None
    assert record.request.execution.status is ExecutionStatus.DEAD_LETTERED
    assert record.ordered_usd == 0.0


def test_news_of_the_work_before_a_reopening_is_told_and_ends_nothing() -> None:
    earlier = in_progress().request.execution
    assert earlier is not None
    record = heard(reopened(), "work_completed", earlier.execution_id, usd=70.0)
    assert record.request.status is Status.REOPENED
    assert cost(record) == 70.0


async def test_a_word_to_somebody_costs_nothing(stage: Stage) -> None:
    record = await stage.add(in_progress())
    what = ExecutionOrder(
        request_id=record.request.request_id,
        action=ActionKind.NOTIFY,
        parameters={"subject": "A word", "body": "Hello"},
    )
    await order(stage, record, what)
    assert (await stage.get(record)).ordered_usd == 0.0


def test_correcting_labels_widens_nobodys_limit() -> None:
    record = decided()
    assert judged_urgency(record) is Urgency.MEDIUM
    raised = corrections.amend(record, "sam", MORNING, urgency=Urgency.EMERGENCY).record
    assert judged_urgency(raised) is Urgency.MEDIUM
    relabelled = raised.model_copy(update={"trace": build_decision()[1].trace})
    assert judged_urgency(relabelled) is Urgency.MEDIUM


def test_costs_add_up_over_a_reopening() -> None:
    record = heard(in_progress(), "work_completed", usd=80.0)
    assert cost(record) == 80.0
    record = lifecycle.reopen(record, "RES_A_101", None, MORNING).record
    record = corrections.amend(record, "sam", MORNING, status=Status.IN_PROGRESS).record
    record = lifecycle.resolve(record, "sam", "done", MORNING, actual_cost_usd=20.5).record
    assert cost(record) == 100.5


def test_a_cost_that_comes_after_the_end_is_counted() -> None:
    record = lifecycle.resolve(in_progress(), "sam", "done", MORNING).record
    assert cost(record) is None
    assert cost(heard(record, "work_completed", usd=64.0)) == 64.0


def test_a_jobs_own_figure_takes_the_place_of_what_staff_said_of_it() -> None:
    record = lifecycle.resolve(in_progress(), "sam", "done", MORNING, actual_cost_usd=70.0).record
    assert cost(record) == 70.0
    assert cost(heard(record, "work_completed", usd=64.0)) == 64.0


def test_jobs_that_staff_ordered_are_counted_before_and_after_the_end() -> None:
    record = heard(in_progress(), "work_completed", "EXE_1_ordx", 30.0)
    assert record.request.status is Status.IN_PROGRESS
    record = heard(record, "work_completed", usd=80.0)
    assert cost(record) == 110.0
    assert cost(heard(record, "work_completed", "EXE_1_ordy", 5.0)) == 115.0


def test_the_same_news_is_counted_once() -> None:
    record = heard(in_progress(), "work_completed", usd=80.0)
    outcome = ExecutionOutcome(
        execution_id=ExecutionId("EXE_1_ordx"),
        request_id=record.request.request_id,
        kind="work_completed",
        at=MORNING + timedelta(hours=1),
        actual_cost_usd=10.0,
    )
    once = news.apply_outcome(record, outcome, "EXE_1_ordx:work_completed", MORNING)
    assert once is not None
    assert news.apply_outcome(once.record, outcome, "EXE_1_ordx:work_completed", MORNING) is None
    assert cost(once.record) == 90.0


def needing(record: RequestRecord, tier: ApprovalTier) -> RequestRecord:
    options = tuple(option.model_copy(update={"approval": tier}) for option in record.request.options)
    return record.model_copy(update={"request": record.request.model_copy(update={"options": options})})


async def test_what_was_ordered_before_counts_when_a_cost_is_agreed_to(stage: Stage) -> None:
    stage.peers.authorities[Role.STAFF] = ApprovalTier.SUPERVISOR
    waiting = sent(choose_first(needing(decided(), ApprovalTier.SUPERVISOR), MORNING))
    record = await stage.add(waiting.model_copy(update={"ordered_usd": 400.0}))
    request_id = record.request.request_id
    with pytest.raises(ApprovalLimitExceeded, match="manager"):
        await stage.requests.approve(STAFF, request_id, None)
    assert (await stage.get(record)).request.status is Status.AWAITING_APPROVAL
    agreed = await stage.requests.approve(Principal("mia", Role.MANAGER), request_id, None)
    assert agreed.approval is not None
    assert (agreed.approval.required, agreed.approval.granted_by) == (ApprovalTier.MANAGER, "mia")


@pytest.mark.parametrize(("ordered", "status"), [(0.0, "Approved"), (289.5, "Approved"), (290.0, "AwaitingApproval")])
async def test_what_was_ordered_before_counts_when_an_option_is_chosen(
    stage: Stage, ordered: float, status: str
) -> None:
    record = await stage.add(decided().model_copy(update={"ordered_usd": ordered}))
    option = record.request.options[0]
    assert option.approval is ApprovalTier.NONE
    chosen = await stage.requests.select_option(
        Principal("RES_A_101", Role.RESIDENT), record.request.request_id, option.option_id
    )
    assert chosen.status == status
    assert chosen.approval is not None
    assert chosen.approval.required is (ApprovalTier.NONE if status == "Approved" else ApprovalTier.MANAGER)


async def test_an_order_that_comes_while_policy_is_asked_about_a_selection_counts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await stage.add(decided().model_copy(update={"ordered_usd": 100.0}))
    asked: list[float] = []
    answer = stage.peers.required_tier

    async def slow(urgency: Urgency, cost_usd: float, *about: Any) -> ApprovalTier:
        asked.append(cost_usd)
        if len(asked) == 1:
            await order(stage, record, job(record, 200.0))
        return await answer(urgency, cost_usd, *about)

    monkeypatch.setattr(stage.peers, "required_tier", slow)
    chosen = await stage.requests.select_option(
        Principal("RES_A_101", Role.RESIDENT), record.request.request_id, record.request.options[0].option_id
    )
    assert asked == [100.0 + DEAR, 300.0, 300.0 + DEAR]
    assert chosen.status is Status.AWAITING_APPROVAL


def test_policy_selects_nothing_beside_what_staff_ordered_already() -> None:
    assessment, resolved = build_decision()
    carried = resolved.model_copy(update={"carry_out": resolved.options[0].option_id})
    assert build_decided(assessment, carried).request.status is Status.APPROVED
    ordered = build_open().model_copy(update={"ordered_usd": 100.0})
    change = decisions.apply_decision(ordered, assessment.classification, assessment.risk, carried, MORNING)
    assert change.record.request.status is Status.AWAITING_SELECTION
    assert [event.kind for event in change.events if event.internal] == ["selection_left"]


def test_an_option_that_was_begun_is_counted_when_another_takes_its_place() -> None:
    failed = heard(in_progress(), "dead_lettered")
    record = failed.model_copy(
        update={"request": failed.request.model_copy(update={"status": Status.ESCALATED}), "ordered_usd": 50.0}
    )
    free = corrections.amend(record, "sam", MORNING, status=Status.AWAITING_SELECTION).record
    assert (free.ordered_usd, free.request.execution, free.request.approval) == (50.0 + DEAR, None, None)
    assert committed_usd(free) == 50.0 + DEAR
    never_begun = choose_first(needing(free, ApprovalTier.MANAGER), MORNING)
    aside = corrections.amend(never_begun, "sam", MORNING, status=Status.AWAITING_SELECTION).record
    assert committed_usd(aside) == 50.0 + DEAR


@pytest.mark.parametrize("kind", [None, "running", "failed", "succeeded"])
def test_an_option_that_is_being_carried_out_is_not_chosen_again(kind: str | None) -> None:
    record = in_progress() if kind is None else heard(in_progress(), kind)
    record = record.model_copy(update={"request": record.request.model_copy(update={"status": Status.ESCALATED})})
    with pytest.raises(WrongState, match="being carried out"):
        corrections.amend(record, "sam", MORNING, status=Status.AWAITING_SELECTION)
    assert record.request.execution is not None
    done = record.request.execution.model_copy(update={"status": ExecutionStatus.SUCCEEDED, "jobs_done": 1})
    ended = record.model_copy(update={"request": record.request.model_copy(update={"execution": done})})
    free = corrections.amend(ended, "sam", MORNING, status=Status.AWAITING_SELECTION).record
    assert committed_usd(free) == DEAR
