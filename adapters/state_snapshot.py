"""Copies of SQLite files as all of them were at one moment, while others write to them."""

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from core.errors import StoreUnavailable

MAGIC = b"SQLite format 3\x00"
LOCK_TIMEOUT_S = 5.0


def is_database(path: Path) -> bool:
    """Whether the file is SQLite's. An empty one is none, nor is one that was removed meanwhile."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:
        return False


@contextmanager
def freeze(databases: Sequence[Path]) -> Generator[dict[Path, sqlite3.Connection]]:
    """A reading connection to each file, all as of one moment at which nobody was writing to any.

    Writers wait for some milliseconds, not for the copying. Raises `StoreUnavailable` where one file stays locked.
    """
    with ExitStack() as stack:
        readers = {path: stack.enter_context(closing(_connect(path))) for path in databases}
        try:
            with ExitStack() as locks:
                for path in databases:
                    lock = locks.enter_context(closing(_connect(path)))
                    lock.execute("BEGIN IMMEDIATE")
                for reader in readers.values():
                    reader.execute("BEGIN")
                    # A transaction sees the file as it was at its first reading.
                    reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"A database can't be read at the moment ({error}); try again.") from error
        yield readers


def copy(reader: sqlite3.Connection, target: Path) -> None:
    """Write what the connection sees to a new file, which only its owner reads."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(target)) as copied:
        reader.backup(copied, pages=-1)
        # One file without a log beside it; whoever opens it first turns the log on again.
        copied.execute("PRAGMA journal_mode = DELETE")


def fault_of(database: Path) -> str | None:
    """What SQLite's own check says is wrong with a file that nobody writes to; None where nothing is."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            foreign = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    if found != "ok":
        return str(found)
    return None if foreign is None else f"a row of {foreign[0]} names one that is not there"


def _connect(path: Path) -> sqlite3.Connection:
    # No file is made where there is none.
    return sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None)
