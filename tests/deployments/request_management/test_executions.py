"""What staff may have tried again: work that is still wanted, and every message."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from core.errors import NotFound, WrongState
from core.execution import Execution
from core.execution_labels import ActionKind, ExecutionStatus, StepStatus
from core.identity import Principal
from core.labels import Role, Status
from core.record import RequestRecord
from core.request import ExecutionId, ExecutionStep, RequestId
from core.status import ENDED
from deployments.request_management import news
from deployments.request_management.change import Change
from deployments.request_management.executions import Executions
from deployments.request_management.orders import place_order
from deployments.request_management.schemas import ExecutionOrder
from tests.deployments.request_management.stage import (
    MORNING,
    Stage,
    build_decided,
    build_decision,
    choose_first,
    staged,
)

STAFF = Principal("sam", Role.STAFF)
JOB = ActionKind.DISPATCH_WORK_ORDER


class GivenUp:
    """Execution in which all that it is asked for was given up."""

    def __init__(self, request_id: RequestId | None, *actions: ActionKind) -> None:
        self.request_id, self.actions = request_id, actions or (JOB, ActionKind.NOTIFY)
        self.retried: list[str] = []

    async def describe(self, execution_id: ExecutionId) -> Execution:
        return Execution(
            execution_id=execution_id,
            request_id=self.request_id,
            status=ExecutionStatus.DEAD_LETTERED,
            attempts=3,
            steps=tuple(
                ExecutionStep(action=action, system="desk", status=StepStatus.FAILED) for action in self.actions
            ),
            created_at=MORNING,
            updated_at=MORNING,
            reason="The system is gone.",
        )

    async def retry(self, execution_id: ExecutionId, by: str) -> Execution:
        self.retried.append(execution_id)
        return await self.describe(execution_id)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


def started() -> RequestRecord:
    """The selected option's command is with Execution."""
    # The trace holds nothing that is asked for here.
    record = build_decided(*build_decision()).model_copy(update={"trace": None})
    return dispatched(choose_first(record, MORNING))


def dispatched(record: RequestRecord) -> RequestRecord:
    return done(news.dispatched(record, record.outbox, MORNING)).record


def done(change: Change | None) -> Change:
    assert change is not None
    return change


def execution_of(record: RequestRecord) -> str:
    assert record.request.execution is not None
    return record.request.execution.execution_id


async def retry(stage: Stage, execution_id: str, *actions: ActionKind, record: RequestRecord) -> GivenUp:
    execution = GivenUp(record.request.request_id, *actions)
    await Executions(stage.store, cast(Any, execution), stage.clock).retry(STAFF, execution_id)
    return execution


async def test_the_requests_own_execution_is_tried_again(stage: Stage) -> None:
    record = await stage.add(started())
    execution = await retry(stage, execution_of(record), record=record)
    assert execution.retried == [execution_of(record)]
    assert "execution_retried" in await stage.kinds(record)


@pytest.mark.parametrize("status", sorted(ENDED))
async def test_nothing_is_done_for_a_request_that_has_ended_but_telling(stage: Stage, status: Status) -> None:
    made = started()
    record = await stage.add(made.model_copy(update={"request": made.request.model_copy(update={"status": status})}))
    with pytest.raises(WrongState, match="reopen"):
        await retry(stage, execution_of(record), record=record)
    assert (await retry(stage, "EXE_1_rec1", ActionKind.NOTIFY, record=record)).retried == ["EXE_1_rec1"]
    both = (ActionKind.ALERT_ON_CALL, ActionKind.NOTIFY)
    assert (await retry(stage, "EXE_1_alm1", *both, record=record)).retried == ["EXE_1_alm1"]


@pytest.mark.parametrize("purpose", ["opt", "emg"])
async def test_what_another_execution_took_the_place_of_stays_given_up(stage: Stage, purpose: str) -> None:
    record = await stage.add(started())
    with pytest.raises(WrongState, match="taken the place"):
        await retry(stage, f"EXE_1_{purpose}0", record=record)
    set_aside = started()
    set_aside = set_aside.model_copy(update={"request": set_aside.request.model_copy(update={"execution": None})})
    set_aside = set_aside.model_copy(
        update={"request": set_aside.request.model_copy(update={"request_id": "REQ_other"})}
    )
    other = await stage.add(set_aside)
    with pytest.raises(WrongState, match="taken the place"):
        await retry(stage, f"EXE_1_{purpose}0", record=other)


def an_order(record: RequestRecord, option_id: str | None = None) -> ExecutionOrder:
    parameters = {} if option_id else {"crew": "plumbing", "title": "Another job", "cost_limit_usd": 5.0}
    known = {"request_id": record.request.request_id, "action": JOB, "parameters": parameters, "option_id": option_id}
    return ExecutionOrder.model_validate(known)


async def test_a_plain_order_is_tried_again_beside_the_option(stage: Stage) -> None:
    record = done(place_order(started(), an_order(started()), "EXE_1_ordx", "sam", "corr", MORNING)).record
    stored = await stage.add(record)
    assert (await retry(stage, "EXE_1_ordx", record=stored)).retried == ["EXE_1_ordx"]
    with pytest.raises(WrongState):
        await retry(stage, "EXE_1_ordy", record=stored)


@pytest.mark.parametrize("is_sent", [True, False])
async def test_an_order_of_an_option_is_not_tried_again_after_another(stage: Stage, is_sent: bool) -> None:
    """The option's first execution was given up, then its first order, and the second one carries it out."""
    first = await stage.add(started())
    record = given_up(await stage.get(first))
    ordered = done(
        place_order(record, an_order(record, record.request.selected_option_id), "EXE_1_ord1", "sam", "c", MORNING)
    )
    events, record = [*ordered.events], ordered.record
    if is_sent:
        sent = done(news.dispatched(record, record.outbox, MORNING))
        events, record = [*events, *sent.events], sent.record
    record = given_up(record)
    again = done(
        place_order(record, an_order(record, record.request.selected_option_id), "EXE_1_ord2", "sam", "c", MORNING)
    )
    stored = again.record.model_copy(
        update={"request": again.record.request.model_copy(update={"version": 2}), "last_event": len(events)}
    )
    numbered = tuple(each.model_copy(update={"sequence": place}) for place, each in enumerate(events, start=1))
    await stage.store.save(stored, expected_version=1, events=numbered)
    with pytest.raises(WrongState, match="taken the place"):
        await retry(stage, "EXE_1_ord1", record=stored)
    assert (await retry(stage, "EXE_1_ord2", record=stored)).retried == ["EXE_1_ord2"]


def given_up(record: RequestRecord) -> RequestRecord:
    assert record.request.execution is not None
    summary = record.request.execution.model_copy(update={"status": ExecutionStatus.DEAD_LETTERED})
    return record.model_copy(update={"request": record.request.model_copy(update={"execution": summary})})


async def test_staff_of_other_buildings_find_nothing(stage: Stage) -> None:
    record = await stage.add(started())
    execution = GivenUp(record.request.request_id)
    other = Principal("kim", Role.STAFF, frozenset({"B"}))
    with pytest.raises(NotFound):
        await Executions(stage.store, cast(Any, execution), stage.clock).retry(other, execution_of(record))
    assert execution.retried == []


async def test_what_belongs_to_no_request_is_tried_again(stage: Stage) -> None:
    execution = GivenUp(None)
    await Executions(stage.store, cast(Any, execution), stage.clock).retry(STAFF, "EXE_desk")
    assert execution.retried == ["EXE_desk"]
