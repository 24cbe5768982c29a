"""Bringing the SQLite store's columns up to date where a program of an earlier version wrote the row."""

import logging
import sqlite3

from pydantic import ValidationError

from adapters.store_sqlite_items import DOCUMENTS, reindex, to_record

REINDEX_LIMIT = 100
"""Rows that are brought up to date in one write, so that it stays short."""

log = logging.getLogger(__name__)


def is_stale(connection: sqlite3.Connection) -> bool:
    """Whether any row's columns are behind its documents."""
    look = "SELECT 1 FROM requests INDEXED BY stale WHERE is_stale = 1 LIMIT 1"
    return connection.execute(look).fetchone() is not None


def reindex_some(connection: sqlite3.Connection) -> int:
    """Bring up to `REINDEX_LIMIT` rows up to date; how many they were."""
    look = f"SELECT row, {DOCUMENTS} FROM requests INDEXED BY stale WHERE is_stale = 1 LIMIT ?"
    rows = connection.execute(look, (REINDEX_LIMIT,)).fetchall()
    for row, *documents in rows:
        try:
            reindex(connection, row, to_record(tuple(documents)))
        except ValidationError as error:
            # It must not keep the others waiting; whoever reads this request gets the same error.
            log.error("the stored request in row %d can't be read: %s", row, error.errors(include_input=False))
            connection.execute("UPDATE requests SET indexed_version = version WHERE row = ?", (row,))
    return len(rows)
