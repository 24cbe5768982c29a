"""Residents' files: what was uploaded, and what a check made of it."""

from dataclasses import dataclass
from typing import Literal, NewType

from pydantic import Field

from core.contract import Contract, UtcTime
from core.errors import Invalid, Rejected
from core.request import BuildingId, RequestId, ResidentId

AttachmentId = NewType("AttachmentId", str)
ContentType = Literal["image/jpeg", "image/png", "image/webp", "application/pdf"]


class StoredAttachment(Contract):
    """A file that was checked and stored."""

    attachment_id: AttachmentId
    resident_id: ResidentId
    """Whose it is."""
    building_id: BuildingId
    request_id: RequestId | None = None
    """The request that it belongs to; None until it is sent with one."""
    name: str = Field(min_length=1, max_length=200)
    content_type: ContentType
    size_bytes: int = Field(ge=1)
    """As stored, which is not as sent: pictures are written anew."""
    sha256: str
    """Of the stored bytes."""
    uploaded_by: str
    created_at: UtcTime


@dataclass(frozen=True)
class CheckedFile:
    """A file that is what it claims to be, without what it told of its maker."""

    content: bytes
    content_type: ContentType


class FileRefused(Invalid):
    """The file is damaged, dangerous, or not what it claims to be."""

    code = "file_refused"


class UnsupportedFile(Rejected):
    """No such kind of file is taken."""

    status = 415
    title = "Unsupported media type"
    code = "unsupported_file"
