"""The state directory in one archive: databases as of one moment, files, keys, and a manifest of their hashes."""

import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.state_snapshot import copy, fault_of, freeze, is_database
from core.errors import ArtefactRefused, Conflict

MANIFEST = "manifest.json"
FORMAT = 1
CHUNK = 1 << 20
_PASSING = ("-wal", "-shm", "-journal", ".part", ".log")
"""Endings of what is remade or under way."""
_STAGING = ".restoring-"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)
    is_database: bool


class Manifest(BaseModel):
    """What an archive holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    made_at: datetime
    """The moment as of which the databases are, within milliseconds."""
    program: str
    """The version that wrote it."""
    files: dict[str, _Entry]
    """By their path below the state directory."""


@dataclass(frozen=True)
class StateFolder:
    """A state directory; `without` are the folders in it that can be made again, such as models."""

    path: Path
    without: frozenset[Path]

    def files(self) -> list[Path]:
        """What a backup holds, in order; what another process removes meanwhile may be among it."""
        return sorted(self._walk(self.path))

    def _walk(self, folder: Path) -> Iterator[Path]:
        for path in folder.iterdir() if folder.is_dir() else ():
            if path in self.without or path.name.startswith(_STAGING) or path.is_symlink():
                continue
            if path.is_dir():
                yield from self._walk(path)
            elif path.is_file() and not path.name.endswith(_PASSING):
                yield path


def write_archive(state: StateFolder, archive: Path, *, program: str) -> Manifest:
    """Write a new archive whole and durably, or nothing.

    Raises `Conflict` where there is a file of this name or it would lie in the state itself, `ArtefactRefused` where
    there is nothing to back up, `StoreUnavailable` where a database stays locked.
    """
    if archive.exists():
        raise Conflict(f"{archive} is there already; give another name.")
    if archive.resolve().is_relative_to(state.path.resolve()):
        raise Conflict(f"{archive} is inside the state directory, where it would be lost with it; write it elsewhere.")
    databases = [path for path in state.files() if is_database(path)]
    if not databases:
        raise ArtefactRefused(f"There is no database in {state.path}; AAM_STATE_DIR says where to look.")
    part = archive.with_name(f"{archive.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
                manifest = _fill(tar, state, databases, archive.parent, program)
            file.flush()
            os.fsync(file.fileno())
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(archive.parent)
    return manifest


def _fill(tar: tarfile.TarFile, state: StateFolder, databases: Sequence[Path], scratch: Path, program: str) -> Manifest:
    entries: dict[str, _Entry] = {}
    with TemporaryDirectory(prefix=".backup-", dir=scratch) as folder:
        with freeze(databases) as readers:
            made_at = datetime.now(UTC)
            copies = {path: Path(folder, str(number)) for number, path in enumerate(databases)}
            for path, reader in readers.items():
                copy(reader, copies[path])
        for path, copied in copies.items():
            name = path.relative_to(state.path).as_posix()
            entries[name] = _Entry(sha256=_digest(copied), bytes=copied.stat().st_size, is_database=True)
            tar.add(copied, name, recursive=False, filter=_private)
    # A database names no file that is not there yet, so files come after: what was added meanwhile does no harm.
    for path in state.files():
        if path not in databases:
            entries |= _add_file(tar, path, path.relative_to(state.path).as_posix())
    manifest = Manifest(format=FORMAT, made_at=made_at, program=program, files=entries)
    _add_bytes(tar, MANIFEST, manifest.model_dump_json(indent=1).encode())
    return manifest


def read_archive(archive: Path, folder: Path) -> Manifest:
    """Unpack into an empty folder and compare every file with the manifest, and every database with SQLite's check.

    Raises `ArtefactRefused` for an archive that is not there, damaged, incomplete, or of a newer program.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if not member.isfile() or not _is_inside(member.name):
                    raise ArtefactRefused(f"{archive} holds {member.name!r}, which no backup does.")
                tar.extract(member, folder, filter="data")
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise ArtefactRefused(f"{archive} can't be read, take another backup: {error}") from error
    manifest = _read_manifest(archive, folder / MANIFEST)
    (folder / MANIFEST).unlink()
    for fault in _faults(manifest, folder):
        raise ArtefactRefused(f"{archive} is damaged, take another backup: {fault}.")
    return manifest


def place(folder: Path, state: StateFolder, manifest: Manifest) -> None:
    """Move the unpacked files to the state directory, databases last, so that none is used before its files are."""
    for name in sorted(manifest.files, key=lambda name: manifest.files[name].is_database):
        target = state.path / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / name).chmod(0o600)
        (folder / name).replace(target)
        _sync_folder(target.parent)


@dataclass(frozen=True)
class Staging:
    """A folder beside the files of a state directory, on the same disk."""

    state: StateFolder

    def make(self) -> "TemporaryDirectory[str]":
        """An empty one. Raises `Conflict` where the state directory holds anything of an installation."""
        held = [path.name for path in self.state.files()]
        if held:
            raise Conflict(f"{self.state.path} is not empty (it holds {held[0]}); restore into an empty AAM_STATE_DIR.")
        self.state.path.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=_STAGING, dir=self.state.path)


def _faults(manifest: Manifest, folder: Path) -> Iterator[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in sorted(found ^ manifest.files.keys()):
        yield f"{name} is {'not in its manifest' if name in found else 'missing'}"
    for name, entry in manifest.files.items():
        if _digest(folder / name) != entry.sha256:
            yield f"{name} is not what its manifest says"
        elif entry.is_database and (fault := fault_of(folder / name)) is not None:
            yield f"{name}: {fault}"


def _read_manifest(archive: Path, path: Path) -> Manifest:
    try:
        content = path.read_bytes()
        if json.loads(content).get("format") != FORMAT:
            raise ArtefactRefused(f"{archive} is of a format that this program does not know; use a newer one.")
        return Manifest.model_validate_json(content)
    except (OSError, ValidationError, ValueError, AttributeError) as error:
        raise ArtefactRefused(f"{archive} is no whole backup: its manifest is missing or damaged.") from error


def _add_file(tar: tarfile.TarFile, path: Path, name: str) -> dict[str, _Entry]:
    """Nothing where it was removed meanwhile."""
    with suppress(FileNotFoundError):
        content = path.read_bytes()
        _add_bytes(tar, name, content)
        digest = hashlib.sha256(content).hexdigest()
        return {name: _Entry(sha256=digest, bytes=len(content), is_database=False)}
    return {}


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(_private(info), io.BytesIO(content))


def _private(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode, info.uid, info.gid, info.uname, info.gname = 0o600, 0, 0, "", ""
    return info


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
