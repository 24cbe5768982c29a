"""What is due when: pointers to messages in lists by time, which outlive the process and are taken by one at a time."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from core.errors import VersionConflict
from core.ports.documents import Document, DocumentStore

KIND = "agenda"
PAGE = 100
ORPHAN_AFTER = timedelta(days=1)
"""A pointer is written before what it points to; one that points to nothing is forgotten after so long."""
_SOON = timedelta(seconds=2)
_PATIENCE = timedelta(minutes=2)
_LONGEST_LEAVE = timedelta(hours=1)


@dataclass(frozen=True)
class Entry:
    """One pointer: at `due`, look at `what`. It says only when to look; the record says what is to be done."""

    lane: str
    """The list that it stands in: a slow lane holds up no other."""
    due: datetime
    what: str
    created_at: datetime
    leased_until: datetime | None = None
    version: int = 1
    again: str = ""
    """Tells it from an older one for the same thing at the same time."""

    @property
    def key(self) -> str:
        """The same for the same thing at the same time."""
        return f"{self.lane}:{time_order(self.due)}:{self.what}{self.again}"

    def document(self) -> Document:
        """As it is stored."""
        body = {
            "due": self.due.isoformat(),
            "what": self.what,
            "created_at": self.created_at.isoformat(),
            "again": self.again,
            "leased_until": self.leased_until.isoformat() if self.leased_until else None,
        }
        return Document(KIND, self.key, self.lane, time_order(self.due), self.version, body)


class Agenda:
    """Pointers in the document store. Every method may raise `StoreUnavailable`."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def schedule(self, lane: str, due: datetime, what: str, now: datetime) -> None:
        """Have `what` looked at when it is due; nothing where that is planned already."""
        wanted = Entry(lane, due.astimezone(UTC), what, now.astimezone(UTC))
        try:
            await self._documents.put(wanted.document())
        except VersionConflict:
            found = await self._documents.get(KIND, wanted.key)
            if found is not None and now - _entry(found).created_at < ORPHAN_AFTER / 2:
                return
            # One so old points to nothing, and may be forgotten at this very moment.
            await self._documents.put(replace(wanted, again=f":{uuid4().hex}").document())

    async def due(self, lane: str, now: datetime, limit: int) -> tuple[Entry, ...]:
        """What is due and in nobody's hands, the earliest first."""
        found: list[Entry] = []
        cursor = None
        while len(found) < limit:
            page = await self._documents.list(KIND, lane, limit=PAGE, cursor=cursor, newest_first=False)
            entries = [_entry(document) for document in page.items]
            found += [each for each in entries if each.due <= now and (each.leased_until or now) <= now]
            cursor = page.next_cursor
            if cursor is None or entries[-1].due > now:
                break
        return tuple(found[:limit])

    async def claim(self, entry: Entry, now: datetime, lease_s: float) -> Entry | None:
        """Take it for `lease_s`, by a conditional write; None where another was faster."""
        taken = replace(entry, version=entry.version + 1, leased_until=now + timedelta(seconds=lease_s))
        try:
            await self._documents.put(taken.document())
        except VersionConflict:
            return None
        return taken

    async def done(self, entry: Entry) -> None:
        """Forget it."""
        await self._documents.delete(KIND, entry.key)

    async def leave(self, entry: Entry, now: datetime) -> None:
        """It points to nothing: look again soon, since that may be on its way to the store; forget it after a day."""
        age = now - entry.created_at
        if age >= ORPHAN_AFTER:
            await self.done(entry)
        else:
            await self.claim(entry, now, (_SOON if age < _PATIENCE else min(age / 2, _LONGEST_LEAVE)).total_seconds())

    async def postpone(self, entry: Entry, due: datetime, now: datetime) -> None:
        """Have the same looked at later. A kill in between leaves both."""
        if time_order(due) == time_order(entry.due):
            await self.claim(entry, now, 0.0)
            return
        await self.schedule(entry.lane, due, entry.what, now)
        await self.done(entry)


def time_order(moment: datetime) -> str:
    """The moment as text of one width, by which lists go."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _entry(document: Document) -> Entry:
    body = document.body
    leased = body["leased_until"]
    return Entry(
        lane=document.partition,
        due=datetime.fromisoformat(body["due"]),
        what=body["what"],
        created_at=datetime.fromisoformat(body["created_at"]),
        leased_until=datetime.fromisoformat(leased) if leased else None,
        version=document.version,
        again=body["again"],
    )
