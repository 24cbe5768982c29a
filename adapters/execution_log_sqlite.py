"""The execution log in a SQLite file: executions, their steps, and who is at work on which."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters import execution_log_entry as entries
from adapters.cursor import decode_cursor, encode_cursor
from adapters.execution_log_entry import LogEntry
from adapters.sqlite import Database, from_millis, to_millis
from core.erasure import ErasureScope
from core.errors import BrokenInvariant, StoreUnavailable
from core.execution import Execution, ExecutionCommand
from core.execution_labels import ExecutionStatus
from core.ports.page import Page
from core.request import ExecutionId, ExecutionStep

_FIRST_SCHEMA = """
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
    """
# A step is kept whole as a document, so that a further field needs no further column. A message that was sent has
# nothing left to be waited for; of other work, the old log did not say.
_STEPS_AS_DOCUMENTS = """
    ALTER TABLE executions DROP COLUMN fingerprint;
    ALTER TABLE executions ADD COLUMN reason TEXT;
    ALTER TABLE executions ADD COLUMN dead_since INTEGER;
    UPDATE executions SET dead_since = updated_at WHERE status = 'DeadLettered';
    CREATE INDEX dead_lettered ON executions (dead_since, execution_id) WHERE dead_since IS NOT NULL;
    CREATE INDEX unfinished ON executions (status) WHERE status NOT IN ('Succeeded', 'DeadLettered');
    CREATE TABLE step_documents (
        execution_id TEXT NOT NULL REFERENCES executions,
        position INTEGER NOT NULL,
        status TEXT NOT NULL,
        system TEXT NOT NULL,
        external_id TEXT,
        claimed_until INTEGER NOT NULL DEFAULT 0,
        document TEXT NOT NULL,
        PRIMARY KEY (execution_id, position)
    ) WITHOUT ROWID;
    INSERT INTO step_documents
        SELECT execution_id, position, status, system, external_id, claimed_until, json_object(
            'action', action, 'system', system, 'status', status, 'external_id', external_id,
            'attempts', attempts, 'error', error,
            'is_work_done', json(CASE WHEN status = 'Succeeded' AND action IN ('notify', 'alert_on_call')
                                 THEN 'true' ELSE 'false' END)
        ) FROM steps;
    DROP TABLE steps;
    ALTER TABLE step_documents RENAME TO steps;
    CREATE INDEX outside_ids ON steps (system, external_id) WHERE external_id IS NOT NULL
    """
_SCHEMA = (_FIRST_SCHEMA, _STEPS_AS_DOCUMENTS)
# One statement, so that the steps are those of the same moment as the status.
_READ = (
    "SELECT e.execution_id, e.request_id, e.status, e.attempts, e.created_at, e.updated_at, e.command,"
    " e.reason, e.dead_since, s.claimed_until, s.document FROM {} e JOIN steps s USING (execution_id)"
)
_DEAD = "SELECT * FROM executions WHERE dead_since IS NOT NULL"
_NEWEST_FIRST = "ORDER BY dead_since DESC, execution_id DESC"

Change = Callable[[LogEntry], LogEntry | None]


class SqliteExecutionLog:
    """`ExecutionLog` for the processes of one machine: one transaction reads an execution, changes it and stores it."""

    def __init__(self, path: Path) -> None:
        """Raises `StoreUnavailable`."""
        self._database = Database(path, _SCHEMA, unavailable=StoreUnavailable)

    async def register(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """See the port."""
        start = entries.new_entry(command, steps, now)
        return (await self._database.write(lambda connection: _begin(connection, start))).execution

    async def open(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """See the port."""
        start = entries.new_entry(command, steps, now)

        def begin_and_open(connection: sqlite3.Connection) -> Execution:
            known = _begin(connection, start)
            after = entries.opened(known, now)
            _store(connection, known, after)
            return after.execution

        return await self._database.write(begin_and_open)

    async def get(self, execution_id: ExecutionId) -> Execution | None:
        """See the port."""
        entry = self._database.read(lambda connection: _find(connection, execution_id))
        return None if entry is None else entry.execution

    async def command(self, execution_id: ExecutionId) -> ExecutionCommand | None:
        """See the port."""
        entry = self._database.read(lambda connection: _find(connection, execution_id))
        return None if entry is None else entry.command

    async def claim_step(self, execution_id: ExecutionId, index: int, *, now: datetime, lease_s: float) -> bool:
        """See the port."""
        return await self._change(execution_id, lambda entry: entries.claimed(entry, index, now, lease_s))

    async def claim_undo(self, execution_id: ExecutionId, index: int, *, now: datetime, lease_s: float) -> bool:
        """See the port."""
        return await self._change(execution_id, lambda entry: entries.claimed_to_undo(entry, index, now, lease_s))

    async def record_step(self, execution_id: ExecutionId, index: int, step: ExecutionStep, *, now: datetime) -> None:
        """See the port."""
        await self._change(execution_id, lambda entry: entries.recorded(entry, index, step, now))

    async def finish(self, execution: Execution) -> None:
        """See the port."""
        await self._change(execution.execution_id, lambda entry: entries.finished(entry, execution))

    async def find_step(self, system: str, external_id: str) -> tuple[ExecutionCommand, int] | None:
        """See the port."""
        return self._database.read(lambda connection: _find_step(connection, system, external_id))

    async def dead_lettered(self, *, limit: int, cursor: str | None) -> Page[Execution]:
        """See the port."""
        after = None if cursor is None else decode_cursor(cursor, "dead_lettered", None, (int, str))
        found = self._database.read(lambda connection: _dead_lettered(connection, limit + 1, after))
        last = found[limit - 1] if len(found) > limit else None
        return Page(
            tuple(entry.execution for entry in found[:limit]),
            None
            if last is None or last.dead_since is None
            else encode_cursor("dead_lettered", None, (last.dead_since, last.execution.execution_id)),
        )

    async def unfinished(self, scope: ErasureScope) -> tuple[ExecutionId, ...]:
        """See the port."""
        where = " WHERE status NOT IN ('Succeeded', 'DeadLettered')"
        return await self._database.read_in_thread(lambda connection: _about(connection, scope, where))

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """See the port."""
        found = await self._database.read_in_thread(lambda connection: _about(connection, scope))

        def rewrite(connection: sqlite3.Connection) -> None:
            for execution_id in found:
                entry = _require(connection, execution_id)
                _store(connection, entry, entries.erased(entry, scope))

        await self._database.write(rewrite)
        await self._database.compact()
        return tuple(found)

    async def close(self) -> None:
        """See the port."""
        await self._database.close()

    async def _change(self, execution_id: ExecutionId, change: Change) -> bool:
        """Whether there was anything to store."""

        def apply(connection: sqlite3.Connection) -> bool:
            entry = _find(connection, execution_id)
            after = None if entry is None else change(entry)
            if entry is None or after is None or after == entry:
                return False
            _store(connection, entry, after)
            return True

        return await self._database.write(apply)


def _begin(connection: sqlite3.Connection, start: LogEntry) -> LogEntry:
    known = _find(connection, start.execution.execution_id)
    if known is not None:
        entries.require_same(known, start.command)
        return known
    execution, command = start.execution, start.command.model_dump_json()
    moment = to_millis(execution.created_at)
    connection.execute(
        "INSERT INTO executions VALUES (?, ?, ?, 0, ?, ?, ?, NULL, NULL)",
        (execution.execution_id, execution.request_id, execution.status, moment, moment, command),
    )
    rows = [
        (execution.execution_id, position, step.status, step.system, step.external_id, 0, step.model_dump_json())
        for position, step in enumerate(execution.steps)
    ]
    connection.executemany("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return start


def _store(connection: sqlite3.Connection, before: LogEntry, after: LogEntry) -> None:
    execution = after.execution
    connection.execute(
        "UPDATE executions SET status = ?, attempts = ?, updated_at = ?, reason = ?, dead_since = ?"
        " WHERE execution_id = ?",
        (execution.status, execution.attempts, to_millis(execution.updated_at), execution.reason, after.dead_since,
          execution.execution_id),
    )  # fmt: skip
    if after.command != before.command:
        document = after.command.model_dump_json()
        connection.execute(
            "UPDATE executions SET command = ? WHERE execution_id = ?", (document, execution.execution_id)
        )
    changed = [
        (step.status, step.external_id, until, step.model_dump_json(), execution.execution_id, place)
        for place, (step, until) in enumerate(zip(execution.steps, after.claims, strict=True))
        if step != before.execution.steps[place] or until != before.claims[place]
    ]
    connection.executemany(
        "UPDATE steps SET status = ?, external_id = ?, claimed_until = ?, document = ?"
        " WHERE execution_id = ? AND position = ?",
        changed,
    )


def _find(connection: sqlite3.Connection, execution_id: str) -> LogEntry | None:
    query = f"{_READ.format('executions')} WHERE e.execution_id = ? ORDER BY s.position"
    found = _entries(connection.execute(query, (execution_id,)))
    return found[0] if found else None


def _require(connection: sqlite3.Connection, execution_id: str) -> LogEntry:
    entry = _find(connection, execution_id)
    if entry is None:
        raise BrokenInvariant(f"The execution {execution_id} has no steps.")
    return entry


def _entries(rows: Iterable[tuple[Any, ...]]) -> list[LogEntry]:
    """The executions of joined rows, which lie together in the order of their steps."""
    by_id: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        by_id.setdefault(row[0], []).append(row)
    return [_entry(group) for group in by_id.values()]


def _entry(rows: Sequence[tuple[Any, ...]]) -> LogEntry:
    execution_id, request_id, status, attempts, created_at, updated_at, command, reason, dead_since = rows[0][:9]
    execution = Execution(
        execution_id=execution_id,
        request_id=request_id,
        status=ExecutionStatus(status),
        attempts=attempts,
        steps=tuple(ExecutionStep.model_validate_json(row[10]) for row in rows),
        created_at=from_millis(created_at),
        updated_at=from_millis(updated_at),
        reason=reason,
    )
    return LogEntry(
        command=ExecutionCommand.model_validate_json(command),
        execution=execution,
        claims=tuple(row[9] for row in rows),
        dead_since=dead_since,
    )


def _find_step(connection: sqlite3.Connection, system: str, external_id: str) -> tuple[ExecutionCommand, int] | None:
    row = connection.execute(
        "SELECT e.command, s.position FROM steps s JOIN executions e USING (execution_id)"
        " WHERE s.system = ? AND s.external_id = ?"
        " ORDER BY e.created_at DESC, e.execution_id DESC, s.position DESC LIMIT 1",
        (system, external_id),
    ).fetchone()
    return None if row is None else (ExecutionCommand.model_validate_json(row[0]), row[1])


def _dead_lettered(connection: sqlite3.Connection, limit: int, after: tuple[int | str, ...] | None) -> list[LogEntry]:
    beyond = "" if after is None else " AND (dead_since, execution_id) < (?, ?)"
    page = f"({_DEAD}{beyond} {_NEWEST_FIRST} LIMIT ?)"
    query = f"{_READ.format(page)} ORDER BY e.dead_since DESC, e.execution_id DESC, s.position"
    return _entries(connection.execute(query, (*(after or ()), limit)))


def _about(connection: sqlite3.Connection, scope: ErasureScope, where: str = "") -> tuple[ExecutionId, ...]:
    rows: Iterable[tuple[ExecutionId, str | None, str]] = connection.execute(
        f"SELECT execution_id, request_id, command FROM executions{where}"
    )
    return tuple(one for one, request_id, command in rows if entries.is_about(scope, request_id, command))
