"""The contract of `ExecutionLog`, on every implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.execution_log_sqlite import SqliteExecutionLog
from core.erasure import ERASED, ErasureScope
from core.errors import Conflict, InvalidCursor, StoreUnavailable
from core.execution import ActionCall, Execution, ExecutionCommand
from core.execution_labels import ActionKind, ExecutionStatus, StepStatus
from core.labels import Role, Urgency
from core.ports.execution import ExecutionLog
from core.request import ExecutionId, ExecutionStep, RequestId, ResidentId
from tests.dynamo_server import open_execution_log

NOW = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
Open = Callable[[], ExecutionLog]
LOGS: dict[str, Callable[[Path], ExecutionLog]] = {
    "dynamodb": open_execution_log,
    "sqlite": lambda folder: SqliteExecutionLog(folder / "log.sqlite3"),
}


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
    return [ExecutionStep(action=call.action, system="notifier", status=StepStatus.QUEUED) for call in command.actions]


def ended(status: StepStatus, attempts: int = 1, **fields: Any) -> ExecutionStep:
    return ExecutionStep(action=ActionKind.NOTIFY, system="notifier", status=status, attempts=attempts, **fields)


@pytest.fixture(params=sorted(LOGS))
async def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same log again, as another process would."""
    opened: list[ExecutionLog] = []

    def open_again() -> ExecutionLog:
        opened.append(LOGS[request.param](tmp_path))
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
        (StepStatus.RUNNING, 1),
        (StepStatus.QUEUED, 0),
    ]


async def test_there_is_nothing_to_claim_in_an_unknown_execution(log: ExecutionLog) -> None:
    assert not await log.claim_step(ExecutionId("EXE_none"), 0, now=NOW, lease_s=10)


async def test_recording_a_failed_try_ends_the_claim(log: ExecutionLog) -> None:
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    await log.claim_step(command.execution_id, 0, now=NOW, lease_s=1000)
    failed = ended(StepStatus.QUEUED, error="down")
    await log.record_step(command.execution_id, 0, failed, now=at(1))
    execution = await log.get(command.execution_id)
    assert execution is not None
    assert execution.steps[0] == failed
    assert execution.updated_at == at(1)
    assert await log.claim_step(command.execution_id, 0, now=at(1), lease_s=10)


async def test_a_worker_that_dies_with_a_step_leaves_it_to_the_next(open_log: Open) -> None:
    command = make_command()
    dead, alive = open_log(), open_log()
    await dead.open(command, plan(command), now=NOW)
    assert await dead.claim_step(command.execution_id, 0, now=NOW, lease_s=10)
    await dead.close()
    seen = await alive.open(command, plan(command), now=at(5))
    assert (seen.steps[0].status, seen.steps[0].attempts) == (StepStatus.RUNNING, 1)
    assert not await alive.claim_step(command.execution_id, 0, now=at(5), lease_s=10)
    assert await alive.claim_step(command.execution_id, 0, now=at(10), lease_s=10)
    await alive.record_step(command.execution_id, 0, ended(StepStatus.SUCCEEDED, 2, external_id="N1"), now=at(11))
    execution = await alive.get(command.execution_id)
    assert execution is not None
    assert (execution.steps[0].status, execution.steps[0].attempts) == (StepStatus.SUCCEEDED, 2)


async def test_changes_of_many_workers_at_once_are_all_kept(open_log: Open) -> None:
    logs = [open_log() for _ in range(3)]
    command = make_command(actions=9)
    await logs[0].open(command, plan(command), now=NOW)

    async def carry_out(log: ExecutionLog, index: int) -> bool:
        won = await log.claim_step(command.execution_id, index, now=NOW, lease_s=10)
        if won:
            done = ended(StepStatus.SUCCEEDED, external_id=f"N{index}")
            await log.record_step(command.execution_id, index, done, now=at(1))
        return won

    won = await asyncio.gather(*(carry_out(log, index) for log in logs for index in range(9)))
    assert sum(won) == 9
    execution = await logs[1].get(command.execution_id)
    assert execution is not None
    assert [step.external_id for step in execution.steps] == [f"N{index}" for index in range(9)]
    assert {step.attempts for step in execution.steps} == {1}


@pytest.mark.parametrize("status", [StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.UNDONE, StepStatus.NOT_UNDONE])
async def test_a_settled_step_is_claimed_by_nobody(log: ExecutionLog, status: StepStatus) -> None:
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    await log.record_step(command.execution_id, 0, ended(status), now=NOW)
    assert not await log.claim_step(command.execution_id, 0, now=at(1), lease_s=10)
    assert not await log.claim_undo(command.execution_id, 0, now=at(1), lease_s=10)
    await log.record_step(command.execution_id, 0, ended(StepStatus.QUEUED), now=at(2))
    execution = await log.get(command.execution_id)
    assert execution is not None
    assert execution.steps[0].status is status, "a worker that comes late does not queue it again"


async def test_every_field_of_a_step_is_kept(log: ExecutionLog) -> None:
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    step = ended(
        StepStatus.RUNNING, 3, external_id="N é", error="no\nanswer", is_work_done=True, round=2, attempts_before=1
    )
    assert set(ExecutionStep.model_fields) - step.model_fields_set == set()
    await log.record_step(command.execution_id, 1, step, now=at(1))
    execution = await log.get(command.execution_id)
    assert execution is not None
    assert execution.steps[1] == step


async def succeed(log: ExecutionLog, command: ExecutionCommand, *ids: str) -> Execution:
    execution = await log.open(command, plan(command), now=NOW)
    for index, external_id in enumerate(ids):
        done = ended(StepStatus.SUCCEEDED, external_id=external_id)
        await log.record_step(command.execution_id, index, done, now=NOW)
    return execution


async def test_only_what_succeeded_is_claimed_for_undoing_and_by_one_alone(open_log: Open) -> None:
    logs = [open_log() for _ in range(3)]
    command = make_command()
    await succeed(logs[0], command, "N1")
    assert not await logs[0].claim_undo(command.execution_id, 1, now=at(1), lease_s=10), "it is queued"
    assert not await logs[0].claim_undo(command.execution_id, 7, now=at(1), lease_s=10), "there is none"
    assert not await logs[0].claim_undo(ExecutionId("EXE_none"), 0, now=at(1), lease_s=10)
    claims = [log.claim_undo(command.execution_id, 0, now=at(1), lease_s=10) for log in logs for _ in range(4)]
    assert sum(await asyncio.gather(*claims)) == 1
    execution = await logs[0].get(command.execution_id)
    assert execution is not None
    assert (execution.steps[0].status, execution.steps[0].attempts) == (StepStatus.SUCCEEDED, 1)
    assert await logs[1].claim_undo(command.execution_id, 0, now=at(11), lease_s=10), "the claim has run out"


async def test_what_succeeded_becomes_undone_and_nothing_after_that(log: ExecutionLog) -> None:
    command = make_command()
    await succeed(log, command, "N1")
    await log.claim_undo(command.execution_id, 0, now=at(1), lease_s=10)
    undone = ended(StepStatus.UNDONE, external_id="N1")
    await log.record_step(command.execution_id, 0, undone, now=at(2))
    await log.record_step(command.execution_id, 0, ended(StepStatus.SUCCEEDED, external_id="N1"), now=at(3))
    execution = await log.get(command.execution_id)
    assert execution is not None
    assert execution.steps[0] == undone
    assert not await log.claim_undo(command.execution_id, 0, now=at(20), lease_s=10)


async def test_after_a_dead_letter_what_was_taken_back_begins_another_round(log: ExecutionLog) -> None:
    command = make_command(actions=5)
    execution = await succeed(log, command, "N0", "N1", "N2")
    for index, status in ((1, StepStatus.UNDONE), (2, StepStatus.NOT_UNDONE)):
        await log.record_step(command.execution_id, index, ended(status, external_id=f"N{index}"), now=NOW)
    for index, status in ((3, StepStatus.FAILED), (4, StepStatus.SKIPPED)):
        await log.record_step(command.execution_id, index, ended(status, attempts=2), now=NOW)
    dead = execution.model_copy(update={"status": ExecutionStatus.DEAD_LETTERED, "reason": "refused"})
    await log.finish(dead)
    stored = await log.get(command.execution_id)
    assert stored is not None
    assert (stored.status, stored.reason) == (ExecutionStatus.DEAD_LETTERED, "refused")
    again = await log.open(command, plan(command), now=at(5))
    assert again.reason is None
    assert [(step.status, step.round, step.external_id, step.attempts_before) for step in again.steps] == [
        (StepStatus.SUCCEEDED, 0, "N0", 0),
        (StepStatus.QUEUED, 1, None, 1),
        (StepStatus.NOT_UNDONE, 0, "N2", 0),
        (StepStatus.QUEUED, 0, None, 2),
        (StepStatus.QUEUED, 0, None, 2),
    ]
    late = ended(StepStatus.SUCCEEDED, external_id="N1")
    await log.record_step(command.execution_id, 1, late, now=at(6))
    after = await log.get(command.execution_id)
    assert after is not None
    assert after.steps == again.steps, "a word about an earlier round is too late"


async def test_a_command_is_read_back(log: ExecutionLog) -> None:
    command = make_command(body="ü 🛁")
    assert await log.command(command.execution_id) is None
    await log.register(command, plan(command), now=NOW)
    assert await log.command(command.execution_id) == command


async def test_a_step_is_found_by_what_the_outside_system_calls_it(log: ExecutionLog) -> None:
    first, second = make_command("EXE_1"), make_command("EXE_2")
    await succeed(log, first, "WO-1", "WO-2")
    await succeed(log, second, "WO 3#/é")
    assert await log.find_step("notifier", "WO-2") == (first, 1)
    assert await log.find_step("notifier", "WO 3#/é") == (second, 0)
    assert await log.find_step("another", "WO-2") is None
    assert await log.find_step("notifier", "WO-22") is None


async def test_an_id_that_two_executions_bear_is_the_newer_ones(log: ExecutionLog) -> None:
    older, newer = make_command("EXE_Z"), make_command("EXE_A")
    await succeed(log, older, "N1")
    await log.register(newer, plan(newer), now=at(1))
    await succeed(log, newer, "N1")
    assert await log.find_step("notifier", "N1") == (newer, 0)


async def test_an_id_of_a_step_that_begins_anew_is_no_longer_found(log: ExecutionLog) -> None:
    command = make_command()
    execution = await succeed(log, command, "N1")
    await log.record_step(command.execution_id, 0, ended(StepStatus.UNDONE, external_id="N1"), now=NOW)
    assert await log.find_step("notifier", "N1") == (command, 0)
    await log.finish(execution.model_copy(update={"status": ExecutionStatus.DEAD_LETTERED}))
    await log.open(command, plan(command), now=at(1))
    assert await log.find_step("notifier", "N1") is None


async def dead_letter(log: ExecutionLog, name: str, seconds: float) -> Execution:
    command = make_command(name)
    execution = await log.open(command, plan(command), now=NOW)
    changes = {"status": ExecutionStatus.DEAD_LETTERED, "updated_at": at(seconds), "reason": f"why {name}"}
    await log.finish(execution.model_copy(update=changes))
    stored = await log.get(command.execution_id)
    assert stored is not None
    return stored


async def test_what_waits_for_a_person_is_listed_newest_first(log: ExecutionLog) -> None:
    assert (await log.dead_lettered(limit=5, cursor=None)).items == ()
    dead = [await dead_letter(log, name, seconds) for name, seconds in (("E1", 2), ("E2", 1), ("E3", 3), ("E4", 1))]
    other = make_command("E5")
    await log.open(other, plan(other), now=NOW)
    listed: list[Execution] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = await log.dead_lettered(limit=2, cursor=cursor)
        listed += page.items
        cursor, pages = page.next_cursor, pages + 1
    assert listed == [dead[2], dead[0], dead[3], dead[1]]
    assert pages == 2
    again = make_command("E3")
    await log.open(again, plan(again), now=at(9))
    assert [one.execution_id for one in (await log.dead_lettered(limit=9, cursor=None)).items] == ["E1", "E4", "E2"]


async def test_a_second_dead_letter_keeps_the_place_in_the_list(log: ExecutionLog) -> None:
    first = await dead_letter(log, "E1", 1)
    await dead_letter(log, "E2", 2)
    await log.finish(first.model_copy(update={"updated_at": at(5), "reason": "again"}))
    page = await log.dead_lettered(limit=9, cursor=None)
    assert [(one.execution_id, one.reason) for one in page.items] == [("E2", "why E2"), ("E1", "again")]


@pytest.mark.parametrize("cursor", ["x", "eyJsaXN0IjoiYSJ9", "é", ""])
async def test_a_cursor_of_another_list_is_refused(log: ExecutionLog, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        await log.dead_lettered(limit=2, cursor=cursor)


SCOPE = ErasureScope("RES_1", ResidentId("RES_ERASED_0123456789abcdef"), frozenset({"REQ_1"}))


def command_to(execution_id: str, request_id: str | None, recipient: str) -> ExecutionCommand:
    command = make_command(execution_id, actions=1)
    told = {"recipient_kind": "resident", "recipient": recipient, "subject": "s", "body": "zebrafinch"}
    call = ActionCall(action=ActionKind.NOTIFY, parameters=told)
    return command.model_copy(
        update={"request_id": request_id and RequestId(request_id), "actions": (call,), "requested_by": "sam"}
    )


async def test_what_is_still_at_work_for_a_resident_is_named(log: ExecutionLog) -> None:
    for name, request_id, recipient in (
        ("E1", "REQ_1", "RES_2"), ("E2", None, "RES_1"), ("E3", "REQ_11", "RES_11"), ("E4", "REQ_1", "RES_2"),
        ("E5", "REQ_1", "RES_1"), ("E6", "REQ_1", "RES_1"),
    ):  # fmt: skip
        made = command_to(name, request_id, recipient)
        await log.register(made, plan(made), now=NOW)
    for name, status in (
        ("E4", ExecutionStatus.SUCCEEDED), ("E5", ExecutionStatus.DEAD_LETTERED), ("E6", ExecutionStatus.FAILED)
    ):  # fmt: skip
        execution = await log.get(ExecutionId(name))
        assert execution is not None
        await log.finish(execution.model_copy(update={"status": status}))
    assert set(await log.unfinished(SCOPE)) == {"E1", "E2", "E6"}


async def test_erasing_keeps_what_was_done_and_forgets_the_words(log: ExecutionLog) -> None:
    failed = ended(StepStatus.FAILED, 2, external_id="N1", error="zebrafinch")
    for name, request_id, recipient in (("E1", "REQ_1", "RES_2"), ("E2", None, "RES_1"), ("E3", "REQ_11", "RES_11")):
        made = command_to(name, request_id, recipient)
        execution = await log.open(made, plan(made), now=NOW)
        await log.record_step(made.execution_id, 0, failed, now=NOW)
        dead = {"status": ExecutionStatus.DEAD_LETTERED, "reason": "zebrafinch"}
        await log.finish(execution.model_copy(update=dead))
    other = await log.get(ExecutionId("E3")), await log.command(ExecutionId("E3"))
    for _ in range(2):
        assert set(await log.erase(SCOPE)) == {"E1", "E2"}, "what was erased before is named again"
    for name in ("E1", "E2"):
        found, command = await log.get(ExecutionId(name)), await log.command(ExecutionId(name))
        assert found is not None
        assert command is not None
        assert found.steps == (failed.model_copy(update={"error": ERASED}),)
        assert found.reason == ERASED
        assert "zebrafinch" not in command.model_dump_json()
        assert "RES_1" not in command.model_dump_json().replace(SCOPE.pseudonym, "")
    assert (await log.get(ExecutionId("E3")), await log.command(ExecutionId("E3"))) == other


async def test_a_step_that_succeeded_stays_so(log: ExecutionLog) -> None:
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    await log.claim_step(command.execution_id, 0, now=NOW, lease_s=10)
    done = ended(StepStatus.SUCCEEDED, external_id="NTF-1")
    await log.record_step(command.execution_id, 0, done, now=NOW)
    assert not await log.claim_step(command.execution_id, 0, now=at(100), lease_s=10)
    await log.record_step(command.execution_id, 0, ended(StepStatus.FAILED, error="late"), now=at(101))
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
    await log.record_step(command.execution_id, 0, ended(StepStatus.FAILED, error="no"), now=NOW)
    await log.finish(execution.model_copy(update={"status": ExecutionStatus.FAILED}))
    again = await log.open(command, plan(command), now=at(1))
    assert again.status is ExecutionStatus.RUNNING
    assert again.steps[0].status is StepStatus.FAILED


async def test_opening_a_dead_lettered_execution_starts_it_anew(log: ExecutionLog) -> None:
    command = make_command()
    execution = await log.open(command, plan(command), now=NOW)
    done = ended(StepStatus.SUCCEEDED, external_id="NTF-1")
    await log.record_step(command.execution_id, 0, done, now=NOW)
    await log.record_step(command.execution_id, 1, ended(StepStatus.FAILED, error="no"), now=NOW)
    await log.finish(execution.model_copy(update={"status": ExecutionStatus.DEAD_LETTERED}))
    again = await log.open(command, plan(command), now=at(1))
    assert again.status is ExecutionStatus.RUNNING
    assert again.steps == (done, ended(StepStatus.QUEUED, error="no", attempts_before=1))


async def test_what_was_written_is_there_for_another_process(open_log: Open) -> None:
    log = open_log()
    command = make_command()
    await log.open(command, plan(command), now=NOW)
    await log.record_step(command.execution_id, 1, ended(StepStatus.SUCCEEDED, external_id="é"), now=at(1))
    assert await open_log().get(command.execution_id) == await log.get(command.execution_id)


async def test_a_closed_log_is_unavailable(log: ExecutionLog) -> None:
    await log.close()
    with pytest.raises(StoreUnavailable):
        await log.get(ExecutionId("EXE_1"))
