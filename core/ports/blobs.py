"""Files that residents send: their bytes, apart from the requests."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from core.attachments import CheckedFile


@dataclass(frozen=True)
class Blob:
    """The bytes of a file with what they are."""

    content: bytes
    content_type: str


class BlobStore(Protocol):
    """Files by key. Every method may raise `StoreUnavailable`."""

    async def put(self, key: str, blob: Blob) -> None:
        """Store it durably; the same key again replaces it."""
        ...

    async def get(self, key: str) -> Blob | None:
        """The file, or None."""
        ...

    async def delete(self, key: str) -> None:
        """Remove it; nothing happens where there is none."""
        ...

    def signed_url(self, key: str, *, valid_for: timedelta, file_name: str) -> str | None:
        """An address that serves the file without a token until then; None where the store has no server of its own."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...


class FileInspector(Protocol):
    """Tells whether a file may be kept, and takes out what it tells of its maker."""

    def inspect(self, content: bytes, claimed_type: str) -> CheckedFile:
        """The file to keep: pictures written anew, without place, camera or thumbnail; documents without metadata.

        Takes up to some seconds of a core: not for an event loop. Raises `UnsupportedFile`, and `FileRefused` where the
        content is damaged, too large when unpacked, encrypted, scripted or of another kind than `claimed_type`.
        """
        ...
