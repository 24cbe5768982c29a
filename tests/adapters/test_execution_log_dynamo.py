"""What is particular to the log of executions in DynamoDB: lost answers, other workers' writes, sizes and pointers."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.execution_log_dynamo import CONFLICT_ATTEMPTS, DynamoExecutionLog
from core.errors import StoreUnavailable, TooLarge
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind, StepStatus
from core.labels import Urgency
from core.request import ExecutionId, ExecutionStep, RequestId
from tests.adapters.test_store_dynamo import Wire
from tests.builders import NOON
from tests.dynamo_server import open_execution_log

REFUSED = b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no"}'
STEP = ExecutionStep(action=ActionKind.NOTIFY, system="desk", status=StepStatus.QUEUED)
DONE = STEP.model_copy(update={"status": StepStatus.SUCCEEDED, "external_id": "N1", "attempts": 1})


def command(body: str = "b") -> ExecutionCommand:
    told = {"recipient_kind": "resident", "recipient": "RES_1", "subject": "s", "body": body}
    return ExecutionCommand(
        execution_id=ExecutionId("E1"),
        request_id=RequestId("REQ_1"),
        urgency=Urgency.LOW,
        actions=(ActionCall(action=ActionKind.NOTIFY, parameters=told),),
        correlation_id="c",
        requested_by="system",
    )


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[DynamoExecutionLog]:
    opened = open_execution_log(tmp_path, attempts=2)
    yield opened
    await opened.close()


async def test_a_claim_whose_answer_got_lost_is_still_ones_own(log: DynamoExecutionLog) -> None:
    made = command()
    await log.open(made, (STEP,), now=NOON)
    lost = Wire(log).lose_answer("PutItem")
    assert await log.claim_step(made.execution_id, 0, now=NOON, lease_s=5)
    assert lost == [200]
    execution = await log.get(made.execution_id)
    assert execution is not None
    assert execution.steps[0].attempts == 1


async def test_a_record_whose_answer_got_lost_is_stored_once_with_its_pointer(log: DynamoExecutionLog) -> None:
    made = command()
    await log.open(made, (STEP,), now=NOON)
    lost = Wire(log).lose_answer("TransactWriteItems")
    await log.record_step(made.execution_id, 0, DONE, now=NOON)
    assert lost == [200]
    assert await log.find_step("desk", "N1") == (made, 0)


async def test_a_change_is_tried_again_within_bounds(log: DynamoExecutionLog) -> None:
    made = command()
    await log.open(made, (STEP,), now=NOON)
    refused = Wire(log).answer("PutItem", REFUSED, times=3)
    assert await log.claim_step(made.execution_id, 0, now=NOON, lease_s=5)
    assert len(refused) == 3
    refused = Wire(log).answer("PutItem", REFUSED, times=100)
    with pytest.raises(StoreUnavailable):
        await log.claim_step(made.execution_id, 0, now=NOON + timedelta(seconds=9), lease_s=5)
    assert len(refused) == CONFLICT_ATTEMPTS


async def test_only_an_outside_id_costs_a_transaction(log: DynamoExecutionLog) -> None:
    made, wire = command(), Wire(log)
    await log.open(made, (STEP,), now=NOON)
    await log.claim_step(made.execution_id, 0, now=NOON, lease_s=5)
    await log.record_step(made.execution_id, 0, DONE, now=NOON)
    await log.claim_undo(made.execution_id, 0, now=NOON, lease_s=5)
    await log.record_step(made.execution_id, 0, DONE.model_copy(update={"status": StepStatus.UNDONE}), now=NOON)
    assert (wire.calls["PutItem"], wire.calls["TransactWriteItems"], wire.calls["GetItem"]) == (4, 1, 5)


async def test_a_command_that_no_item_holds_is_refused(log: DynamoExecutionLog) -> None:
    noise = random.Random(1).randbytes(300_000).hex()
    with pytest.raises(TooLarge):
        await log.register(command(noise), (STEP,), now=NOON)
    assert await log.get(ExecutionId("E1")) is None
    await log.register(command(noise[:400_000]), (STEP,), now=NOON)
    found = await log.command(ExecutionId("E1"))
    assert found is not None
    assert found.actions[0].parameters["body"] == noise[:400_000]
