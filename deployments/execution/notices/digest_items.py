"""What waits for a person's next digest."""

from dataclasses import dataclass
from datetime import datetime

from core.errors import VersionConflict
from core.ports.documents import Document, DocumentStore
from deployments.execution.notices.agenda import KIND as AGENDA
from deployments.execution.notices.agenda import Entry, time_order
from deployments.execution.notices.record import Push, short_name

KIND = "digest-item"
PAGE = 100
DIGEST = "digest"
"""The lane of the agenda in which people's digests are due."""


@dataclass(frozen=True)
class DigestItem:
    """One push that goes out within a digest."""

    key: str
    notice_id: str
    push_id: str
    subject: str
    due: datetime
    created_at: datetime


class DigestItems:
    """Items by person. Every method may raise `StoreUnavailable`."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    def name_of(self, subject: str) -> str:
        """The list of a resident or a role."""
        return short_name(subject)

    async def add(self, notice_id: str, push: Push, subject: str, now: datetime) -> None:
        """Have it gathered; nothing where it is."""
        name = self.name_of(subject)
        key = f"{name}/{time_order(push.due_at)}/{notice_id}/{push.push_id}"
        body = {
            "notice_id": notice_id,
            "push_id": push.push_id,
            "subject": subject,
            "due": push.due_at.isoformat(),
            "created_at": now.isoformat(),
        }
        try:
            await self._documents.put(Document(KIND, key, name, time_order(push.due_at), 1, body))
        except VersionConflict:
            return

    async def due(self, name: str, now: datetime) -> tuple[DigestItem, ...]:
        """What is due for a person, the earliest first; a page of it."""
        page = await self._documents.list(KIND, name, limit=PAGE, newest_first=False)
        return tuple(item for item in map(_item, page.items) if item.due <= now)

    async def remove(self, item: DigestItem) -> None:
        """It is gathered, or goes out no more."""
        await self._documents.delete(KIND, item.key)

    async def forget(self, subject: str) -> None:
        """Remove all that waits for a person, with the pointers that name them."""
        name = self.name_of(subject)
        while True:
            page = await self._documents.list(KIND, name, limit=PAGE, newest_first=False)
            for item in map(_item, page.items):
                pointer = Entry(DIGEST, item.due, name, item.created_at)
                await self._documents.delete(AGENDA, pointer.key)
                await self.remove(item)
            if page.next_cursor is None:
                return


def _item(document: Document) -> DigestItem:
    body = document.body
    return DigestItem(
        key=document.key,
        notice_id=body["notice_id"],
        push_id=body["push_id"],
        subject=body["subject"],
        due=datetime.fromisoformat(body["due"]),
        created_at=datetime.fromisoformat(body["created_at"]),
    )
