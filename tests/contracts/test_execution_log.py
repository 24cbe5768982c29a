"""The contract of `ExecutionLog`, on every implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.execution_log_sqlite import SqliteExecutionLog
from core.errors import Conflict, StoreUnavailable
from core.labels import ActionKind, ExecutionStatus, Role, Urgency
from core.messages import ActionCall, ExecutionCommand
from core.ports.execution import ExecutionLog
from core.request import ExecutionId, ExecutionStep, RequestId

NOW = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
Open = Callable[[], ExecutionLog]


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def make_command(execution_id: str = "EXE_1", body: str = "hello", actions: int = 2) -> ExecutionCommand:
    call = ActionCall(
        action=ActionKind.NOTIFY,
        parameters={"recipient_kind": "staff_role", "recipient": Role.STAFF, "subject": "s", "body": body},
    )
    return ExecutionCommand(
        execution_id=ExecutionId(execution_id),
        request_id=RequestId("REQ_1"),
        urgency=Urgency.HIGH,
        actions=(call,) * actions,
        correlation_id="c",
        requested_by="system",
    )


def plan(command: ExecutionCommand) -> list[ExecutionStep]:
    return [
        ExecutionStep(action=call.action, system="notifier", status=ExecutionStatus.QUEUED) for call in command.actions
    ]


def ended(status: ExecutionStatus, attempts: int = 1, **fields: str) -> ExecutionStep:
    return ExecutionStep(action=ActionKind.NOTIFY, system="notifier", status=status, attempts=attempts, **fields)


@pytest.fixture(params=["sqlite"])
async def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same log again, as another process would."""
    opened: list[ExecutionLog] = []

    def open_again() -> ExecutionLog:
        opened.append({"sqlite": lambda: SqliteExecutionLog(tmp_path / "log.sqlite3")}[request.param]())
        return opened[-1]

    yield open_again
    for log in opened:
        await log.close()


@pytest.fixture
def log(open_log: Open) -> ExecutionLog:
    return open_log()


async def test_an_unknown_execution_has_no_log(log: ExecutionLog) -> None:
    assert await log.get(ExecutionId("EXE_none")) is None


async def test_registering_starts_a_queued_log_without_an_attempt(log: ExecutionLog) -> None:
    command = make_command()
    registered = await log.register(command, plan(command), now=NOW)
    assert registered.status is ExecutionStatus.QUEUED
    assert registered.attempts == 0
    assert registered.steps == tuple(plan(command))
    assert registered.created_at == registered.updated_at == NOW
    assert registered.request_id == "REQ_1"
    assert await log.get(command.execution_id) == registered


async def test_registering_again_changes_nothing(log: ExecutionLog) -> None:
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    again = await log.register(command, plan(command), now=at(5))
    assert again.status is ExecutionStatus.RUNNING
    assert again.attempts == 1
    assert again.created_at == NOW


async def test_each_opening_counts_an_attempt(log: ExecutionLog) -> None:
    command = make_command()
    await log.register(command, plan(command), now=NOW)
    first = await log.open(command, plan(command), now=at(1))
    second = await log.open(command, plan(command), now=at(2))
    assert (first.status, first.attempts, second.attempts) == (ExecutionStatus.RUNNING, 1, 2)
    assert second.created_at == NOW
    assert second.updated_at == at(2)


async def test_the_same_id_for_other_actions_is_a_conflict(log: ExecutionLog) -> None:
    command, other = make_command(), make_command(body="something else")
    before = await log.open(command, plan(command), now=NOW)
    with pytest.raises(Conflict):
        await log.open(other, plan(other), now=at(1))
    with pytest.raises(Conflict):
        await log.register(other, plan(other), now=at(1))
    assert await log.get(command.execution_id) == before


async def test_another_correlation_is_still_the_same_command(log: ExecutionLog) -> None:
    command = make_command()
    await log.register(command, plan(command), now=NOW)
    repeated = command.model_copy(update={"correlation_id": "another", "requested_by": "somebody"})
    assert (await log.register(repeated, plan(command), now=NOW)).execution_id == command.execution_id


async def test_a_claim_is_exclusive_until_its_lease_ends(open_log: Open) -> None:
    log, other_process = open_log(), open_log()
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    assert await log.claim_step(command.execution_id, 0, now=NOW, lease_s=10)
    assert not await other_process.claim_step(command.execution_id, 0, now=at(9.9), lease_s=10)
    assert await other_process.claim_step(command.execution_id, 1, now=at(1), lease_s=10)
    assert await other_process.claim_step(command.execution_id, 0, now=at(10), lease_s=10)


async def test_of_many_claims_at_once_one_wins(open_log: Open) -> None:
    logs = [open_log() for _ in range(3)]
    command = make_command()
    await logs[0].open(command, plan(command), now=NOW)
    claims = [log.claim_step(command.execution_id, 0, now=NOW, lease_s=10) for log in logs for _ in range(10)]
    assert sum(await asyncio.gather(*claims)) == 1


async def test_a_claim_shows_the_step_as_running_and_counts_its_attempt(log: ExecutionLog) -> None:
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    await log.claim_step(command.execution_id, 0, now=NOW, lease_s=10)
    execution = await log.get(command.execution_id)
    assert execution is not None
    assert [(step.status, step.attempts) for step in execution.steps] == [
        (ExecutionStatus.RUNNING, 1),
        (ExecutionStatus.QUEUED, 0),
    ]


async def test_there_is_nothing_to_claim_in_an_unknown_execution(log: ExecutionLog) -> None:
    assert not await log.claim_step(ExecutionId("EXE_none"), 0, now=NOW, lease_s=10)


async def test_recording_a_failed_try_ends_the_claim(log: ExecutionLog) -> None:
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    await log.claim_step(command.execution_id, 0, now=NOW, lease_s=1000)
    failed = ended(ExecutionStatus.QUEUED, error="down")
    await log.record_step(command.execution_id, 0, failed, now=at(1))
    execution = await log.get(command.execution_id)
    assert execution is not None
    assert execution.steps[0] == failed
    assert execution.updated_at == at(1)
    assert await log.claim_step(command.execution_id, 0, now=at(1), lease_s=10)


async def test_a_step_that_succeeded_stays_so(log: ExecutionLog) -> None:
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    await log.claim_step(command.execution_id, 0, now=NOW, lease_s=10)
    done = ended(ExecutionStatus.SUCCEEDED, external_id="NTF-1")
    await log.record_step(command.execution_id, 0, done, now=NOW)
    assert not await log.claim_step(command.execution_id, 0, now=at(100), lease_s=10)
    await log.record_step(command.execution_id, 0, ended(ExecutionStatus.FAILED, error="late"), now=at(101))
    execution = await log.get(command.execution_id)
    assert execution is not None
    assert execution.steps[0] == done


async def test_an_execution_that_succeeded_stays_so(log: ExecutionLog) -> None:
    command = make_command()
    execution = await log.open(command, plan(command), now=NOW)
    await log.finish(execution.model_copy(update={"status": ExecutionStatus.SUCCEEDED, "updated_at": at(1)}))
    await log.finish(execution.model_copy(update={"status": ExecutionStatus.FAILED, "updated_at": at(2)}))
    reopened = await log.open(command, plan(command), now=at(3))
    assert (reopened.status, reopened.attempts, reopened.updated_at) == (ExecutionStatus.SUCCEEDED, 1, at(1))


async def test_opening_after_a_failed_attempt_keeps_refused_steps_refused(log: ExecutionLog) -> None:
    command = make_command()
    execution = await log.open(command, plan(command), now=NOW)
    await log.record_step(command.execution_id, 0, ended(ExecutionStatus.FAILED, error="no"), now=NOW)
    await log.finish(execution.model_copy(update={"status": ExecutionStatus.FAILED}))
    again = await log.open(command, plan(command), now=at(1))
    assert again.status is ExecutionStatus.RUNNING
    assert again.steps[0].status is ExecutionStatus.FAILED


async def test_opening_a_dead_lettered_execution_starts_it_anew(log: ExecutionLog) -> None:
    command = make_command()
    execution = await log.open(command, plan(command), now=NOW)
    done = ended(ExecutionStatus.SUCCEEDED, external_id="NTF-1")
    await log.record_step(command.execution_id, 0, done, now=NOW)
    await log.record_step(command.execution_id, 1, ended(ExecutionStatus.FAILED, error="no"), now=NOW)
    await log.finish(execution.model_copy(update={"status": ExecutionStatus.DEAD_LETTERED}))
    again = await log.open(command, plan(command), now=at(1))
    assert again.status is ExecutionStatus.RUNNING
    assert again.steps == (done, ended(ExecutionStatus.QUEUED, error="no"))


async def test_what_was_written_is_there_for_another_process(open_log: Open) -> None:
    log = open_log()
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    await log.record_step(command.execution_id, 1, ended(ExecutionStatus.SUCCEEDED, external_id="é"), now=at(1))
    assert await open_log().get(command.execution_id) == await log.get(command.execution_id)


async def test_a_closed_log_is_unavailable(log: ExecutionLog) -> None:
    await log.close()
    with pytest.raises(StoreUnavailable):
        await log.get(ExecutionId("EXE_1"))
