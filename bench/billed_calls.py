"""Counts what AWS would bill of the calls that boto3's clients make: write and read units of DynamoDB, requests to SQS.

Units are computed from the items themselves, since the `ConsumedCapacity` that moto states is no measure. A write is
the larger of the item before and after in steps of 1,024 bytes, twice within a transaction, and one more write for each
entry of an index that it puts, changes or takes away (two where the entry moves). A read is what it returns in steps of
4,096 bytes, half where it may be a moment old. Source: the DynamoDB developer guide, "Read and write operations".
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import boto3

from adapters.dynamo_tables import TABLES, Index, Table
from adapters.dynamo_values import Wire, billed_bytes

READ_STEP_BYTES, WRITE_STEP_BYTES = 4096, 1024
ENTRY_BYTES = 100
_WRITES = ("PutItem", "UpdateItem", "DeleteItem")
_READS = ("GetItem", "Query", "BatchGetItem", "Scan")
Written = tuple[Table, str, Wire]
"""Of one write: its table, the table's name, and the key of its item."""


@dataclass
class BilledCalls:
    """What was billed since `reset`; calls of several threads may come in between each other's images."""

    prefix: str
    """The name of the requests' table."""
    calls: Counter[str] = field(default_factory=Counter[str])
    write_units: float = 0.0
    read_units: float = 0.0
    _plain: Any = None

    def watch(self) -> None:
        """Count every call of the clients that are made from now on from boto3's default session."""
        # boto3 is typed in part only.
        vendor = cast(Any, boto3)
        self._plain = vendor.session.Session().client("dynamodb", region_name="us-east-1")
        vendor.setup_default_session()
        events = vendor.DEFAULT_SESSION.events
        for operation in (*_WRITES, "TransactWriteItems"):
            events.register(f"before-call.dynamodb.{operation}", self._before_write)
            events.register(f"after-call.dynamodb.{operation}", self._after_write)
        for operation in _READS:
            events.register(f"after-call.dynamodb.{operation}", self._after_read)
        events.register("after-call.sqs", self._after_other)

    def reset(self) -> None:
        """Begin at zero."""
        self.calls.clear()
        self.write_units = self.read_units = 0.0

    def stored_bytes(self) -> int:
        """What is billed as kept: every item and every entry of an index, each with 100 bytes of DynamoDB's own."""
        kept = 0
        for table in TABLES:
            pages = self._plain.get_paginator("scan").paginate(TableName=table.name.format(self.prefix))
            for item in (item for page in pages for item in page["Items"]):
                key = {name: item[name] for name in (table.partition, table.sort) if name}
                entries = [{**key, **entry} for index in table.indexes if (entry := _entry(index, item))]
                kept += sum(billed_bytes(each) + ENTRY_BYTES for each in (item, *entries))
        return kept

    @property
    def sqs_requests(self) -> int:
        """Calls of SQS of any kind; each is one request, since messages are below 64 KiB."""
        return sum(count for name, count in self.calls.items() if name.startswith("sqs."))

    def _before_write(self, model: Any, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        written = list(self._written(model.name, json.loads(params["body"])))
        context["billed"] = [(each, self._image(each)) for each in written]

    def _after_write(self, model: Any, context: Mapping[str, Any], parsed: Mapping[str, Any], **_: Any) -> None:
        self.calls[f"dynamodb.{model.name}"] += 1
        factor = 2 if model.name.startswith("Transact") else 1
        for written, before in context["billed"]:
            after = self._image(written)
            largest = max(billed_bytes(before or {}), billed_bytes(after or {}))
            self.write_units += factor * _steps(largest, WRITE_STEP_BYTES)
            self.write_units += sum(_index_units(index, before, after) for index in written[0].indexes)

    def _after_read(self, model: Any, params: Any = None, *, parsed: Mapping[str, Any], **_: Any) -> None:
        self.calls[f"dynamodb.{model.name}"] += 1
        if model.name == "GetItem":
            self.read_units += _steps(billed_bytes(parsed.get("Item", {})), READ_STEP_BYTES)
        elif model.name == "BatchGetItem":
            items = cast(Iterable[Wire], (item for found in parsed.get("Responses", {}).values() for item in found))
            self.read_units += sum(_steps(billed_bytes(item), READ_STEP_BYTES) for item in items) / 2
        else:
            self.read_units += _steps(sum(map(billed_bytes, parsed.get("Items", []))), READ_STEP_BYTES) / 2

    def _after_other(self, model: Any, **_: Any) -> None:
        self.calls[f"sqs.{model.name}"] += 1

    def _written(self, operation: str, body: Mapping[str, Any]) -> Iterable[Written]:
        if operation == "TransactWriteItems":
            for action in body["TransactItems"]:
                # A condition that is checked is billed as a write of its item, too.
                yield self._one(next(iter(action.values())))
        else:
            yield self._one(body)

    def _one(self, arguments: Mapping[str, Any]) -> Written:
        name = arguments["TableName"]
        table = next(each for each in TABLES if each.name.format(self.prefix) == name)
        holder = arguments.get("Key") or arguments["Item"]
        return table, name, {key: holder[key] for key in (table.partition, table.sort) if key}

    def _image(self, written: Written) -> Wire | None:
        _, name, key = written
        return self._plain.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item")


def _index_units(index: Index, before: Wire | None, after: Wire | None) -> float:
    old, new = _entry(index, before), _entry(index, after)
    if old == new:
        return 0.0
    keys = (index.partition, index.sort)
    if old and new and all(old[key] == new[key] for key in keys):
        return _steps(max(billed_bytes(old), billed_bytes(new)), WRITE_STEP_BYTES)
    return sum(_steps(billed_bytes(entry), WRITE_STEP_BYTES) for entry in (old, new) if entry)


def _entry(index: Index, item: Wire | None) -> Wire | None:
    """What the index holds of an item; nothing unless the item has both of its keys. The table's keys are left out."""
    if not item or index.partition not in item or index.sort not in item:
        return None
    held = {index.partition, index.sort, *index.holds}
    return dict(item) if index.holds_all else {name: value for name, value in item.items() if name in held}


def _steps(size: int, step: int) -> float:
    return float(max(1, -(-size // step)))
