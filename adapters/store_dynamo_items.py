"""Single requests in DynamoDB: creating, reading and replacing them.

A write of an item and its events is one transaction. Each has a token: where an answer was lost on the way and botocore
sent the write again, the token in the stored item tells that it was this very write that came first.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter

from adapters.dynamo import Action, ConditionFailed, Dynamo, Selection
from adapters.dynamo_tables import EVENTS
from adapters.dynamo_values import Expression, Item, to_wire
from adapters.store_dynamo_attributes import (
    EVENT_BYTES,
    Attributes,
    Documents,
    attributes_of,
    before_first,
    documents_of,
    is_escalated,
    to_record,
)
from core.errors import BrokenInvariant, StoreUnavailable, VersionConflict
from core.record import RequestRecord
from core.request import Event, Request, RequestId

READ_ATTEMPTS = 5
EVENT_ROWS = 60
"""In one transaction, which takes 100 writes in all, of the item and its parts too."""

_EVENTS = TypeAdapter(tuple[Event, ...])


@dataclass(frozen=True)
class ItemTables:
    """Where requests are."""

    dynamo: Dynamo
    table: str
    shards: int

    @property
    def events(self) -> str:
        """The table of the timelines."""
        return EVENTS.format(self.table)


@dataclass(frozen=True)
class NewRows:
    """What the two tables hold of a new request: its item, and the rows of its timeline and of its parts."""

    item: Attributes
    beside: list[Attributes]


def new_rows(record: RequestRecord, events: Sequence[Event], shards: int, token: str) -> NewRows:
    """The rows of a new request, whose write has this token."""
    request_id, documents = record.request.request_id, documents_of(record)
    item = attributes_of(record, documents, shards) | {
        "request_id": request_id,
        "events": len(events),
        "escalated": is_escalated(record) or None,
        "write_token": token,
    }
    return NewRows(item, _event_rows(request_id, events) + _part_rows(request_id, 1, documents))


async def create(where: ItemTables, record: RequestRecord, events: Sequence[Event]) -> bool:
    """Store a new request; False where its id exists."""
    if record.request.version != 1:
        raise BrokenInvariant("A new request has version 1.")
    if before_first(events) != 0:
        raise BrokenInvariant("The events of a new request are numbered from 1.")
    token = uuid4().hex
    rows = new_rows(record, events, where.shards, token)
    put = {"Item": to_wire(rows.item), "ConditionExpression": "attribute_not_exists(request_id)"}
    try:
        await where.dynamo.write([_conditioned(where.table, "Put", put), *_puts(where.events, rows.beside)])
    except ConditionFailed as refused:
        return _is_own(refused.item, token)
    return True


async def find(where: ItemTables, request_id: RequestId) -> RequestRecord | None:
    """The record as it is at this moment, or None."""
    for _ in range(READ_ATTEMPTS):
        item = await where.dynamo.get(where.table, {"request_id": request_id})
        if item is None:
            return None
        documents = await documents_in(where, item)
        if documents is not None:
            return to_record(item, documents)
    raise StoreUnavailable("The request changes faster than it can be read; try again.")


async def documents_in(where: ItemTables, item: Item) -> Documents | None:
    """The item's documents; None where its parts were replaced since it was read."""
    if "parts" not in item:
        return Documents(item["request"], item["internal"])
    parts = Selection(
        where.events, "request_id", item["request_id"], sort="sequence", high=0, descending=True, consistent=True
    )
    rows = await where.dynamo.all(parts)
    if [row["version"] for row in rows] != [item["version"]] * item["parts"]:
        return None
    whole, cut = b"".join(row["part"] for row in rows), item["request_bytes"]
    return Documents(whole[:cut], whole[cut:])


def request_of(documents: Documents) -> Request:
    """The public document alone."""
    return Request.model_validate_json(zlib.decompress(documents.request))


async def timeline(where: ItemTables, request_id: RequestId, after: int) -> tuple[Event, ...]:
    """The events after a sequence number, in order."""
    rows = await where.dynamo.all(
        Selection(where.events, "request_id", request_id, sort="sequence", low=max(after, 0), consistent=True)
    )
    events = (event for row in rows for event in _EVENTS.validate_json(zlib.decompress(row["events"])))
    return tuple(event for event in events if event.sequence > after)


async def replace(where: ItemTables, record: RequestRecord, expected_version: int, events: Sequence[Event]) -> None:
    """Replace a request of `expected_version` and append to its timeline."""
    before = before_first(events) if events else None
    change = _Change(record, expected_version, before, len(events))
    await _write(where, change, _event_rows(record.request.request_id, events))


async def rewrite(where: ItemTables, record: RequestRecord, expected_version: int, events: Sequence[Event]) -> None:
    """As `replace`, but `events` take the place of the whole timeline.

    Where a timeline has more rows than one transaction takes, the older rows are rewritten first, each time under the
    same condition: if that ends midway, the request has its old version still, and the same call finishes it.
    """
    if before_first(events) != 0:
        raise BrokenInvariant("A rewritten timeline is numbered from 1.")
    request_id = record.request.request_id
    known = Selection(
        where.events, "request_id", request_id, sort="sequence", low=0, consistent=True, attributes=("sequence",)
    )
    ends = [row["sequence"] for row in await where.dynamo.all(known)]
    change = _Change(record, expected_version, 0, len(events), whole=True)
    rows = _event_rows(request_id, events, ends)
    while len(rows) > EVENT_ROWS:
        await _check_and_write(where, change, rows[:EVENT_ROWS])
        rows = rows[EVENT_ROWS:]
    await _write(where, change, rows)


@dataclass(frozen=True)
class _Change:
    """A new state of a request whose timeline has `before` events and gets `added`; None where it does not matter."""

    record: RequestRecord
    expected_version: int
    before: int | None
    added: int
    whole: bool = False
    """`added` are all events: those that are there and perhaps some more."""

    def __post_init__(self) -> None:
        if self.record.request.version != self.expected_version + 1:
            raise BrokenInvariant("A saved request has the version after the expected one.")

    @property
    def request_id(self) -> str:
        return self.record.request.request_id

    @property
    def counts(self) -> Attributes:
        return {} if self.before is None else {"events": self.before + self.added}

    def conditions(self, expression: Expression) -> list[str]:
        conditions = [f"{expression.name('version')} = {expression.value(self.expected_version)}"]
        if self.whole:
            conditions.append(f"{expression.name('events')} <= {expression.value(self.added)}")
        elif self.before is not None:
            conditions.append(f"{expression.name('events')} = {expression.value(self.before)}")
        return conditions

    def refused(self, stored: Item | None) -> Exception | None:
        """Why the conditions did not hold for what is stored; None where they do."""
        if stored is None:
            return VersionConflict("There is no such request to save.")
        if stored["version"] != self.expected_version:
            return VersionConflict(f"The request is at version {stored['version']}, not {self.expected_version}.")
        if self.whole and stored["events"] > self.added:
            return BrokenInvariant(f"The timeline of this request has {stored['events']} events.")
        if not self.whole and self.before not in (None, stored["events"]):
            return BrokenInvariant(f"The next event of this request has the number {stored['events'] + 1}.")
        return None


async def _write(where: ItemTables, change: _Change, rows: Sequence[Attributes]) -> None:
    """The item, its events and its parts in one transaction, and the removal of parts that it no longer has."""
    documents, token = documents_of(change.record), uuid4().hex
    parts = _part_rows(change.request_id, change.record.request.version, documents)
    known = len(parts)
    for _ in range(2):
        update = _update(where, change, documents, token, known)
        gone = [
            {"Delete": {"TableName": where.events, "Key": to_wire({"request_id": change.request_id, "sequence": -n})}}
            for n in range(len(parts) + 1, known + 1)
        ]
        try:
            await where.dynamo.write([update, *_puts(where.events, [*rows, *parts]), *gone])
            return
        except ConditionFailed as refused:
            if _is_own(refused.item, token):
                return
            if (reason := change.refused(refused.item)) is not None:
                raise reason from None
            known = (refused.item or {}).get("parts", 0)
    raise VersionConflict("The request was changed at the same time.")


def _update(where: ItemTables, change: _Change, documents: Documents, token: str, known_parts: int) -> Action:
    expression = Expression()
    conditions = change.conditions(expression)
    parts = expression.name("parts")
    conditions.append(f"{parts} = {expression.value(known_parts)}" if known_parts else f"attribute_not_exists({parts})")
    changes = attributes_of(change.record, documents, where.shards) | change.counts | {"write_token": token}
    if is_escalated(change.record):
        changes["escalated"] = True
    update = {
        "Key": to_wire({"request_id": change.request_id}),
        "UpdateExpression": expression.update(changes),
        "ConditionExpression": " AND ".join(conditions),
    }
    return _conditioned(where.table, "Update", update | expression.arguments())


async def _check_and_write(where: ItemTables, change: _Change, rows: Sequence[Attributes]) -> None:
    expression = Expression()
    check = {
        "Key": to_wire({"request_id": change.request_id}),
        "ConditionExpression": " AND ".join(change.conditions(expression)),
    }
    try:
        await where.dynamo.write(
            [
                _conditioned(where.table, "ConditionCheck", check | expression.arguments()),
                *_puts(where.events, rows),
            ]
        )
    except ConditionFailed as refused:
        raise change.refused(refused.item) or BrokenInvariant("The request can't be rewritten.") from None


def _conditioned(table: str, kind: str, arguments: dict[str, Any]) -> Action:
    return {kind: {"TableName": table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"} | arguments}


def _puts(table: str, rows: Sequence[Attributes]) -> list[Action]:
    return [{"Put": {"TableName": table, "Item": to_wire(row)}} for row in rows]


def _is_own(stored: Item | None, token: str) -> bool:
    return stored is not None and stored.get("write_token") == token


def _event_rows(request_id: str, events: Sequence[Event], ends: Sequence[int] = ()) -> list[Attributes]:
    """Consecutive events share a row under the number of the last one: a row for each of `ends`, then by size."""
    rows: list[list[tuple[Event, str]]] = []
    bounds, size = set(ends), 0
    last_known = max(ends, default=0)
    closed = True
    for event in events:
        line = event.model_dump_json()
        size += len(line)
        if closed or (event.sequence > last_known and size > EVENT_BYTES):
            rows.append([])
            size = len(line)
        rows[-1].append((event, line))
        closed = event.sequence in bounds
    return [
        {
            "request_id": request_id,
            "sequence": row[-1][0].sequence,
            "events": zlib.compress(f"[{','.join(line for _, line in row)}]".encode()),
        }
        for row in rows
    ]


def _part_rows(request_id: str, version: int, documents: Documents) -> list[Attributes]:
    """Parts stand before the timeline, under negative numbers."""
    return [
        {"request_id": request_id, "sequence": -number, "version": version, "part": part}
        for number, part in enumerate(documents.parts, 1)
    ]
