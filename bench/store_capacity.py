"""What reads of the DynamoDB store cost as the table grows: `python -m bench.store_capacity [items]`.

Read units are computed from what each call returns, as DynamoDB bills it: for a query the sum of the sizes of its
entries in steps of 4,096 bytes, for single items each by itself; half where the read may be a moment old. The
`ConsumedCapacity` that moto states is no measure: it is 1 for every query. Calls go to moto within this process, not
over HTTP. The items are those that the adapter writes, stored in batches; moto walks its whole table for every query of
an index, so that measuring takes longer as the table grows, whatever DynamoDB would do.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from adapters.dynamo import Dynamo
from adapters.dynamo_tables import SHARDS, create_tables
from adapters.dynamo_values import Wire, billed_bytes, to_wire
from adapters.store_dynamo import DynamoRequestStore
from adapters.store_dynamo_items import new_rows
from core.labels import Category, Status, Urgency
from core.messages import DecisionTrace
from core.ports.page import Page
from core.ports.store import RequestFilter
from core.record import NextAction, RequestRecord
from core.request import BuildingId, Request, RequestId, ResidentId

START = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = 1_000
LARGE = 200_000
BATCH_PUTS = 25
"""Of one BatchWriteItem."""
BUILDINGS = 40
RESIDENTS = 40
"""So few that a resident has a whole page of requests in the smaller table, too."""
PAGE = 20
DUE = 50
TABLE = "capacity"
STEP_BYTES = 4096
WRITE_STEP_BYTES = 1024


@dataclass
class Meter:
    """Counts calls, the read units of what they return, and the write units of claims without their index."""

    calls: int = 0
    units: float = 0.0
    written: float = 0.0

    def watch(self, dynamo: Dynamo) -> None:
        """Count every call from now on."""
        for operation in ("GetItem", "Query", "BatchGetItem", "UpdateItem"):
            dynamo.client.meta.events.register(f"after-call.dynamodb.{operation}", self._add)

    def _add(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls += 1
        if model.name == "GetItem":
            self.units += _steps([parsed["Item"]]) if "Item" in parsed else 1.0
        elif model.name == "Query":
            self.units += _steps(parsed["Items"]) / 2
        elif model.name == "BatchGetItem":
            self.units += sum(_steps([item]) for items in parsed["Responses"].values() for item in items) / 2
        elif "Attributes" in parsed:
            self.written += -(-billed_bytes(parsed["Attributes"]) // WRITE_STEP_BYTES)


def _steps(items: list[Wire]) -> float:
    return float(max(1, -(-sum(map(billed_bytes, items)) // STEP_BYTES)))


def build(number: int) -> RequestRecord:
    """A decided request with a trace of the usual size; every twentieth needs attention, the first ones are due."""
    made = START + timedelta(minutes=number)
    noise = [((number * 2654435761 + step * 40503) % 99991) / 99991 for step in range(400)]
    return RequestRecord(
        request=Request(
            request_id=RequestId(f"REQ_{number:06}"),
            resident_id=ResidentId(f"RES_{number % RESIDENTS}"),
            building_id=BuildingId(f"B{number % BUILDINGS}"),
            message_text="The tap in the bathroom drips day and night, and nobody has come to look at it. " * 3,
            status=list(Status)[number % len(Status)],
            version=1,
            created_at=made,
            updated_at=made,
            needs_attention=number % 20 == 0,
        ),
        correlation_id="c",
        chosen_category=list(Category)[number % len(Category)],
        chosen_urgency=list(Urgency)[number % len(Urgency)],
        next_action=NextAction.PROCESS if number < DUE else None,
        next_action_at=made if number < DUE else None,
        trace=DecisionTrace(
            inputs={"noise": noise},
            seed=1,
            replications=200,
            method="tables",
            model_versions={},
            kb_version="k",
            policy_version="p",
            workforce_version="w",
        ),
    )


async def measure(dynamo: Dynamo, store: DynamoRequestStore) -> dict[str, Meter]:
    """The cost of each read."""
    pages: list[Page[Request]] = []
    newest, attention = RequestFilter(), RequestFilter(needs_attention=True)
    later = START + timedelta(days=400)

    async def page(where: RequestFilter, cursor: str | None = None) -> None:
        pages.append(await store.list_requests(where, limit=PAGE, cursor=cursor))

    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "get": lambda: store.get(RequestId("REQ_000700")),
        f"list, first page of {PAGE}": lambda: page(newest),
        "list, next page": lambda: page(newest, pages[-1].next_cursor),
        "list of one status": lambda: page(RequestFilter(status=Status.NEEDS_REVIEW)),
        "list of one building": lambda: page(RequestFilter(building_id="B7")),
        "what needs attention": lambda: page(attention),
        "a resident's list": lambda: store.list_by_resident(ResidentId("RES_7"), limit=PAGE, cursor=None),
        "claim_due of 10": lambda: store.claim_due(now=later, lease_s=30, limit=10),
        "oldest_due": lambda: store.oldest_due(later),
    }
    found: dict[str, Meter] = {}
    for name, read in reads.items():
        meter = Meter()
        meter.watch(dynamo)
        await read()
        found[name] = replace(meter)
    return found


async def fill(dynamo: Dynamo, first: int, end: int) -> None:
    """Store what is still missing."""
    for start in range(first, end, BATCH_PUTS):
        batch = [new_rows(build(number), (), SHARDS, "bench") for number in range(start, min(start + BATCH_PUTS, end))]
        puts = [{"PutRequest": {"Item": to_wire(rows.item)}} for rows in batch]
        answer = await dynamo.call("batch_write_item", RequestItems={TABLE: puts})
        if any(rows.beside for rows in batch) or answer["UnprocessedItems"]:
            raise RuntimeError("Not all of the batch is in the table.")


async def main(large: int) -> None:
    """Measure at two sizes and print a table."""
    from moto import mock_aws

    credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with patch.dict(os.environ, credentials), mock_aws():
        dynamo = Dynamo(region="us-east-1", threads=4)
        create_tables(dynamo.client, TABLE, recoverable=False)
        store = DynamoRequestStore(dynamo, TABLE)
        columns: list[dict[str, Meter]] = []
        first = 0
        for size in (SMALL, large):
            began = time.monotonic()
            # Millions of objects that stay: looking through them again and again takes longer than storing them.
            gc.disable()
            await fill(dynamo, first, size)
            gc.freeze()
            gc.enable()
            stored = time.monotonic()
            columns.append(await measure(dynamo, store))
            print(
                f"{size} items: {stored - began:.0f} s to store, {time.monotonic() - stored:.0f} s to measure",
                flush=True,
            )
            first = size
        await store.close()
    print(f"\n| | calls | read units at {SMALL:,} items | calls | read units at {large:,} items | write units |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, small in columns[0].items():
        grown = columns[1][name]
        print(
            f"| {name} | {small.calls} | {small.units:.1f} | {grown.calls} | {grown.units:.1f} | {grown.written:.0f} |"
        )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else LARGE))
