"""Idempotency keys in the SQLite store."""

import json
import sqlite3
from collections.abc import Collection
from typing import Any

from adapters.wanted_key import WantedKey
from core.errors import IdempotencyInFlight, IdempotencyKeyReused
from core.ports.store import IdempotencyClaim, StoredAnswer

PURGE_LIMIT = 4
"""Expired keys that are removed with each new one; two or more, so that the table shrinks."""


def claim(connection: sqlite3.Connection, wanted: WantedKey) -> IdempotencyClaim:
    """Take the key or tell what came of it."""
    held = connection.execute(
        "SELECT fingerprint, resource_id, leased_until, status, headers, body FROM idempotency_keys"
        " WHERE key = ? AND expires_at > ?",
        (wanted.key, wanted.now),
    ).fetchone()
    if held is None:
        _insert(connection, wanted)
        return IdempotencyClaim(wanted.resource_id, None)
    return _join(connection, wanted, held)


def _join(connection: sqlite3.Connection, wanted: WantedKey, held: tuple[Any, ...]) -> IdempotencyClaim:
    fingerprint, resource_id, leased_until, status, headers, body = held
    if fingerprint != wanted.fingerprint:
        raise IdempotencyKeyReused("This idempotency key came before with another body.")
    if status is not None:
        return IdempotencyClaim(resource_id, StoredAnswer(status, json.loads(headers), body))
    if leased_until > wanted.now:
        raise IdempotencyInFlight("The first call with this idempotency key is still running.")
    connection.execute("UPDATE idempotency_keys SET leased_until = ? WHERE key = ?", (wanted.leased_until, wanted.key))
    return IdempotencyClaim(resource_id, None)


def _insert(connection: sqlite3.Connection, wanted: WantedKey) -> None:
    connection.execute(
        "DELETE FROM idempotency_keys WHERE rowid IN"
        " (SELECT rowid FROM idempotency_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        (wanted.now, PURGE_LIMIT),
    )
    connection.execute(
        "INSERT OR REPLACE INTO idempotency_keys (key, fingerprint, resource_id, leased_until, expires_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (wanted.key, wanted.fingerprint, wanted.resource_id, wanted.leased_until, wanted.expires_at),
    )


def finish(connection: sqlite3.Connection, key: str, answer: StoredAnswer) -> None:
    """Keep the answer, unless there is one."""
    connection.execute(
        "UPDATE idempotency_keys SET status = ?, headers = ?, body = ? WHERE key = ? AND status IS NULL",
        (answer.status, json.dumps(dict(answer.headers)), answer.body, key),
    )


def move_lease(connection: sqlite3.Connection, key: str, before: int, after: int) -> bool:
    """Have the lease that ends at `before` end at `after`; False where there is no such one.

    Its end tells the holder: whoever takes a key over does so after that moment, and so holds it until a later one.
    """
    moved = connection.execute(
        "UPDATE idempotency_keys SET leased_until = ? WHERE key = ? AND leased_until = ? AND status IS NULL",
        (after, key, before),
    )
    return moved.rowcount == 1


def forget(connection: sqlite3.Connection, resource_ids: Collection[str]) -> None:
    """Remove the answers about these resources; the lease of an answered key has ended."""
    connection.executemany(
        "UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, leased_until = 0"
        " WHERE resource_id = ? AND status IS NOT NULL",
        [(resource_id,) for resource_id in resource_ids],
    )
