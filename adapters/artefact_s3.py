"""Artefacts from S3, kept in a folder of this machine under the hash of where they came from and what they are."""

import hashlib
import logging
import os
import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from adapters.artefact_source import Expected, OpenedArtefact, check_manifest, open_folder, parse_manifest
from adapters.artefacts import MANIFEST, Manifest
from core.errors import ArtefactRefused, Unavailable
from core.models_config import Source

MANIFEST_LIMIT = 1 << 20
ARTEFACT_LIMIT = 4 << 30
"""Bytes; a model beyond it is a mistake."""
CHUNK = 1 << 20
KEPT = 5
"""Versions of one source that stay on disk."""

_log = logging.getLogger(__name__)


class _Body(Protocol):
    def iter_chunks(self, chunk_size: int) -> Iterable[bytes]: ...


class _Client(Protocol):
    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]: ...
    def list_objects_v2(self, **arguments: str) -> dict[str, Any]: ...


class S3Artefacts:
    """Downloads what is not on disk yet; a cached copy is hashed again each time before it is used."""

    def __init__(self, cache: Path, *, endpoint_url: str | None = None, timeout_s: float = 10.0) -> None:
        """Credentials and region are the environment's; `timeout_s` is for a connection and for each read."""
        self._cache = cache
        self._endpoint_url = endpoint_url
        self._timeout_s = timeout_s
        self._made: _Client | None = None

    def fetch(self, source: Source, expected: Expected) -> OpenedArtefact:
        """A checked copy on this machine.

        A pinned version that is on disk is taken where S3 does not answer. Raises `ArtefactRefused` and `Unavailable`.
        """
        kept = self._cache / hashlib.sha256(source.location.encode()).hexdigest()[:16]
        try:
            content = self._read(source, MANIFEST, MANIFEST_LIMIT)
        except Unavailable:
            return self._kept_copy(kept, source, expected)
        manifest = parse_manifest(content, source)
        check_manifest(manifest, source, expected)
        folder = kept / hashlib.sha256(content).hexdigest()[:16]
        with suppress(ArtefactRefused):
            return _used(open_folder(folder, source, expected))
        opened = self._download(source, manifest, content, folder, expected)
        _forget_old(kept)
        return opened

    def _kept_copy(self, kept: Path, source: Source, expected: Expected) -> OpenedArtefact:
        for folder in kept.glob("*") if source.version else ():
            with suppress(ArtefactRefused):
                opened = open_folder(folder, source, expected)
                _log.warning("S3 does not answer; %s is taken from this machine's copy", source)
                return opened
        raise Unavailable(f"S3 does not answer for {source}, and there is no copy of a pinned version here.")

    def _download(
        self, source: Source, manifest: Manifest, content: bytes, folder: Path, expected: Expected
    ) -> OpenedArtefact:
        self._check_listing(source, manifest)
        scratch = folder.with_name(f".{folder.name}.{uuid4().hex}")
        scratch.mkdir(parents=True)
        try:
            for path, digest in manifest.files.items():
                self._save(source, path, digest, scratch / path)
            (scratch / MANIFEST).write_bytes(content)
            _move(scratch, folder)
        except OSError as problem:
            raise Unavailable(f"{source} can't be stored on this machine: {problem.strerror}.") from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return open_folder(folder, source, expected)

    def _check_listing(self, source: Source, manifest: Manifest) -> None:
        """Refuse what lies there besides the manifest's files, and what is too large."""
        bucket, prefix = _place(source)
        sizes: dict[str, int] = {}
        arguments = {"Bucket": bucket, "Prefix": f"{prefix}/"}
        while True:
            with _translated(source):
                page = self._client().list_objects_v2(**arguments)
            sizes.update({each["Key"].removeprefix(f"{prefix}/"): each["Size"] for each in page.get("Contents", ())})
            extra = sorted(sizes.keys() - manifest.files.keys() - {MANIFEST})
            if extra:
                raise ArtefactRefused(f"{source} holds {extra[0]}, which is not in its manifest.")
            if not page.get("IsTruncated"):
                break
            arguments["ContinuationToken"] = page["NextContinuationToken"]
        missing = sorted(manifest.files.keys() - sizes.keys())
        if missing:
            raise ArtefactRefused(f"{source} lacks {missing[0]}, which its manifest names.")
        if sum(sizes.values()) > ARTEFACT_LIMIT:
            raise ArtefactRefused(f"{source} is larger than {ARTEFACT_LIMIT} bytes.")

    def _save(self, source: Source, path: str, digest: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        found = hashlib.sha256()
        with file.open("wb") as into:
            for chunk in self._chunks(source, path, ARTEFACT_LIMIT):
                found.update(chunk)
                into.write(chunk)
        if found.hexdigest() != digest:
            raise ArtefactRefused(f"{path} of {source} is not what its manifest says.")

    def _read(self, source: Source, path: str, limit: int) -> bytes:
        return b"".join(self._chunks(source, path, limit))

    def _chunks(self, source: Source, path: str, limit: int) -> Iterable[bytes]:
        bucket, prefix = _place(source)
        size = 0
        with _translated(source):
            body = cast(_Body, self._client().get_object(Bucket=bucket, Key=f"{prefix}/{path}")["Body"])
            for chunk in body.iter_chunks(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise ArtefactRefused(f"{path} of {source} is larger than {limit} bytes.")
                yield chunk

    def _client(self) -> _Client:
        # Made when it is first needed: where all models are in folders, no credentials are looked for.
        if self._made is None:
            config = Config(
                connect_timeout=self._timeout_s,
                read_timeout=self._timeout_s,
                retries={"mode": "standard", "max_attempts": 3},
            )
            self._made = cast(_Client, cast(Any, boto3).client("s3", endpoint_url=self._endpoint_url, config=config))
        return self._made


@contextmanager
def _translated(source: Source) -> Generator[None]:
    """Turns botocore's errors into this system's."""
    try:
        yield
    except ClientError as problem:
        answer = cast(dict[str, Any], problem.response)
        code = str(answer.get("Error", {}).get("Code", "unknown"))
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if status >= 500 or code in ("SlowDown", "RequestTimeout"):
            raise Unavailable(f"S3 does not answer for {source} ({code}).") from None
        raise ArtefactRefused(f"S3 does not give {source} ({code}).") from None
    except BotoCoreError as problem:
        raise Unavailable(f"S3 does not answer for {source} ({type(problem).__name__}).") from None


def _place(source: Source) -> tuple[str, str]:
    if source.s3 is None:
        raise ArtefactRefused(f"{source} is not in S3.")
    return source.s3


def _move(scratch: Path, folder: Path) -> None:
    """Put it in its place whole; what is there already is another process's or damaged."""
    if folder.exists():
        old = folder.with_name(f".{folder.name}.{uuid4().hex}.old")
        with suppress(OSError):
            folder.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    # Another process may have been faster: its copy is as good, and is checked like this one.
    with suppress(OSError):
        scratch.rename(folder)


def _used(opened: OpenedArtefact) -> OpenedArtefact:
    with suppress(OSError):
        os.utime(opened.folder)
    return opened


def _forget_old(kept: Path) -> None:
    folders = [folder for folder in kept.glob("*") if not folder.name.startswith(".")]
    for folder in sorted(folders, key=lambda each: each.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
