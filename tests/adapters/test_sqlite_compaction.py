"""Compacting a SQLite file: what was removed is in none of its bytes, and nothing else is lost."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from adapters import sqlite_compaction
from adapters.sqlite import Database
from core.errors import StoreUnavailable

SCHEMA = ("CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT NOT NULL)",)


def open_database(folder: Path, **timeout: float) -> Database:
    return Database(folder / "notes.sqlite3", SCHEMA, unavailable=StoreUnavailable, **timeout)


async def fill(database: Database) -> None:
    """Long and short notes in turn, each written and changed, then every other one is removed."""

    def write(connection: sqlite3.Connection) -> None:
        for number in range(400):
            body = f"secret-{number} " * (2000 if number % 7 == 0 else 3)
            connection.execute("INSERT INTO notes VALUES (?, ?)", (f"n{number}", body))
        connection.execute(
            "UPDATE notes SET body = replace(body, 'secret', 'public') WHERE CAST(substr(name, 2) AS INT) % 2"
        )
        connection.execute("DELETE FROM notes WHERE body LIKE 'secret%'")

    await database.write(write)


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_nothing_that_was_removed_is_left(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    await fill(database)
    assert b"secret-" in stored(tmp_path)
    await database.compact()
    assert b"secret-" not in stored(tmp_path)
    assert (tmp_path / "notes.sqlite3-wal").stat().st_size == 0
    rows = database.read(lambda connection: connection.execute("SELECT count(*) FROM notes").fetchone()[0])
    assert rows == 200
    await database.write(lambda connection: connection.execute("DELETE FROM notes") and None)
    await database.close()


async def test_of_a_large_file_the_free_pages_are_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_compaction, "REBUILD_LIMIT_BYTES", 0)
    monkeypatch.setattr(sqlite_compaction, "SCRUB_BYTES", 64 * 1024)
    database = open_database(tmp_path)
    await fill(database)
    before = (tmp_path / "notes.sqlite3-wal").stat().st_size
    await database.compact()
    # Long notes lay in pages of their own, all of which are free now.
    assert b"secret-0 secret-0" not in stored(tmp_path)
    assert before > 0
    assert (tmp_path / "notes.sqlite3-wal").stat().st_size == 0
    tables = database.read(
        lambda connection: connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    )
    assert tables == [("notes",)]
    assert database.read(lambda connection: connection.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
    await database.close()


async def test_writes_and_reads_go_on_meanwhile(tmp_path: Path) -> None:
    database, other = open_database(tmp_path), open_database(tmp_path)
    await fill(database)

    async def write(number: int) -> None:
        statement = "INSERT INTO notes VALUES (?, 'new')"
        await (database, other)[number % 2].write(
            lambda connection: connection.execute(statement, (f"x{number}",)) and None
        )

    await asyncio.gather(database.compact(), *(write(number) for number in range(40)), other.compact())
    count = "SELECT count(*) FROM notes WHERE body = 'new'"
    assert other.read(lambda connection: connection.execute(count).fetchone()[0]) == 40
    await database.close()
    await other.close()


async def test_a_reader_that_stays_keeps_it_waiting_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_compaction, "LOG_TIMEOUT_S", 0.2)
    database = open_database(tmp_path, lock_timeout_s=0.2)
    await fill(database)
    reader = sqlite3.connect(tmp_path / "notes.sqlite3", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM notes").fetchone()
    with pytest.raises(StoreUnavailable):
        await database.compact()
    reader.close()
    await database.compact()
    assert b"secret-" not in stored(tmp_path)
    await database.close()
