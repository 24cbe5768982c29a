"""Due work in DynamoDB, and its claiming.

The index says what may be due, a moment late; the condition on the item itself decides who gets it. Claimers that meet
each other choose among more of the oldest at random from then on, so that they do not go on meeting.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from uuid import uuid4

from pydantic import ValidationError

from adapters.dynamo import ConditionFailed, Selection
from adapters.dynamo_tables import DUE
from adapters.dynamo_values import Expression, Item, from_wire, to_wire
from adapters.sqlite import to_millis
from adapters.store_dynamo_attributes import due_attributes, moment_of, to_record
from adapters.store_dynamo_items import ItemTables, documents_in
from adapters.store_dynamo_merge import merged
from core.contract import told
from core.record import RequestRecord

log = logging.getLogger(__name__)

LOST_CLAIMS = 200
"""After so many items that others claimed first, a claimer is content with what it has."""
CONTENDED_CHOICE = 10
"""Where others claim too, it chooses among so many times what it wants."""


async def claim(where: ItemTables, now: datetime, lease_s: float, limit: int) -> tuple[RequestRecord, ...]:
    """Take up to `limit` of what is due, the oldest first, each for `lease_s`."""
    claimed: list[tuple[str, RequestRecord]] = []
    tried: set[str] = set()
    lost = 0
    while (wanted := limit - len(claimed)) > 0 and lost < LOST_CLAIMS:
        window = await _look(where, now, wanted * CONTENDED_CHOICE if lost else wanted, tried)
        if not window:
            break
        entries = random.sample(window, min(wanted, len(window))) if lost else window
        tried |= {entry["request_id"] for entry in entries}
        tries = await asyncio.gather(*(_claim_one(where, entry["request_id"], now, lease_s) for entry in entries))
        won = [(entry["due"], record) for entry, record in zip(entries, tries, strict=True) if record is not None]
        claimed += won
        lost += len(entries) - len(won)
    return tuple(record for _, record in sorted(claimed, key=lambda each: each[0]))


async def due_entries(where: ItemTables, now: datetime, count: int) -> AsyncIterator[Item]:
    """What the index says is due, the oldest first; read in steps made for about `count`."""
    selections = [
        Selection(where.table, DUE.partition, str(shard), DUE.name, DUE.sort, high=moment_of(to_millis(now) + 1))
        for shard in range(where.shards)
    ]
    async for entry in merged(where.dynamo, selections, chunk=count):
        yield entry


async def _look(where: ItemTables, now: datetime, count: int, tried: Collection[str]) -> list[Item]:
    """The oldest `count` of what was not tried yet."""
    found: list[Item] = []
    async for entry in due_entries(where, now, count):
        # What was tried and is still in the index is there because the index lags.
        if entry["request_id"] not in tried:
            found.append(entry)
        if len(found) == count:
            break
    return found


async def _claim_one(where: ItemTables, request_id: str, now: datetime, lease_s: float) -> RequestRecord | None:
    """The item as claimed, or None where it is not due any more."""
    expression = Expression()
    token = uuid4().hex
    moved = expression.update(due_attributes(now + timedelta(seconds=lease_s), request_id) | {"claim_token": token})
    attempts, one = expression.name("attempts"), expression.value(1)
    due = f"{expression.name('next_action_at')} <= {expression.value(to_millis(now))}"
    try:
        found = await where.dynamo.call(
            "update_item",
            TableName=where.table,
            Key=to_wire({"request_id": request_id}),
            UpdateExpression=f"{moved}, {attempts} = {attempts} + {one}",
            ConditionExpression=due,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **expression.arguments(),
        )
        item = from_wire(found["Attributes"])
    except ConditionFailed as refused:
        # The answer to this very claim may have been lost, and botocore sent it again.
        if refused.item is None or refused.item.get("claim_token") != token:
            return None
        item = refused.item
    documents = await documents_in(where, item)
    # Parts replaced in this very moment mean that the item was saved, and the save has the last word on what is due.
    try:
        return to_record(item, documents) if documents else None
    except ValidationError as error:
        log.error("request %s can't be read: %s", request_id, told(error))
        return None
