"""The in-app inbox of an earlier release: notifications and alerts in a SQLite file, until they are taken over."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from adapters.cursor import decode_cursor, encode_cursor
from adapters.desk_database import NEWEST, parse_number
from adapters.sqlite import Database, from_millis, to_millis
from core.erasure import ErasureScope
from core.errors import NotFound
from core.execution import Notification
from core.ports.execution import DeliveredNotification
from core.ports.page import Page

CHANNEL = "inbox"

_PREFIX = "NTF-"
_LIST = "notifications"
_IS_HERE = " AND notification <> ''"
"""Of a message that was taken over, an empty row is left until its words are overwritten on the disk."""
_COLUMNS = "number, notification, sent_at, acknowledged_by, acknowledged_at"


class InboxNotifier:
    """`Notifier` for the processes of one machine, in the file of `open_desk_database`.

    It has one channel. A message that asks for another is delivered here all the same, and its record says so: being
    told in another way is better than not being told.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def send(self, notification: Notification, *, idempotency_key: str, now: datetime) -> str:
        """Put the message into the inbox, once for each key, and return its id."""

        def insert(connection: sqlite3.Connection) -> int | None:
            known = connection.execute(
                "SELECT number FROM notifications WHERE idempotency_key = ?", (idempotency_key,)
            ).fetchone()
            if known is not None:
                return known[0]
            return connection.execute(
                "INSERT INTO notifications (idempotency_key, recipient, notification, sent_at) VALUES (?, ?, ?, ?)",
                (idempotency_key, notification.recipient, notification.model_dump_json(), to_millis(now)),
            ).lastrowid

        return f"{_PREFIX}{await self._database.write(insert)}"

    async def sent(self, *, recipient: str | None, limit: int, cursor: str | None) -> Page[DeliveredNotification]:
        """What was sent, newest first. Raises `InvalidCursor`."""
        before = NEWEST if cursor is None else decode_cursor(cursor, _LIST, recipient, (int,))[0]
        narrowed = "" if recipient is None else " AND recipient = ?"
        values = (before,) if recipient is None else (before, recipient)
        rows: list[tuple[Any, ...]] = self._database.read(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM notifications WHERE number < ?{narrowed}{_IS_HERE}"
                " ORDER BY number DESC LIMIT ?",
                (*values, limit + 1),
            ).fetchall()
        )
        shown = rows[:limit]
        next_cursor = encode_cursor(_LIST, recipient, (shown[-1][0],)) if len(rows) > limit else None
        return Page(tuple(map(_delivered, shown)), next_cursor)

    async def find_sent(self, notification_id: str) -> DeliveredNotification | None:
        """One message that was sent, or None."""
        number = parse_number(notification_id, _PREFIX)
        row = self._database.read(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM notifications WHERE number = ?{_IS_HERE}", (number,)
            ).fetchone()
        )
        return None if row is None else _delivered(row)

    async def acknowledge(self, notification_id: str, *, by: str, now: datetime) -> DeliveredNotification:
        """Note who took an alert; the first one stays. Raises `NotFound`."""

        def acknowledge(connection: sqlite3.Connection) -> DeliveredNotification:
            number = parse_number(notification_id, _PREFIX)
            connection.execute(
                "UPDATE notifications SET acknowledged_by = ?, acknowledged_at = ?"
                " WHERE number = ? AND acknowledged_by IS NULL",
                (by, to_millis(now), number),
            )
            row = connection.execute(f"SELECT {_COLUMNS} FROM notifications WHERE number = ?", (number,)).fetchone()
            if row is None:
                raise NotFound("There is no such notification.")
            return _delivered(row)

        return await self._database.write(acknowledge)

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Rewrite what was sent to the resident or about the requests; the ids of all that."""
        found = await self._database.read_in_thread(lambda connection: _about(connection, scope))

        def rewrite(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE notifications SET recipient = ?, notification = ? WHERE number = ?",
                [(one.recipient, one.model_dump_json(), number) for number, one in found],
            )

        await self._database.write(rewrite)
        await self._database.compact()
        return tuple(f"{_PREFIX}{number}" for number, _ in found)

    async def take_out(self, notification_ids: Sequence[str]) -> None:
        """Empty these messages, which stand elsewhere now; `purge` makes an end of what is left of them."""
        numbers = [(parse_number(each, _PREFIX),) for each in notification_ids]

        def empty(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE notifications SET idempotency_key = 'out:' || number, recipient = '', notification = '',"
                " acknowledged_by = NULL WHERE number = ?",
                numbers,
            )

        await self._database.write(empty)

    async def purge(self) -> None:
        """Overwrite on the disk what was taken out; a kill in between leaves the empty rows, and it is done again."""
        emptied = "SELECT 1 FROM notifications WHERE notification = '' LIMIT 1"
        if self._database.read(lambda connection: connection.execute(emptied).fetchone()) is None:
            return
        await self._database.compact()

        def remove(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM notifications WHERE notification = ''")

        await self._database.write(remove)

    async def close(self) -> None:
        """Give back connections and threads, the desk's too where it shares the file's `Database`."""
        await self._database.close()


def _about(connection: sqlite3.Connection, scope: ErasureScope) -> list[tuple[int, Notification]]:
    """What is to the resident or about the requests, without its words."""
    rows: Iterable[tuple[int, str, str | None]] = connection.execute(
        "SELECT number, recipient, json_extract(notification, '$.request_id') FROM notifications"
        " WHERE notification <> ''"
    )
    found = [number for number, recipient, request_id in rows if scope.concerns(recipient, request_id)]
    read = "SELECT notification FROM notifications WHERE number = ?"
    texts = [(number, connection.execute(read, (number,)).fetchone()[0]) for number in found]
    return [(number, scope.notification(Notification.model_validate_json(text))) for number, text in texts]


def _delivered(row: tuple[Any, ...]) -> DeliveredNotification:
    number, notification, sent_at, acknowledged_by, acknowledged_at = row
    return DeliveredNotification(
        notification_id=f"{_PREFIX}{number}",
        channel=CHANNEL,
        notification=Notification.model_validate_json(notification),
        at=from_millis(sent_at),
        acknowledged_by=acknowledged_by,
        acknowledged_at=None if acknowledged_at is None else from_millis(acknowledged_at),
    )
