"""The execution log in DynamoDB, for the workers of any number of machines.

An execution is one item with its steps inside, and every change of it one write on condition of the version that was
read. What outside systems called a step lies in a second table, written in the same transaction.
"""

import asyncio
import hashlib
import random
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from adapters import execution_log_entry as entries
from adapters.cursor import decode_cursor, encode_cursor
from adapters.dynamo import Action, ConditionFailed, Dynamo, Selection
from adapters.dynamo_tables import DEAD_LETTERED, EXECUTIONS, OUTSIDE_IDS
from adapters.dynamo_values import Expression, Item, Value, Wire, from_wire, to_wire
from adapters.execution_log_entry import LogEntry
from adapters.sqlite import to_millis
from core.erasure import ErasureScope
from core.errors import InvalidCursor, StoreUnavailable, TooLarge
from core.execution import Execution, ExecutionCommand
from core.ports.page import Page
from core.request import ExecutionId, ExecutionStep

BODY_BYTES = 380_000
"""Compressed; DynamoDB takes items of 400 KB."""
COMMAND_BYTES = 250_000
"""Compressed, of an execution that begins; the rest is room for what comes of its steps."""
CONFLICT_ATTEMPTS = 12
"""How often one change is tried while other workers change the same execution."""
CONFLICT_WAIT_S = 0.02
_DEAD_LIST = "dead"

Change = Callable[[LogEntry], LogEntry | None]


class DynamoExecutionLog:
    """An `ExecutionLog` in the tables of executions beside the requests' one."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        """`table` is the requests' table. Closing the log closes `dynamo`."""
        self._dynamo = dynamo
        self._table = EXECUTIONS.format(table)
        self._outside_ids = OUTSIDE_IDS.format(table)

    async def register(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """See the port. Raises `TooLarge` for a command that DynamoDB has no room for; so does `open`."""
        return (await self._begin(entries.new_entry(command, steps, now), opened_at=None)).execution

    async def open(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """See the port."""
        return (await self._begin(entries.new_entry(command, steps, now), opened_at=now)).execution

    async def get(self, execution_id: ExecutionId) -> Execution | None:
        """See the port."""
        stored = await self._find(execution_id)
        return None if stored is None else _entry(stored).execution

    async def command(self, execution_id: ExecutionId) -> ExecutionCommand | None:
        """See the port."""
        stored = await self._find(execution_id)
        return None if stored is None else _entry(stored).command

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
        given = Selection(
            self._outside_ids, "outside_id", _outside_id(system, external_id), descending=True, consistent=True
        )
        for pointer in await self._dynamo.all(given):
            stored = await self._find(pointer["execution_id"])
            entry, position = None if stored is None else _entry(stored), int(pointer["position"])
            if entry is not None and _bears(entry.execution.steps[position], system, external_id):
                return entry.command, position
        return None

    async def dead_lettered(self, *, limit: int, cursor: str | None) -> Page[Execution]:
        """See the port. A change shows in the list after milliseconds."""
        after = None if cursor is None else _place(cursor)
        listed = Selection(
            self._table, "dead_list", _DEAD_LIST, DEAD_LETTERED.name, "dead_place", high=after, descending=True
        )
        items: list[Item] = []
        start = None
        # One more than asked for tells whether there is a next page; a call gives 1 MB at most.
        while len(items) <= limit:
            found, start = await self._dynamo.page(listed, limit=limit + 1 - len(items), start=start)
            items += found
            if start is None:
                break
        last = _entry(items[limit - 1]) if len(items) > limit else None
        return Page(
            tuple(_entry(item).execution for item in items[:limit]),
            None
            if last is None or last.dead_since is None
            else encode_cursor("dead_lettered", None, (last.dead_since, last.execution.execution_id)),
        )

    async def unfinished(self, scope: ErasureScope) -> tuple[ExecutionId, ...]:
        """See the port. Reads the whole table."""
        return tuple([entry.execution.execution_id async for entry in self._about(scope) if entry.is_unfinished])

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """See the port. Reads the whole table."""
        found = [entry.execution.execution_id async for entry in self._about(scope)]
        for execution_id in found:
            await self._change(execution_id, lambda entry: entries.erased(entry, scope))
        return tuple(found)

    async def close(self) -> None:
        """See the port."""
        await self._dynamo.close()

    async def _begin(self, start: LogEntry, opened_at: datetime | None) -> LogEntry:
        execution_id = start.execution.execution_id
        for attempt in range(CONFLICT_ATTEMPTS):
            stored = await self._find(execution_id)
            known = start if stored is None else _entry(stored)
            entries.require_same(known, start.command)
            after = known if opened_at is None else entries.opened(known, opened_at)
            if stored is not None and after == known:
                return after
            if await self._store(None if stored is None else stored["version"], known, after):
                return after
            await _pause(attempt)
        raise _contended(execution_id)

    async def _change(self, execution_id: ExecutionId, change: Change) -> bool:
        """Whether there was anything to store."""
        for attempt in range(CONFLICT_ATTEMPTS):
            stored = await self._find(execution_id)
            before = None if stored is None else _entry(stored)
            after = None if before is None else change(before)
            if stored is None or before is None or after is None or after == before:
                return False
            if await self._store(stored["version"], before, after):
                return True
            await _pause(attempt)
        raise _contended(execution_id)

    async def _store(self, version: int | None, before: LogEntry, after: LogEntry) -> bool:
        """False where another worker changed it since it was read."""
        token = uuid4().hex
        item = _item(after, is_new=version is None) | {"version": (version or 0) + 1, "write_token": token}
        pointers = [self._pointer(after, position) for position in _newly_named(before, after)]
        try:
            await self._dynamo.write([*pointers, self._put(item, version)])
        except ConditionFailed as refused:
            # A call that was repeated because its answer got lost finds its own write.
            return refused.item is not None and refused.item.get("write_token") == token
        return True

    def _put(self, item: dict[str, Value | None], version: int | None) -> Action:
        expression = Expression()
        condition = (
            f"attribute_not_exists({expression.name('execution_id')})"
            if version is None
            else f"{expression.name('version')} = {expression.value(version)}"
        )
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": to_wire(item),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {"Put": put | expression.arguments()}

    def _pointer(self, entry: LogEntry, position: int) -> Action:
        execution, step = entry.execution, entry.execution.steps[position]
        item: dict[str, Value] = {
            "outside_id": _outside_id(step.system, step.external_id or ""),
            "place": f"{to_millis(execution.created_at):015d}#{execution.execution_id}#{position:05d}",
            "execution_id": execution.execution_id,
            "position": position,
        }
        return {"Put": {"TableName": self._outside_ids, "Item": to_wire(item)}}

    async def _find(self, execution_id: str) -> Item | None:
        return await self._dynamo.get(self._table, {"execution_id": execution_id})

    async def _about(self, scope: ErasureScope) -> AsyncIterator[LogEntry]:
        """What concerns the scope; erasing is rare enough to read the whole table for."""
        arguments: dict[str, Any] = {"TableName": self._table, "ConsistentRead": True}
        start: Wire | None = None
        while True:
            paging: dict[str, Any] = {} if start is None else {"ExclusiveStartKey": start}
            found = await self._dynamo.call("scan", **arguments, **paging)
            for wire in found["Items"]:
                entry = _entry(from_wire(wire))
                if entries.is_about(scope, entry.execution.request_id, entry.command.model_dump_json()):
                    yield entry
            if (start := found.get("LastEvaluatedKey")) is None:
                return


def _item(entry: LogEntry, *, is_new: bool) -> dict[str, Value | None]:
    body = zlib.compress(entry.model_dump_json().encode())
    if len(body) > (COMMAND_BYTES if is_new else BODY_BYTES):
        raise TooLarge("The execution is larger than the log takes.")
    execution, is_dead = entry.execution, entry.dead_since is not None
    return {
        "execution_id": execution.execution_id,
        "status": execution.status.value,
        "dead_list": _DEAD_LIST if is_dead else None,
        "dead_place": _dead_place(entry.dead_since or 0, execution.execution_id) if is_dead else None,
        "body": body,
    }


def _entry(item: Item) -> LogEntry:
    return LogEntry.model_validate_json(zlib.decompress(item["body"]))


def _newly_named(before: LogEntry, after: LogEntry) -> list[int]:
    """The steps that an outside system has just given an id to."""
    pairs = zip(before.execution.steps, after.execution.steps, strict=True)
    return [
        position
        for position, (old, new) in enumerate(pairs)
        if new.external_id is not None and (old.external_id, old.system) != (new.external_id, new.system)
    ]


def _bears(step: ExecutionStep, system: str, external_id: str) -> bool:
    return (step.system, step.external_id) == (system, external_id)


def _outside_id(system: str, external_id: str) -> str:
    """A key of one length: nobody bounds what outside systems call things."""
    return hashlib.sha256(f"{quote(system, safe='')}#{external_id}".encode()).hexdigest()


def _dead_place(since: int, execution_id: str) -> str:
    return f"{since:015d}#{execution_id}"


def _place(cursor: str) -> str:
    since, execution_id = decode_cursor(cursor, "dead_lettered", None, (int, str))
    place = _dead_place(int(since), str(execution_id))
    if len(place.encode()) > 1024:
        raise InvalidCursor("The cursor is not one that this list gave.")
    return place


async def _pause(attempt: int) -> None:
    await asyncio.sleep(random.uniform(0, CONFLICT_WAIT_S * 2 ** min(attempt, 4)))


def _contended(execution_id: str) -> StoreUnavailable:
    return StoreUnavailable(f"Too many workers are at the execution {execution_id}; try again.")
