"""The execution log in a SQLite file: executions, their steps, and who is at work on which."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.sqlite import Database, from_millis, to_millis
from core.erasure import ERASED, ErasureScope
from core.errors import BrokenInvariant, Conflict, StoreUnavailable
from core.labels import ExecutionStatus
from core.messages import Execution, ExecutionCommand
from core.request import ExecutionId, ExecutionStep

_SCHEMA = (
    """
    CREATE TABLE executions (
        execution_id TEXT PRIMARY KEY,
        request_id TEXT,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        command TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE steps (
        execution_id TEXT NOT NULL REFERENCES executions,
        position INTEGER NOT NULL,
        action TEXT NOT NULL,
        system TEXT NOT NULL,
        status TEXT NOT NULL,
        external_id TEXT,
        attempts INTEGER NOT NULL,
        error TEXT,
        claimed_until INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (execution_id, position)
    ) WITHOUT ROWID
    """,
)


class SqliteExecutionLog:
    """`ExecutionLog` for the processes of one machine. A step that succeeded, or an execution, never changes back.

    Opening an execution that was dead-lettered starts it anew: steps that failed may be tried again. `register` and
    `open` raise `Conflict` where the id was used for another request or for other actions.
    """

    def __init__(self, path: Path) -> None:
        """Raises `StoreUnavailable`."""
        self._database = Database(path, _SCHEMA, unavailable=StoreUnavailable)

    async def register(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """Start the log of an execution that waits in the queue; return it as it stands."""

        def register(connection: sqlite3.Connection) -> Execution:
            _insert(connection, command, steps, to_millis(now))
            return _require(connection, command.execution_id)

        return await self._database.write(register)

    async def open(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """Count an attempt, unless it succeeded already, and return it as it stands."""

        def start(connection: sqlite3.Connection) -> Execution:
            _insert(connection, command, steps, to_millis(now))
            connection.execute(
                "UPDATE steps SET status = 'Queued' WHERE execution_id = ?1 AND status = 'Failed'"
                " AND (SELECT status FROM executions WHERE execution_id = ?1) = 'DeadLettered'",
                (command.execution_id,),
            )
            connection.execute(
                "UPDATE executions SET attempts = attempts + 1, status = 'Running', updated_at = ?"
                " WHERE execution_id = ? AND status != 'Succeeded'",
                (to_millis(now), command.execution_id),
            )
            return _require(connection, command.execution_id)

        return await self._database.write(start)

    async def get(self, execution_id: ExecutionId) -> Execution | None:
        """The log, or None where there is none."""
        return self._database.read(lambda connection: _read(connection, execution_id))

    async def claim_step(self, execution_id: ExecutionId, index: int, *, now: datetime, lease_s: float) -> bool:
        """Take a step and count its attempt; False where it succeeded already or another worker holds it."""
        moment = to_millis(now)

        def claim(connection: sqlite3.Connection) -> bool:
            claimed = connection.execute(
                "UPDATE steps SET status = 'Running', attempts = attempts + 1, claimed_until = ?"
                " WHERE execution_id = ? AND position = ? AND status != 'Succeeded' AND claimed_until <= ?",
                (moment + round(lease_s * 1000), execution_id, index, moment),
            )
            return claimed.rowcount == 1

        return await self._database.write(claim)

    async def record_step(self, execution_id: ExecutionId, index: int, step: ExecutionStep, *, now: datetime) -> None:
        """Store what came of a step and end the claim; nothing where it has succeeded already."""

        def record(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE steps SET status = ?, external_id = ?, attempts = ?, error = ?, claimed_until = 0"
                " WHERE execution_id = ? AND position = ? AND status != 'Succeeded'",
                (step.status, step.external_id, step.attempts, step.error, execution_id, index),
            )
            connection.execute(
                "UPDATE executions SET updated_at = ? WHERE execution_id = ?", (to_millis(now), execution_id)
            )

        await self._database.write(record)

    async def finish(self, execution: Execution) -> None:
        """Store the execution's status; nothing where it has succeeded already."""

        def finish(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE executions SET status = ?, updated_at = ? WHERE execution_id = ? AND status != 'Succeeded'",
                (execution.status, to_millis(execution.updated_at), execution.execution_id),
            )

        await self._database.write(finish)

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Rewrite the commands that are for the requests or name the resident, and forget why their steps failed."""
        found = await self._database.read_in_thread(lambda connection: _holding(connection, scope))

        def rewrite(connection: sqlite3.Connection) -> None:
            for execution_id, command in found.items():
                _erase(connection, execution_id, scope.command(ExecutionCommand.model_validate_json(command)))

        await self._database.write(rewrite)
        await self._database.compact()
        return tuple(found)

    async def close(self) -> None:
        """Give back connections and threads."""
        await self._database.close()


def _holding(connection: sqlite3.Connection, scope: ErasureScope) -> dict[str, str]:
    named = (json.dumps(scope.resident_id), json.dumps(scope.pseudonym))
    rows: Iterable[tuple[str, str | None, str]] = connection.execute(
        "SELECT execution_id, request_id, command FROM executions"
    )
    return {
        execution_id: command
        for execution_id, request_id, command in rows
        if request_id in scope.request_ids or any(name in command for name in named)
    }


def _erase(connection: sqlite3.Connection, execution_id: str, command: ExecutionCommand) -> None:
    connection.execute(
        "UPDATE executions SET command = ?, fingerprint = ? WHERE execution_id = ?",
        (command.model_dump_json(), _fingerprint(command), execution_id),
    )
    connection.execute(
        "UPDATE steps SET error = ? WHERE execution_id = ? AND error IS NOT NULL", (ERASED, execution_id)
    )


def _insert(
    connection: sqlite3.Connection, command: ExecutionCommand, steps: Sequence[ExecutionStep], moment: int
) -> None:
    fingerprint = _fingerprint(command)
    known = connection.execute(
        "SELECT fingerprint FROM executions WHERE execution_id = ?", (command.execution_id,)
    ).fetchone()
    if known is not None:
        if known[0] != fingerprint:
            raise Conflict(f"The execution id {command.execution_id} was used for other actions.")
        return
    connection.execute(
        "INSERT INTO executions VALUES (?, ?, 'Queued', 0, ?, ?, ?, ?)",
        (command.execution_id, command.request_id, moment, moment, fingerprint, command.model_dump_json()),
    )
    connection.executemany(
        "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
        [
            (command.execution_id, position, s.action, s.system, s.status, s.external_id, s.attempts, s.error)
            for position, s in enumerate(steps)
        ],
    )


def _fingerprint(command: ExecutionCommand) -> str:
    document = command.model_dump_json(include={"request_id", "actions"})
    return hashlib.sha256(document.encode()).hexdigest()


def _require(connection: sqlite3.Connection, execution_id: ExecutionId) -> Execution:
    execution = _read(connection, execution_id)
    if execution is None:
        raise BrokenInvariant(f"The execution {execution_id} has no steps.")
    return execution


def _read(connection: sqlite3.Connection, execution_id: ExecutionId) -> Execution | None:
    # One statement, so that the steps are those of the same moment as the status.
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT e.request_id, e.status, e.attempts, e.created_at, e.updated_at,"
        " s.action, s.system, s.status, s.external_id, s.attempts, s.error"
        " FROM executions e JOIN steps s USING (execution_id) WHERE execution_id = ? ORDER BY s.position",
        (execution_id,),
    ).fetchall()
    if not rows:
        return None
    request_id, status, attempts, created_at, updated_at = rows[0][:5]
    names = ("action", "system", "status", "external_id", "attempts", "error")
    return Execution(
        execution_id=execution_id,
        request_id=request_id,
        status=ExecutionStatus(status),
        attempts=attempts,
        steps=tuple(ExecutionStep.model_validate(dict(zip(names, row[5:], strict=True))) for row in rows),
        created_at=from_millis(created_at),
        updated_at=from_millis(updated_at),
    )
