"""Messages in the document store, with light pointers by which they are listed.

A document's list never changes, and an erased resident's name must not stay in one: so a message stands in no list of
its own, and pointers name it in the list of all, of its recipient and of its request.
"""

import asyncio
from collections.abc import Callable, Iterable

from core.errors import StoreUnavailable, VersionConflict
from core.ports.documents import Document, DocumentStore
from core.ports.page import Page
from deployments.execution.notices.agenda import time_order
from deployments.execution.notices.record import Notice, short_name

KIND = "notice"
POINTER = "notice-pointer"
ALL = "all"
READS_AT_ONCE = 25
CHANGE_ATTEMPTS = 50
PAUSE_S = 0.005


def inbox_of(recipient: str) -> str:
    """The list of what one person, role or building was sent."""
    return f"to:{short_name(recipient)}"


def digests_of(subject: str) -> str:
    """The list of somebody's digests, which no inbox shows: it shows what they gather."""
    return f"digests:{short_name(subject)}"


def about(request_id: str) -> str:
    """The list of what was sent about a request."""
    return f"about:{short_name(request_id)}"


class NoticeRecords:
    """Every method may raise `StoreUnavailable`."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def find(self, notice_id: str) -> Notice | None:
        """The message, or None."""
        found = await self.read(notice_id)
        return found[0] if found else None

    async def read(self, notice_id: str) -> tuple[Notice, int] | None:
        """The message and the version that it is stored at."""
        document = await self._documents.get(KIND, notice_id)
        return (Notice.model_validate(document.body), document.version) if document else None

    async def create(self, notice: Notice, lists: Iterable[str]) -> bool:
        """Store it, after its pointers; False where it was there, which stays as it is."""
        await asyncio.gather(*(self.enlist(name, notice) for name in lists))
        try:
            await self._documents.put(_document(notice, 1))
        except VersionConflict:
            return False
        return True

    async def replace(self, notice: Notice, version: int) -> None:
        """Store a change of what was read at `version`. Raises `VersionConflict`."""
        await self._documents.put(_document(notice, version + 1))

    async def change(self, notice_id: str, edit: Callable[[Notice], Notice | None]) -> Notice | None:
        """Apply a pure change to the newest version; None where there is no such message or nothing to change."""
        for attempt in range(CHANGE_ATTEMPTS):
            found = await self.read(notice_id)
            changed = edit(found[0]) if found else None
            if found is None or changed is None:
                return None
            try:
                await self.replace(changed, found[1])
            except VersionConflict:
                await asyncio.sleep(PAUSE_S * attempt)
                continue
            return changed
        raise StoreUnavailable("The message is being changed by too many at once.")

    async def enlist(self, name: str, notice: Notice) -> None:
        """Have the message in a list, at its time; nothing where it stands there."""
        pointer = Document(
            POINTER, f"{name}/{notice.notice_id}", name, time_order(notice.at), 1, {"notice_id": notice.notice_id}
        )
        try:
            await self._documents.put(pointer)
        except VersionConflict:
            return

    async def strike(self, name: str, notice_id: str) -> None:
        """Take it off a list."""
        await self._documents.delete(POINTER, f"{name}/{notice_id}")

    async def page(self, name: str, limit: int, cursor: str | None) -> Page[Notice]:
        """The messages of a list, newest first. Raises `InvalidCursor`.

        A pointer whose message was never stored is left out, so that a page may hold fewer than it could.
        """
        pointers = await self._documents.list(POINTER, name, limit=limit, cursor=cursor)
        ids: list[str] = [pointer.body["notice_id"] for pointer in pointers.items]
        found: list[Notice | None] = []
        for start in range(0, len(ids), READS_AT_ONCE):
            found += await asyncio.gather(*map(self.find, ids[start : start + READS_AT_ONCE]))
        return Page(tuple(notice for notice in found if notice is not None), pointers.next_cursor)

    async def ids(self, name: str) -> tuple[str, ...]:
        """Everything that a list names."""
        found: list[str] = []
        cursor = None
        while True:
            page = await self._documents.list(POINTER, name, limit=500, cursor=cursor)
            found += [pointer.body["notice_id"] for pointer in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return tuple(found)


def _document(notice: Notice, version: int) -> Document:
    return Document(KIND, notice.notice_id, notice.notice_id, "", version, notice.model_dump(mode="json"))
