"""The messages of the SQLite queues: their table and what is done to it, times in milliseconds since 1970.

A deleted message stays for a day, emptied, so that sending its id again does nothing. The indexes hold `state`, too,
so that counting reads them alone.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from core import tracing
from core.ports.queue import QueueMessage

Connection = sqlite3.Connection
Row = tuple[Any, ...]

REMEMBERED_MS = 24 * 3600 * 1000
PURGE_LIMIT = 8

SCHEMA = (
    """
CREATE TABLE messages (
    row INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    message_id TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    time TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'deleted', 'dead')),
    sent_at INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    receipt TEXT UNIQUE,
    ended_at INTEGER,
    reason TEXT,
    UNIQUE (queue, message_id)
) STRICT;

CREATE INDEX waiting ON messages (queue, visible_at, row, state) WHERE state = 'waiting';
CREATE INDEX by_age ON messages (queue, sent_at, state) WHERE state = 'waiting';
CREATE INDEX dead ON messages (queue, ended_at, state) WHERE state = 'dead';
CREATE INDEX deleted ON messages (ended_at) WHERE state = 'deleted'
""",
    "ALTER TABLE messages ADD COLUMN redriven_at INTEGER",
    "DROP INDEX by_age",
    "ALTER TABLE messages ADD COLUMN trace TEXT",
)

_MESSAGE = "message_id, type, data, time, correlation_id, trace"
_INSERT = f"""
INSERT INTO messages (queue, {_MESSAGE}, state, sent_at, visible_at, attempts)
VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, 0)
ON CONFLICT (queue, message_id) DO UPDATE SET
    type = excluded.type, data = excluded.data, time = excluded.time, correlation_id = excluded.correlation_id,
    trace = excluded.trace, state = 'waiting',
    sent_at = excluded.sent_at, visible_at = excluded.visible_at, attempts = 0, receipt = NULL,
    ended_at = NULL, reason = NULL, redriven_at = NULL
WHERE state = 'deleted' AND ended_at <= ?
"""
_PURGE = """
DELETE FROM messages WHERE row IN (
    SELECT row FROM messages INDEXED BY deleted WHERE state = 'deleted' AND ended_at <= ? ORDER BY ended_at LIMIT ?
)
"""
_CLAIM = f"""
UPDATE messages SET visible_at = ?, attempts = attempts + 1, receipt = hex(randomblob(12)) WHERE row IN (
    SELECT row FROM messages INDEXED BY waiting WHERE queue = ? AND state = 'waiting' AND visible_at <= ?
    ORDER BY visible_at, row LIMIT ?
) RETURNING row, {_MESSAGE}, receipt, attempts, redriven_at
"""
_COUNT = """
SELECT
    (SELECT count(*) FROM messages INDEXED BY waiting
     WHERE queue = :queue AND state = 'waiting' AND visible_at <= :now),
    (SELECT count(*) FROM messages INDEXED BY waiting
     WHERE queue = :queue AND state = 'waiting' AND visible_at > :now),
    (SELECT count(*) FROM messages INDEXED BY dead WHERE queue = :queue AND state = 'dead'),
    (SELECT min(visible_at) FROM messages INDEXED BY waiting
     WHERE queue = :queue AND state = 'waiting' AND visible_at <= :now)
"""
_DIG_UP = """
UPDATE messages SET state = 'waiting', attempts = 0, sent_at = ?, visible_at = ?, ended_at = NULL, reason = NULL,
    redriven_at = ?
WHERE queue = ? AND state = 'dead'
"""


def to_row(message: QueueMessage) -> Row:
    """The columns of a message. Raises `TypeError` or `ValueError` for data that JSON has no form for."""
    data = json.dumps(dict(message.data), allow_nan=False, separators=(",", ":"))
    trace = json.dumps(tracing.valid_carrier(message.trace)) if message.trace else None
    return message.message_id, message.type, data, message.time.isoformat(), message.correlation_id, trace


def to_message(columns: Sequence[Any]) -> QueueMessage:
    """The message of these columns."""
    message_id, type_, data, time, correlation_id, trace = columns
    carrier = {} if trace is None else tracing.valid_carrier(json.loads(trace))
    return QueueMessage(message_id, type_, json.loads(data), datetime.fromisoformat(time), correlation_id, carrier)


def insert(connection: Connection, queue: str, rows: Sequence[Row], now: int) -> None:
    """Store what the queue does not know, and forget some of what it need not know any more."""
    forgotten = now - REMEMBERED_MS
    connection.executemany(_INSERT, [(queue, *row, now, now, forgotten) for row in rows])
    connection.execute(_PURGE, (forgotten, len(rows) + PURGE_LIMIT))


def next_visible(connection: Connection, queue: str) -> int | None:
    """When the next message is, or was, there to be received."""
    look = (
        "SELECT visible_at FROM messages INDEXED BY waiting WHERE queue = ? AND state = 'waiting'"
        " ORDER BY visible_at LIMIT 1"
    )
    found = connection.execute(look, (queue,)).fetchone()
    return found and found[0]


def claim(connection: Connection, queue: str, limit: int, now: int, hidden_until: int) -> list[Row]:
    """Hide what has been visible the longest and return it in the order of sending, with what `Delivery` has."""
    rows = connection.execute(_CLAIM, (hidden_until, queue, now, limit)).fetchall()
    return [row[1:] for row in sorted(rows)]


def show_at(connection: Connection, queue: str, receipt: str, visible_at: int) -> None:
    """Make a delivery visible at another time, unless another delivery of the message came since."""
    connection.execute(
        "UPDATE messages SET visible_at = ? WHERE receipt = ? AND queue = ? AND state = 'waiting'",
        (visible_at, receipt, queue),
    )


def delete(connection: Connection, queue: str, message_id: str, now: int) -> None:
    """Empty a message that waits, and remember its id."""
    connection.execute(
        "UPDATE messages SET state = 'deleted', data = '{}', correlation_id = '', receipt = NULL, ended_at = ?"
        " WHERE queue = ? AND message_id = ? AND state = 'waiting'",
        (now, queue, message_id),
    )


def bury(connection: Connection, queue: str, receipt: str, reason: str, now: int) -> None:
    """Set a delivery aside, unless another delivery of the message came since."""
    connection.execute(
        "UPDATE messages SET state = 'dead', receipt = NULL, ended_at = ?, reason = ?"
        " WHERE receipt = ? AND queue = ? AND state = 'waiting'",
        (now, reason, receipt, queue),
    )


def buried(connection: Connection, queue: str, limit: int) -> list[Row]:
    """What was set aside, the latest first: the message, the reason, the attempts and when."""
    return connection.execute(
        f"SELECT {_MESSAGE}, reason, attempts, ended_at FROM messages INDEXED BY dead"
        " WHERE queue = ? AND state = 'dead' ORDER BY ended_at DESC LIMIT ?",
        (queue, limit),
    ).fetchall()


def dig_up(connection: Connection, queue: str, message_id: str, now: int) -> bool:
    """Make a message that was set aside wait again, as if new."""
    return connection.execute(f"{_DIG_UP} AND message_id = ?", (now, now, now, queue, message_id)).rowcount == 1


def dig_up_all(connection: Connection, queue: str, now: int) -> int:
    """Make all that were set aside wait again, as if new; returns how many."""
    return connection.execute(_DIG_UP, (now, now, now, queue)).rowcount


def holding(connection: Connection, queue: str, needles: Collection[str]) -> list[tuple[int, str]]:
    """Row and state of the messages that are not deleted and whose data hold one of these texts."""
    rows = connection.execute(
        "SELECT row, state, data FROM messages WHERE queue = ? AND state IN ('waiting', 'dead')", (queue,)
    )
    return [(row, state) for row, state, data in rows if any(needle in data for needle in needles)]


def empty_dead(connection: Connection, rows: Collection[int], now: int) -> None:
    """Delete messages that were set aside: nobody can have them carried out any more."""
    connection.executemany(
        "UPDATE messages SET state = 'deleted', data = '{}', correlation_id = '', receipt = NULL, reason = NULL,"
        " ended_at = ? WHERE row = ? AND state = 'dead'",
        [(now, row) for row in rows],
    )


def count(connection: Connection, queue: str, now: int) -> Row:
    """Visible, hidden and dead messages, and since when the first of the visible ones has been so."""
    return connection.execute(_COUNT, {"queue": queue, "now": now}).fetchone()
