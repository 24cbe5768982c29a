"""Residents' files in a folder, for the processes of one machine."""

import asyncio
import json
import os
import re
import secrets
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from core.errors import BrokenInvariant, StoreUnavailable
from core.ports.blobs import Blob

_KEY = re.compile(r"[A-Za-z0-9_-]{3,100}")


class FolderBlobStore:
    """A `core.ports.blobs.BlobStore`; a file and the note of its kind are one file, so that neither lacks the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, blob: Blob) -> None:
        await asyncio.to_thread(self._put, self._path(key), blob)

    async def get(self, key: str) -> Blob | None:
        return await asyncio.to_thread(self._get, self._path(key))

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._delete, self._path(key))

    def signed_url(self, key: str, *, valid_for: timedelta, file_name: str) -> str | None:
        """None: a folder has no server."""
        return None

    async def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise BrokenInvariant("A file's key is made of letters, digits, underscores and hyphens.")
        return self._folder / key[-2:] / key

    def _put(self, path: Path, blob: Blob) -> None:
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps({"content_type": blob.content_type}).encode() + b"\n" + blob.content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise StoreUnavailable("The file can't be stored at the moment; try again.") from error

    def _get(self, path: Path) -> Blob | None:
        try:
            head, _, content = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable("The file can't be read at the moment; try again.") from error
        return Blob(content, str(json.loads(head)["content_type"]))

    def _delete(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable("The file can't be removed at the moment; try again.") from error


def _sync_folder(folder: Path) -> None:
    """A new name in a folder is durable only once the folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
