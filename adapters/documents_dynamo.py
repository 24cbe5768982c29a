"""Small documents in DynamoDB: `core.ports.documents.DocumentStore` for any number of machines.

A document by its key is read as it is at this moment; lists come from an index, which may lag a write by milliseconds.
A list is one partition: it takes about 1,000 writes a second.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from adapters.cursor import decode_cursor, encode_cursor
from adapters.dynamo import ConditionFailed, Dynamo, Selection
from adapters.dynamo_tables import BY_LIST, DOCUMENTS
from adapters.dynamo_values import Expression, Item, Value, to_wire
from core.errors import BrokenInvariant, InvalidCursor, TooLarge, VersionConflict
from core.ports.documents import Document
from core.ports.page import Page

BODY_BYTES = 380_000
"""Compressed; DynamoDB takes items of 400 KB."""
PLACE_BYTES = 1024
"""The longest sort key."""
_LOWEST = "\x00"
"""Between a place and a key, so that longer places never come before shorter ones that they begin with."""


class DynamoDocumentStore:
    """A `DocumentStore` in the documents' table beside the requests' one."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        """`table` is the requests' table. Closing the store closes `dynamo`."""
        self._dynamo = dynamo
        self._table = DOCUMENTS.format(table)

    async def get(self, kind: str, key: str) -> Document | None:
        item = await self._dynamo.get(self._table, {"document": _joined(kind, key)})
        return _to_document(item) if item else None

    async def put(self, document: Document) -> None:
        """See the port. Raises `BrokenInvariant` for a body that is no JSON or another place, `TooLarge` for 400 KB."""
        if document.version < 1:
            raise BrokenInvariant("Versions begin with 1.")
        token, item = uuid4().hex, _to_item(document)
        write = self._creation if document.version == 1 else self._change
        try:
            await write(item | {"write_token": token}, document.version - 1)
        except ConditionFailed as refused:
            if refused.item is None or refused.item.get("write_token") != token:
                raise _refusal(item, refused.item) from None

    async def delete(self, kind: str, key: str) -> None:
        await self._dynamo.call("delete_item", TableName=self._table, Key=to_wire({"document": _joined(kind, key)}))

    async def list(
        self, kind: str, partition: str, *, limit: int, cursor: str | None = None, newest_first: bool = True
    ) -> Page[Document]:
        filters = [kind, partition, newest_first]
        after = None if cursor is None else _position(cursor, filters)
        low, high = (None, after) if newest_first else (after, None)
        listed = Selection(
            self._table, "list", _joined(kind, partition), BY_LIST.name, "place", low, high, descending=newest_first
        )
        items: list[Item] = []
        start = None
        # One more than asked for tells whether there is a next page; a call gives 1 MB at most.
        while len(items) <= limit:
            found, start = await self._dynamo.page(listed, limit=limit + 1 - len(items), start=start)
            items += found
            if start is None:
                break
        last = items[limit - 1]["place"] if len(items) > limit else None
        return Page(
            tuple(map(_to_document, items[:limit])),
            None if last is None else encode_cursor("documents", filters, (last,)),
        )

    async def compact(self) -> None:
        """Nothing: what DynamoDB removes can't be read any more, but for its backups."""

    async def close(self) -> None:
        await self._dynamo.close()

    async def _creation(self, item: Mapping[str, Value], _before: int) -> None:
        await self._dynamo.call(
            "put_item",
            TableName=self._table,
            Item=to_wire(item),
            ConditionExpression="attribute_not_exists(document)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    async def _change(self, item: Mapping[str, Value], before: int) -> None:
        expression = Expression()
        expected = {"version": before, "list": item["list"], "place": item["place"]}
        conditions = [f"{expression.name(name)} = {expression.value(value)}" for name, value in expected.items()]
        changes = {name: item[name] for name in ("version", "body", "write_token")}
        await self._dynamo.call(
            "update_item",
            TableName=self._table,
            Key=to_wire({"document": item["document"]}),
            UpdateExpression=expression.update(changes),
            ConditionExpression=" AND ".join(conditions),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **expression.arguments(),
        )


def _to_item(document: Document) -> dict[str, Value]:
    body = zlib.compress(_json(document.body).encode())
    place = f"{document.order}{_LOWEST}{document.key}"
    if len(body) > BODY_BYTES or len(place.encode()) > PLACE_BYTES:
        raise TooLarge("The document is larger than the store takes.")
    return {
        "document": _joined(document.kind, document.key),
        "list": _joined(document.kind, document.partition),
        "place": place,
        "kind": document.kind,
        "key": document.key,
        "partition": document.partition,
        "order": document.order,
        "version": document.version,
        "body": body,
    }


def _to_document(item: Item) -> Document:
    return Document(
        kind=item["kind"],
        key=item["key"],
        partition=item["partition"],
        order=item["order"],
        version=item["version"],
        body=json.loads(zlib.decompress(item["body"])),
    )


def _json(body: Mapping[str, Any]) -> str:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise BrokenInvariant(f"A document's body is JSON: {error}.") from None


def _joined(kind: str, name: str) -> str:
    """One text for both, different for different ones."""
    return f"{quote(kind, safe='')}#{name}"


def _position(cursor: str, filters: object) -> str:
    (place,) = decode_cursor(cursor, "documents", filters, (str,))
    if not 0 < len(str(place).encode()) <= PLACE_BYTES:
        raise InvalidCursor("The cursor is not one that this list gave.")
    return str(place)


def _refusal(wanted: Mapping[str, Value], stored: Item | None) -> Exception:
    if stored is None:
        return VersionConflict("There is no such document to change.")
    version = wanted["version"]
    if version == stored["version"] + 1:
        return BrokenInvariant("A document's place in the lists never changes.")
    return VersionConflict(f"The document is at version {stored['version']}; version {version} can't follow.")
