"""Small documents in one SQLite file: `core.ports.documents.DocumentStore` for the processes of one machine."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.cursor import Position, decode_cursor, encode_cursor
from adapters.sqlite import Database
from core.errors import BrokenInvariant, StoreUnavailable, VersionConflict
from core.ports.documents import Document
from core.ports.page import Page

NAME_LIMIT_BYTES = 400
"""For kind, key, partition and order each, in UTF-8, so that a cursor stays short."""

_SCHEMA = (
    """
    CREATE TABLE documents (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        partition TEXT NOT NULL,
        place TEXT NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (kind, key)
    ) STRICT;
    CREATE INDEX lists ON documents (kind, partition, place, key)
    """,
)
_COLUMNS = "kind, key, partition, place, version, body"
_INSERT = f"INSERT INTO documents ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, key) DO NOTHING"
_UPDATE = (
    "UPDATE documents SET version = ?, body = ? WHERE kind = ? AND key = ? AND version = ? AND partition = ?"
    " AND place = ?"
)
_GET = f"SELECT {_COLUMNS} FROM documents WHERE kind = ? AND key = ?"
_LIST = f"SELECT {_COLUMNS} FROM documents INDEXED BY lists WHERE kind = ? AND partition = ?"
_RISING = f"{_LIST} AND (place, key) > (?, ?) ORDER BY place, key LIMIT ?"
_FALLING = f"{_LIST} AND (place, key) < (?, ?) ORDER BY place DESC, key DESC LIMIT ?"
_NEWEST = f"{_LIST} ORDER BY place DESC, key DESC LIMIT ?"


class SqliteDocumentStore:
    """A `DocumentStore`. Writes are grouped; single documents are read on the caller's thread, lists on another."""

    def __init__(self, path: Path, *, lock_timeout_s: float = 5.0) -> None:
        """Make the file where it is missing. Raises `StoreUnavailable`."""
        self._database = Database(path, _SCHEMA, unavailable=StoreUnavailable, lock_timeout_s=lock_timeout_s)

    async def get(self, kind: str, key: str) -> Document | None:
        row = self._database.read(lambda connection: connection.execute(_GET, (kind, key)).fetchone())
        return _to_document(row) if row else None

    async def put(self, document: Document) -> None:
        """See the port. Raises `BrokenInvariant` for a place in the lists that differs, or what is no JSON."""
        _require_short(document)
        body = _encode(document.body)
        await self._database.write(lambda connection: _put(connection, document, body))

    async def delete(self, kind: str, key: str) -> None:
        statement = "DELETE FROM documents WHERE kind = ? AND key = ?"
        await self._database.write(lambda connection: connection.execute(statement, (kind, key)) and None)

    async def list(
        self, kind: str, partition: str, *, limit: int, cursor: str | None = None, newest_first: bool = True
    ) -> Page[Document]:
        filters = [kind, partition, newest_first]
        after = None if cursor is None else decode_cursor(cursor, "documents", filters, (str, str))
        statement, values = _list_query(after, newest_first=newest_first)

        def read(connection: sqlite3.Connection) -> tuple[Document, ...]:
            rows = connection.execute(statement, (kind, partition, *values, limit + 1)).fetchall()
            return tuple(map(_to_document, rows))

        items = await self._database.read_in_thread(read)
        if len(items) <= limit:
            return Page(items, None)
        last = items[limit - 1]
        return Page(items[:limit], encode_cursor("documents", filters, (last.order, last.key)))

    async def compact(self) -> None:
        await self._database.compact()

    async def close(self) -> None:
        await self._database.close()


def _put(connection: sqlite3.Connection, document: Document, body: str) -> None:
    name, place = (document.kind, document.key), (document.partition, document.order)
    if document.version == 1:
        stored = connection.execute(_INSERT, (*name, *place, 1, body))
    else:
        stored = connection.execute(_UPDATE, (document.version, body, *name, document.version - 1, *place))
    if stored.rowcount == 0:
        raise _why_not_put(connection.execute(_GET, name).fetchone(), document)


def _why_not_put(row: tuple[Any, ...] | None, document: Document) -> Exception:
    if row is None:
        return VersionConflict("There is no such document to change.")
    stored = _to_document(row)
    if stored.version != document.version - 1:
        return VersionConflict(f"The document is at version {stored.version}, not {document.version - 1}.")
    return BrokenInvariant("A document's partition and order never change.")


def _list_query(after: Position | None, *, newest_first: bool) -> tuple[str, Position]:
    if newest_first:
        return (_NEWEST, ()) if after is None else (_FALLING, after)
    # No text is below the empty one, and no document has an empty key.
    return _RISING, after or ("", "")


def _require_short(document: Document) -> None:
    if document.version < 1:
        raise BrokenInvariant("The versions of a document begin with 1.")
    if not document.kind or not document.key:
        raise BrokenInvariant("A document has a kind and a key.")
    names = (document.kind, document.key, document.partition, document.order)
    if any(len(name.encode()) > NAME_LIMIT_BYTES for name in names):
        raise BrokenInvariant(f"A document's kind, key, partition and order have at most {NAME_LIMIT_BYTES} bytes.")


def _encode(body: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(dict(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()  # Half a surrogate pair is no text.
        return text
    except (TypeError, ValueError) as error:
        raise BrokenInvariant(f"A document's body is JSON: {error}") from error


def _to_document(row: tuple[Any, ...]) -> Document:
    kind, key, partition, place, version, body = row
    return Document(kind, key, partition, place, version, json.loads(body))
