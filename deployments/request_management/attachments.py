"""Residents' files: checked, stored apart from the requests, and shown only to whoever may see the request."""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.attachments import AttachmentId, CheckedFile, FileRefused, StoredAttachment
from core.contract import Contract, UtcTime
from core.errors import AppError, Conflict, Invalid, NotFound, TooLarge, VersionConflict
from core.identity import Principal
from core.ports.blobs import Blob, BlobStore, FileInspector
from core.ports.documents import Document, DocumentStore
from core.request import Attachment, BuildingId, RequestId, ResidentId
from deployments.request_management import access

log = logging.getLogger(__name__)

KIND = "attachment"
LOOSE = "loose-attachment"
"""Notes of files that no stored request holds yet, oldest first."""
LOOSE_LIST = "all"
KEPT_LOOSE = timedelta(hours=24)
PRUNE_EVERY = timedelta(hours=1)
MOST_LOOSE = 20
"""Files of one resident that were not sent with a request yet."""
CLAIM_HELD = timedelta(seconds=60)
"""So long a file is kept for a request that is about to be stored; longer than the longest call."""
PAGE = 100
ADDRESS_VALID = timedelta(minutes=10)
MAX_PER_REQUEST = 10
CONCURRENT_CHECKS = 2
"""Unpacking a picture takes some 200 MB."""


class AttachmentAddress(Contract):
    """Where a file can be had, without a token, for a short time."""

    attachment: StoredAttachment
    url: str
    expires_at: UtcTime


@dataclass(frozen=True)
class Upload:
    """A file as it came."""

    name: str
    claimed_type: str
    content: bytes


@dataclass(frozen=True)
class _Entry:
    """A file as its document says."""

    attachment: StoredAttachment
    version: int
    tied_at: datetime | None
    """When it was last tied to its request."""
    removed: bool
    """Whether its removal has begun: nobody has it any more."""


class AlreadyAttached(Conflict):
    """The file belongs to another request."""

    code = "already_attached"


class TooManyFiles(Conflict):
    """The resident has too many files that no request holds."""

    code = "too_many_files"


class Attachments:
    """Takes files, ties them to requests, and gives them out."""

    def __init__(
        self,
        documents: DocumentStore,
        blobs: BlobStore,
        inspector: FileInspector,
        url_key: bytes,
        limit_bytes: int,
        clock: Callable[[], datetime],
        exists: Callable[[RequestId], Awaitable[bool]],
    ) -> None:
        """`exists` says whether a request of this id is stored."""
        self._documents = documents
        self._blobs = blobs
        self._inspector = inspector
        self._url_key = url_key
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._exists = exists
        self._checking = asyncio.Semaphore(CONCURRENT_CHECKS)

    async def upload(
        self, principal: Principal, home: tuple[ResidentId, BuildingId], upload: Upload, attachment_id: str
    ) -> StoredAttachment:
        """Check and store a file for this resident; one of this id that exists already is returned.

        Raises `TooLarge`, `UnsupportedFile`, `FileRefused`, `TooManyFiles`.
        """
        earlier = await self._find(attachment_id)
        if earlier is not None:
            return earlier
        if not upload.content:
            raise FileRefused("The file is empty.")
        if len(upload.content) > self._limit_bytes:
            raise TooLarge(f"A file may have {self._limit_bytes // 1024 // 1024} MB.")
        # Stored under the same guard as counted, so that many uploads at once do not pass the limit together.
        async with self._checking:
            await self._require_room(home[0])
            checked = await asyncio.to_thread(self._inspector.inspect, upload.content, upload.claimed_type)
            return await self._keep(principal, home, upload.name, checked, attachment_id)

    async def _keep(
        self,
        principal: Principal,
        home: tuple[ResidentId, BuildingId],
        name: str,
        checked: CheckedFile,
        attachment_id: str,
    ) -> StoredAttachment:
        resident_id, building_id = home
        now = self._clock()
        made = StoredAttachment(
            attachment_id=AttachmentId(attachment_id),
            resident_id=resident_id,
            building_id=building_id,
            name=_plain_name(name),
            content_type=checked.content_type,
            size_bytes=len(checked.content),
            sha256=hashlib.sha256(checked.content).hexdigest(),
            uploaded_by=principal.sub,
            # As JSON keeps it: a document's order is made of it, and must be the same when it is read again.
            created_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
        )
        # The note comes first: whatever is stored after it is found again when nobody claims it.
        await self._note_loose(made)
        await self._blobs.put(attachment_id, Blob(checked.content, checked.content_type))
        await self._store(made, version=1)
        return made

    async def _require_room(self, resident_id: str) -> None:
        # What is older is pruned, or about to be.
        oldest = (self._clock() - KEPT_LOOSE - PRUNE_EVERY).isoformat()
        loose, cursor = 0, None
        while True:
            page = await self._documents.list(KIND, resident_id, limit=PAGE, cursor=cursor)
            recent = [_entry(document) for document in page.items if document.order >= oldest]
            loose += sum(entry.attachment.request_id is None and not entry.removed for entry in recent)
            if loose >= MOST_LOOSE:
                raise TooManyFiles(f"{MOST_LOOSE} files wait to be sent with a request; send or delete some first.")
            cursor = page.next_cursor
            if cursor is None or len(recent) < len(page.items):
                return

    async def claim(
        self, attachments: Sequence[Attachment], request_id: RequestId, resident_id: str
    ) -> tuple[Attachment, ...]:
        """The attachments of a submission as they stand on the request, each uploaded one now tied to it.

        All are looked at before the first is tied. They stay tied for `CLAIM_HELD`, and for good once the request is
        stored. Claiming again for the same request changes nothing. Raises `Invalid` for one that is not the
        resident's, `AlreadyAttached`.
        """
        entries = [
            one if one.attachment_id is None else await self._claimable(one.attachment_id, request_id, resident_id)
            for one in attachments
        ]
        return tuple(
            [one if isinstance(one, Attachment) else await self._tie(one, request_id, resident_id) for one in entries]
        )

    async def confirm(self, attachments: Sequence[Attachment]) -> None:
        """The request that holds these is stored: they are loose no more."""
        for one in attachments:
            if one.attachment_id is not None:
                await self._documents.delete(LOOSE, one.attachment_id)

    async def _claimable(self, attachment_id: str, request_id: RequestId, resident_id: str) -> _Entry:
        entry = await self._entry(attachment_id)
        if entry is None or entry.removed or entry.attachment.resident_id != resident_id:
            raise Invalid(f"There is no attachment {attachment_id[:80]} of this resident.")
        if entry.attachment.request_id != request_id and await self._is_held(entry):
            raise AlreadyAttached("The attachment belongs to another request.")
        return entry

    async def _tie(self, entry: _Entry, request_id: RequestId, resident_id: str) -> Attachment:
        tied = entry.attachment.model_copy(update={"request_id": request_id})
        try:
            await self._store(tied, version=entry.version + 1, tied_at=self._clock().isoformat())
        except VersionConflict:
            again = await self._claimable(tied.attachment_id, request_id, resident_id)
            return await self._tie(again, request_id, resident_id)
        return Attachment(attachment_id=tied.attachment_id, name=tied.name, content_type=tied.content_type)

    async def _is_held(self, entry: _Entry) -> bool:
        """Whether a request has it, or is about to be stored with it."""
        tied_to = entry.attachment.request_id
        return tied_to is not None and (self._is_being_sent(entry) or await self._exists(tied_to))

    def _is_being_sent(self, entry: _Entry) -> bool:
        return entry.tied_at is not None and self._clock() < entry.tied_at + CLAIM_HELD

    async def address(self, principal: Principal, attachment_id: str, base_url: str) -> AttachmentAddress:
        """Where the file can be had; for its owner and staff of the building. Raises `NotFound`."""
        found = await self._visible(principal, attachment_id)
        expires_at = (self._clock() + ADDRESS_VALID).astimezone(UTC)
        url = self._blobs.signed_url(found.attachment_id, valid_for=ADDRESS_VALID, file_name=found.name)
        if url is None:
            until = int(expires_at.timestamp())
            signature = self._sign(found.attachment_id, until)
            url = f"{base_url}/attachments/{found.attachment_id}/content?expires={until}&signature={signature}"
        return AttachmentAddress(attachment=found, url=url, expires_at=expires_at)

    async def content(self, attachment_id: str, expires: int, signature: str) -> tuple[StoredAttachment, bytes]:
        """The bytes behind a signed address. Raises `NotFound` for one that is wrong or over."""
        right = hmac.compare_digest(self._sign(attachment_id, expires), signature)
        if not right or expires < self._clock().timestamp():
            raise NotFound("This address is not valid, or not any more.")
        found, blob = await self._find(attachment_id), await self._blobs.get(attachment_id)
        if found is None or blob is None:
            raise NotFound("There is no such file any more.")
        return found, blob.content

    async def remove(self, principal: Principal, attachment_id: str) -> None:
        """Take back a file that no request holds yet. Raises `NotFound`, `AlreadyAttached`."""
        await self._visible(principal, attachment_id)
        entry = await self._entry(attachment_id)
        if entry is None:
            return
        if await self._is_held(entry):
            raise AlreadyAttached("The attachment belongs to a request.")
        if not await self._take_away(entry):
            await self.remove(principal, attachment_id)

    async def erase(self, attachment_id: str) -> None:
        """Remove a file for good."""
        await self._blobs.delete(attachment_id)
        await self._documents.delete(KIND, attachment_id)
        await self._documents.delete(LOOSE, attachment_id)

    async def of_resident(self, resident_id: str) -> tuple[StoredAttachment, ...]:
        """All files of a resident, oldest first."""
        found: list[StoredAttachment] = []
        cursor: str | None = None
        while True:
            page = await self._documents.list(KIND, resident_id, limit=200, cursor=cursor, newest_first=False)
            entries = map(_entry, page.items)
            found += [entry.attachment for entry in entries if not entry.removed]
            cursor = page.next_cursor
            if cursor is None:
                return tuple(found)

    async def prune(self) -> int:
        """Remove files that nobody has sent with a request for a day; returns how many."""
        removed, cursor = 0, None
        too_old = (self._clock() - KEPT_LOOSE).isoformat()
        while True:
            page = await self._documents.list(LOOSE, LOOSE_LIST, limit=PAGE, cursor=cursor, newest_first=False)
            for note in page.items:
                if note.order >= too_old:
                    return removed
                removed += await self._prune_one(note.key)
            cursor = page.next_cursor
            if cursor is None:
                return removed

    async def _prune_one(self, attachment_id: str) -> bool:
        entry = await self._entry(attachment_id)
        if entry is None:
            await self.erase(attachment_id)
            return True
        if not await self._is_held(entry):
            return await self._take_away(entry)
        # The note of one whose request may still fail to be stored stays.
        if not self._is_being_sent(entry):
            await self._documents.delete(LOOSE, attachment_id)
        return False

    async def _take_away(self, entry: _Entry) -> bool:
        """Remove it unless it has changed since it was read, as when a request claims it."""
        try:
            await self._store(entry.attachment, version=entry.version + 1, removed=True)
        except VersionConflict:
            return False
        await self.erase(entry.attachment.attachment_id)
        return True

    async def run(self) -> None:
        """Prune every hour, until cancelled."""
        while True:
            try:
                await self.prune()
            except AppError as error:
                log.warning("old files were not removed: %s", error.code)
            await asyncio.sleep(PRUNE_EVERY.total_seconds())

    async def _visible(self, principal: Principal, attachment_id: str) -> StoredAttachment:
        found = await self._find(attachment_id)
        hidden = NotFound("There is no such attachment.")
        if found is None:
            raise hidden
        if principal.is_resident:
            if found.resident_id != principal.sub:
                raise hidden
        else:
            access.require_role(principal, access.STAFF)
            if not principal.covers(found.building_id):
                raise hidden
        return found

    async def _find(self, attachment_id: str) -> StoredAttachment | None:
        entry = await self._entry(attachment_id)
        return None if entry is None or entry.removed else entry.attachment

    async def _entry(self, attachment_id: str) -> _Entry | None:
        document = await self._documents.get(KIND, attachment_id)
        return None if document is None else _entry(document)

    async def _store(self, attachment: StoredAttachment, *, version: int, **marks: str | bool) -> None:
        """`marks` are `tied_at` and `removed`, which nobody is shown."""
        await self._documents.put(
            Document(
                kind=KIND,
                key=attachment.attachment_id,
                partition=attachment.resident_id,
                order=attachment.created_at.isoformat(),
                version=version,
                body={**attachment.model_dump(mode="json"), **marks},
            )
        )

    async def _note_loose(self, attachment: StoredAttachment) -> None:
        note = Document(LOOSE, attachment.attachment_id, LOOSE_LIST, attachment.created_at.isoformat(), 1, {})
        try:
            await self._documents.put(note)
        except VersionConflict:
            log.info("the upload of %s is tried again", attachment.attachment_id)

    def _sign(self, attachment_id: str, expires: int) -> str:
        return hmac.new(self._url_key, f"{attachment_id}\0{expires}".encode(), hashlib.sha256).hexdigest()


def _entry(document: Document) -> _Entry:
    body = dict(document.body)
    tied_at, removed = body.pop("tied_at", None), body.pop("removed", False)
    return _Entry(
        attachment=StoredAttachment.model_validate(body),
        version=document.version,
        tied_at=None if tied_at is None else datetime.fromisoformat(tied_at),
        removed=removed,
    )


def new_attachment_id() -> AttachmentId:
    """`ATT_<24 random characters>`: not to be guessed."""
    return AttachmentId(f"ATT_{secrets.token_hex(12)}")


def _plain_name(name: str) -> str:
    """The last part of a path, without control characters, at most 200 characters long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(character for character in last if character.isprintable()).strip()
    return plain[:200] or "file"
