"""Items of the old table: from an export's lines, in DynamoDB's own JSON or plain, or from the table itself."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import boto3
from boto3.dynamodb.types import TypeDeserializer

from core.errors import Invalid

Item = Mapping[str, Any]
_TYPES = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})
_deserializer = TypeDeserializer()


def read_file(path: Path) -> Iterator[Item]:
    """One item a line; `{"Item": {...}}` as DynamoDB exports to S3, its typed values, or plain JSON.

    Raises `Invalid`, naming the line.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _parse(line, f"line {number} of {path.name}")


def read_table(name: str, *, region: str, endpoint_url: str | None) -> Iterator[Item]:
    """Every item of the old table, which has no index to read it by: a scan, once, of a table that is going away."""
    client = cast(Any, boto3).client("dynamodb", region_name=region, endpoint_url=endpoint_url)
    pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    for page in pages:
        for item in page["Items"]:
            yield _plain(item)


def _parse(line: str, where: str) -> Item:
    try:
        read: object = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        raise Invalid(f"In {where} there is no JSON.") from None
    item: object = read
    if isinstance(item, dict):
        item = cast(dict[str, Any], item).get("Item", item)
    if not isinstance(item, dict):
        raise Invalid(f"In {where} there is no item.")
    return _plain(cast(dict[str, Any], item))


def _plain(item: dict[str, Any]) -> Item:
    if not item or not all(map(_is_typed, item.values())):
        return item
    read = cast(Any, _deserializer).deserialize
    return {name: _number(read(value)) for name, value in item.items()}


def _is_typed(value: object) -> bool:
    return isinstance(value, dict) and len(cast(Any, value)) == 1 and set(cast(dict[str, Any], value)) <= _TYPES


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _number(one) for key, one in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_number(one) for one in cast(list[Any], value)]
    return sorted(cast(set[Any], value), key=str) if isinstance(value, set) else value
