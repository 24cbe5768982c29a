"""What becomes of logs of executions that earlier versions of the program wrote."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.execution_log_sqlite import SqliteExecutionLog
from adapters.sqlite import to_millis
from core.errors import Conflict
from core.execution import ActionCall, ExecutionCommand
from core.execution_labels import ActionKind, ExecutionStatus, StepStatus
from core.labels import Role, Urgency
from core.request import ExecutionId, ExecutionStep, RequestId
from tests.builders import NOON

OLD_SCHEMA = """
    CREATE TABLE executions (
        execution_id TEXT PRIMARY KEY, request_id TEXT, status TEXT NOT NULL, attempts INTEGER NOT NULL,
        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, fingerprint TEXT NOT NULL, command TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE steps (
        execution_id TEXT NOT NULL REFERENCES executions, position INTEGER NOT NULL, action TEXT NOT NULL,
        system TEXT NOT NULL, status TEXT NOT NULL, external_id TEXT, attempts INTEGER NOT NULL, error TEXT,
        claimed_until INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (execution_id, position)
    ) WITHOUT ROWID;
    PRAGMA user_version = 1
"""
MOMENT = to_millis(NOON)
TOLD = {"recipient_kind": "staff_role", "recipient": Role.STAFF, "subject": "s", "body": "b"}
COMMAND = ExecutionCommand(
    execution_id=ExecutionId("E1"),
    request_id=RequestId("REQ_1"),
    urgency=Urgency.HIGH,
    actions=(ActionCall(action=ActionKind.NOTIFY, parameters=TOLD),) * 3,
    correlation_id="c",
    requested_by="system",
)
OLD_COMMAND = (
    '{"execution_id":"%s","request_id":"REQ_1","option_id":null,"urgency":"High","actions":['
    + ",".join(
        [
            '{"action":"notify","parameters":{"recipient_kind":"staff_role","recipient":"staff","subject":"s","body":"b"}}'
        ]
        * 3
    )
    + '],"correlation_id":"c","requested_by":"system"}'
)
STEPS = (
    ("notify", "inbox", "Succeeded", "NTF-1", 1, None, 0),
    ("dispatch_work_order", "operations_desk", "Succeeded", "WO-1", 2, None, 0),
    ("dispatch_work_order", "operations_desk", "Failed", None, 4, 'it said "no"\n\u2028', MOMENT + 5000),
)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteExecutionLog]:
    path = tmp_path / "executions.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(OLD_SCHEMA)
        for name, status in (("E1", "DeadLettered"), ("E2", "Running")):
            row = (name, "REQ_1", status, 3, MOMENT, MOMENT + 1, "f" * 64, OLD_COMMAND % name)
            old.execute("INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            rows = [(name, position, *step) for position, step in enumerate(STEPS)]
            old.executemany("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    upgraded = SqliteExecutionLog(path)
    yield upgraded
    await upgraded.close()


async def test_an_old_file_keeps_every_execution_and_step(log: SqliteExecutionLog) -> None:
    execution = await log.get(ExecutionId("E1"))
    assert execution is not None
    assert (execution.status, execution.attempts, execution.created_at, execution.reason) == (
        ExecutionStatus.DEAD_LETTERED, 3, NOON, None,
    )  # fmt: skip
    told, done, failed = execution.steps
    assert told == ExecutionStep(
        action=ActionKind.NOTIFY, system="inbox", status=StepStatus.SUCCEEDED, external_id="NTF-1", attempts=1,
        is_work_done=True,
    )  # fmt: skip
    assert (done.external_id, done.attempts, done.is_work_done) == ("WO-1", 2, False)
    assert (failed.status, failed.attempts, failed.error) == (StepStatus.FAILED, 4, 'it said "no"\n\u2028')
    assert await log.command(ExecutionId("E1")) == COMMAND


async def test_an_old_execution_is_listed_found_and_carried_on(log: SqliteExecutionLog) -> None:
    assert [one.execution_id for one in (await log.dead_lettered(limit=5, cursor=None)).items] == ["E1"]
    found = await log.find_step("operations_desk", "WO-1")
    assert found is not None
    assert (found[0].execution_id, found[1]) == ("E2", 1)
    again = await log.open(COMMAND, (), now=NOON + timedelta(seconds=2))
    assert [step.status for step in again.steps] == [StepStatus.SUCCEEDED, StepStatus.SUCCEEDED, StepStatus.QUEUED]
    assert not await log.claim_step(COMMAND.execution_id, 2, now=NOON + timedelta(seconds=2), lease_s=9)
    assert await log.claim_step(COMMAND.execution_id, 2, now=NOON + timedelta(seconds=5), lease_s=9)
    with pytest.raises(Conflict):
        await log.open(COMMAND.model_copy(update={"actions": COMMAND.actions[:1]}), (), now=NOON)


async def test_steps_and_dead_letters_are_found_by_an_index(log: SqliteExecutionLog, tmp_path: Path) -> None:
    queries = (
        "SELECT * FROM steps s JOIN executions e USING (execution_id) WHERE s.system = 'x' AND s.external_id = 'y'",
        "SELECT * FROM executions WHERE dead_since IS NOT NULL ORDER BY dead_since DESC, execution_id DESC LIMIT 5",
        "SELECT * FROM executions WHERE status NOT IN ('Succeeded', 'DeadLettered')",
    )
    with closing(sqlite3.connect(tmp_path / "executions.sqlite3")) as connection:
        for query, index in zip(queries, ("outside_ids", "dead_lettered", "unfinished"), strict=True):
            plan = " ".join(str(row) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert index in plan, plan
            assert "TEMP B-TREE" not in plan
