"""What is particular to the SQLite document store: every access is by an index, and names are short."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters import sqlite
from adapters.documents_sqlite import NAME_LIMIT_BYTES, SqliteDocumentStore
from core.errors import BrokenInvariant, StoreUnavailable
from core.ports.documents import Document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.sqlite3"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The text, values filled in, of each statement that any connection runs from now on."""
    seen: set[str] = set()
    connect = sqlite.connect

    def traced(path: Path, *, timeout_s: float) -> sqlite3.Connection:
        connection = connect(path, timeout_s=timeout_s)
        connection.set_trace_callback(seen.add)
        return connection

    monkeypatch.setattr(sqlite, "connect", traced)
    return seen


@pytest.fixture
async def store(path: Path, statements: set[str]) -> AsyncIterator[SqliteDocumentStore]:
    opened = SqliteDocumentStore(path, lock_timeout_s=0.2)
    statements.clear()
    yield opened
    await opened.close()


def document(key: str = "K", version: int = 1, *, partition: str = "P", order: str = "O") -> Document:
    return Document("kind", key, partition, order, version, {"n": version})


async def test_no_statement_scans_a_table_or_sorts(
    path: Path, store: SqliteDocumentStore, statements: set[str]
) -> None:
    for n in range(5):
        await store.put(document(f"K{n}"))
    await store.put(document("K1", 2))
    await store.get("kind", "K1")
    for newest_first in (True, False):
        page = await store.list("kind", "P", limit=2, newest_first=newest_first)
        await store.list("kind", "P", limit=2, cursor=page.next_cursor, newest_first=newest_first)
    await store.delete("kind", "K1")
    queries = [each for each in statements if each.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))]
    assert len(queries) >= 12
    with closing(sqlite3.connect(path)) as connection:
        steps = [step for query in queries for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step] == []
    assert any("INDEX lists (kind=? AND partition=? AND (place,key)" in step for step in steps)


async def test_names_are_short_enough_for_a_cursor(store: SqliteDocumentStore) -> None:
    longest = "水" * (NAME_LIMIT_BYTES // 3)
    for key in ("a", "b"):
        await store.put(document(key + longest[1:], order=longest))
    page = await store.list("kind", "P", limit=1)
    rest = await store.list("kind", "P", limit=1, cursor=page.next_cursor)
    assert [item.key[0] for item in page.items + rest.items] == ["b", "a"]
    for odd in (document(longest + "水"), document(order="x" * 401), document(partition="x" * 401), document("")):
        with pytest.raises(BrokenInvariant):
            await store.put(odd)


async def test_half_a_surrogate_pair_is_refused(store: SqliteDocumentStore) -> None:
    with pytest.raises(BrokenInvariant):
        await store.put(Document("kind", "K", "P", "O", 1, {"text": "\ud83d"}))


async def test_a_locked_file_is_unavailable_for_writes_and_open_for_reads(
    path: Path, store: SqliteDocumentStore
) -> None:
    await store.put(document())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await store.put(document(version=2))
        assert await store.get("kind", "K") == document()
        assert (await store.list("kind", "P", limit=5)).items == (document(),)
