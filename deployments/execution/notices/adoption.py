"""Takes over what an earlier release kept in an inbox of its own, and leaves nothing of it there."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from core.errors import Unavailable
from core.ports.documents import DocumentStore
from core.ports.execution import DeliveredNotification
from core.ports.page import Page
from deployments.execution.notices.record import Notice
from deployments.execution.notices.records import ALL, NoticeRecords, about, inbox_of

log = logging.getLogger(__name__)

PAGE = 200


class OldInbox(Protocol):
    """An inbox whose messages are taken over. Methods may raise `Unavailable`."""

    async def sent(self, *, recipient: str | None, limit: int, cursor: str | None) -> Page[DeliveredNotification]:
        """What it still holds, newest first."""
        ...

    async def take_out(self, notification_ids: Sequence[str]) -> None:
        """Empty these messages."""
        ...

    async def purge(self) -> None:
        """Make an end of all that was taken out, for good; again changes nothing."""
        ...


class InboxAdoption:
    """Adopts the old inbox beside all other work, again after a while where a store is down."""

    def __init__(self, old: OldInbox, documents: DocumentStore, *, pause_s: float = 10.0) -> None:
        self._old, self._documents, self._pause_s = old, documents, pause_s
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Until it is done."""
        while True:
            try:
                await self.finish()
                return
            except Unavailable as error:
                log.warning("the old inbox is adopted later: %s", error.detail)
                await asyncio.sleep(self._pause_s)

    async def finish(self) -> None:
        """Adopt all that is left, now. Raises `Unavailable`."""
        async with self._turn:
            await adopt_inbox(self._old, self._documents)


async def adopt_inbox(old: OldInbox, documents: DocumentStore) -> int:
    """Store every message of the old inbox under its own id and empty that; how many there were.

    A kill in between repeats the rest. Nothing of it is pushed: it stood in the inbox all along.
    """
    records, count = NoticeRecords(documents), 0
    while items := (await old.sent(recipient=None, limit=PAGE, cursor=None)).items:
        for each in items:
            await _adopt(records, each)
        await old.take_out([each.notification_id for each in items])
        count += len(items)
    await old.purge()
    return count


async def _adopt(records: NoticeRecords, delivered: DeliveredNotification) -> None:
    notification = delivered.notification
    if await records.find(delivered.notification_id) is not None:
        # Adopted before, and perhaps erased since: then no list must name the recipient again.
        return
    notice = Notice(
        notice_id=delivered.notification_id,
        notification=notification,
        at=delivered.at,
        acknowledged_by=delivered.acknowledged_by,
        acknowledged_at=delivered.acknowledged_at,
    )
    request = [about(notification.request_id)] if notification.request_id else []
    await records.create(notice, [ALL, inbox_of(notification.recipient), *request])
