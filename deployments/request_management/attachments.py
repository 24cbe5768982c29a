"""Residents' files: checked, stored apart from the requests, and shown only to whoever may see the request."""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.attachments import AttachmentId, FileRefused, StoredAttachment
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
"""Notes of files that no request holds yet, oldest first."""
LOOSE_LIST = "all"
KEPT_LOOSE = timedelta(hours=24)
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


class AlreadyAttached(Conflict):
    """The file belongs to another request."""

    code = "already_attached"


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
    ) -> None:
        self._documents = documents
        self._blobs = blobs
        self._inspector = inspector
        self._url_key = url_key
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._checking = asyncio.Semaphore(CONCURRENT_CHECKS)

    async def upload(
        self, principal: Principal, home: tuple[ResidentId, BuildingId], upload: Upload, attachment_id: str
    ) -> StoredAttachment:
        """Check and store a file for this resident; one of this id that exists already is returned.

        Raises `TooLarge`, `UnsupportedFile`, `FileRefused`.
        """
        earlier = await self._find(attachment_id)
        if earlier is not None:
            return earlier
        if not upload.content:
            raise FileRefused("The file is empty.")
        if len(upload.content) > self._limit_bytes:
            raise TooLarge(f"A file may have {self._limit_bytes // 1024 // 1024} MB.")
        async with self._checking:
            checked = await asyncio.to_thread(self._inspector.inspect, upload.content, upload.claimed_type)
        resident_id, building_id = home
        made = StoredAttachment(
            attachment_id=AttachmentId(attachment_id),
            resident_id=resident_id,
            building_id=building_id,
            name=_plain_name(upload.name),
            content_type=checked.content_type,
            size_bytes=len(checked.content),
            sha256=hashlib.sha256(checked.content).hexdigest(),
            uploaded_by=principal.sub,
            created_at=self._clock(),
        )
        # The note comes first: whatever is stored after it is found again when nobody claims it.
        await self._note_loose(made)
        await self._blobs.put(attachment_id, Blob(checked.content, checked.content_type))
        await self._store(made, version=1)
        return made

    async def claim(
        self, attachments: Sequence[Attachment], request_id: RequestId, resident_id: str
    ) -> tuple[Attachment, ...]:
        """The attachments of a submission as they stand on the request, each uploaded one now tied to it.

        Claiming again for the same request changes nothing. Raises `Invalid` for one that is not the resident's.
        """
        return tuple([await self._claim(one, request_id, resident_id) for one in attachments])

    async def _claim(self, wanted: Attachment, request_id: RequestId, resident_id: str) -> Attachment:
        if wanted.attachment_id is None:
            return wanted
        document = await self._documents.get(KIND, wanted.attachment_id)
        found = None if document is None else StoredAttachment.model_validate(dict(document.body))
        if document is None or found is None or found.resident_id != resident_id:
            raise Invalid(f"There is no attachment {wanted.attachment_id[:80]} of this resident.")
        if found.request_id not in (None, request_id):
            raise AlreadyAttached("The attachment belongs to another request.")
        if found.request_id is None:
            try:
                await self._store(found.model_copy(update={"request_id": request_id}), version=document.version + 1)
            except VersionConflict:
                return await self._claim(wanted, request_id, resident_id)
        await self._documents.delete(LOOSE, found.attachment_id)
        return Attachment(attachment_id=found.attachment_id, name=found.name, content_type=found.content_type)

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
        found = await self._visible(principal, attachment_id)
        if found.request_id is not None:
            raise AlreadyAttached("The attachment belongs to a request.")
        await self.erase(found.attachment_id)

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
            found += [StoredAttachment.model_validate(dict(document.body)) for document in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return tuple(found)

    async def prune(self) -> int:
        """Remove files that nobody has sent with a request for a day; returns how many."""
        removed = 0
        too_old = (self._clock() - KEPT_LOOSE).isoformat()
        page = await self._documents.list(LOOSE, LOOSE_LIST, limit=100, newest_first=False)
        for note in page.items:
            if note.order >= too_old:
                break
            found = await self._find(note.key)
            if found is None or found.request_id is None:
                await self.erase(note.key)
                removed += 1
            else:
                await self._documents.delete(LOOSE, note.key)
        return removed

    async def run(self) -> None:
        """Prune every hour, until cancelled."""
        while True:
            try:
                await self.prune()
            except AppError as error:
                log.warning("old files were not removed: %s", error.code)
            await asyncio.sleep(3600)

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
        document = await self._documents.get(KIND, attachment_id)
        return None if document is None else StoredAttachment.model_validate(dict(document.body))

    async def _store(self, attachment: StoredAttachment, *, version: int) -> None:
        await self._documents.put(
            Document(
                kind=KIND,
                key=attachment.attachment_id,
                partition=attachment.resident_id,
                order=attachment.created_at.isoformat(),
                version=version,
                body=attachment.model_dump(mode="json"),
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


def new_attachment_id() -> AttachmentId:
    """`ATT_<24 random characters>`: not to be guessed."""
    return AttachmentId(f"ATT_{secrets.token_hex(12)}")


def _plain_name(name: str) -> str:
    """The last part of a path, without control characters, at most 200 characters long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(character for character in last if character.isprintable()).strip()
    return plain[:200] or "file"
