"""Takes over what an earlier release kept in an inbox of its own."""

import asyncio
import logging

from core.errors import Unavailable, VersionConflict
from core.ports.documents import Document, DocumentStore
from core.ports.execution import DeliveredNotification, Notifier
from deployments.execution.notices.record import Notice
from deployments.execution.notices.records import ALL, NoticeRecords, about, inbox_of

log = logging.getLogger(__name__)

KIND = "notice-adoption"
PAGE = 200


class InboxAdoption:
    """Adopts the old inbox beside all other work, again after a while where the store is down."""

    def __init__(self, old: Notifier, documents: DocumentStore, *, pause_s: float = 10.0) -> None:
        self._old, self._documents, self._pause_s = old, documents, pause_s

    async def run(self) -> None:
        """Until it is done."""
        while True:
            try:
                await adopt_inbox(self._old, self._documents)
                return
            except Unavailable as error:
                log.warning("the old inbox is adopted later: %s", error.detail)
                await asyncio.sleep(self._pause_s)


async def adopt_inbox(old: Notifier, documents: DocumentStore) -> int:
    """Store every message of the old inbox under its own id, once for all; how many there were.

    A kill in between repeats it, which changes nothing. Nothing of it is pushed: it stood in the inbox all along.
    """
    if await documents.get(KIND, "inbox") is not None:
        return 0
    records, count, cursor = NoticeRecords(documents), 0, None
    while True:
        page = await old.sent(recipient=None, limit=PAGE, cursor=cursor)
        for each in page.items:
            await _adopt(records, each)
        count += len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    try:
        await documents.put(Document(KIND, "inbox", "", "", 1, {"messages": count}))
    except VersionConflict:
        return count
    return count


async def _adopt(records: NoticeRecords, delivered: DeliveredNotification) -> None:
    notification = delivered.notification
    notice = Notice(
        notice_id=delivered.notification_id,
        notification=notification,
        at=delivered.at,
        acknowledged_by=delivered.acknowledged_by,
        acknowledged_at=delivered.acknowledged_at,
    )
    request = [about(notification.request_id)] if notification.request_id else []
    await records.create(notice, [ALL, inbox_of(notification.recipient), *request])
