"""Opens an artefact from a folder or from S3, and only one that is whole, unaltered and made for this code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from adapters.artefacts import MANIFEST, Manifest, hash_files, version_of
from core.errors import ArtefactRefused
from core.models_config import Source


@dataclass(frozen=True)
class Expected:
    """What an artefact must be for the code that is to load it."""

    name: str
    features: tuple[str, ...] = ()
    """Those that the code computes, in their order; compared where the manifest names its own."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass(frozen=True)
class OpenedArtefact:
    """A checked artefact on this machine's disk."""

    folder: Path
    manifest: Manifest


class ObjectStore(Protocol):
    """Fetches artefacts from elsewhere."""

    def fetch(self, source: Source, expected: Expected) -> OpenedArtefact:
        """A checked copy on this machine. Raises `ArtefactRefused` and `Unavailable`."""
        ...


class ArtefactSource:
    """Where a replica gets its models from; blocking, so for a thread."""

    def __init__(self, artefacts_dir: Path, objects: ObjectStore) -> None:
        self._artefacts_dir = artefacts_dir
        self._objects = objects

    def open(self, source: Source, expected: Expected) -> OpenedArtefact:
        """The artefact there. Raises `ArtefactRefused` where it must not be loaded, `Unavailable` where S3 is down."""
        if source.s3:
            return self._objects.fetch(source, expected)
        return open_folder(self._artefacts_dir / source.location, source, expected)


def open_folder(folder: Path, source: Source, expected: Expected) -> OpenedArtefact:
    """The artefact in this folder, if every file is as its manifest says and there is no other.

    Raises `ArtefactRefused`, which names the source alone: it is shown where the folder should not be.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError:
        raise ArtefactRefused(f"There is no {expected.name} artefact at {source}.") from None
    manifest = parse_manifest(content, source)
    check_manifest(manifest, source, expected)
    try:
        found = hash_files(folder)
    except OSError:
        raise ArtefactRefused(f"Not every file at {source} can be read.") from None
    found.pop(MANIFEST, None)
    wrong = sorted(path for path in manifest.files.keys() | found.keys() if manifest.files.get(path) != found.get(path))
    if wrong:
        raise ArtefactRefused(f"{wrong[0]} at {source} is missing, altered or not in the manifest.")
    return OpenedArtefact(folder, manifest)


def parse_manifest(content: bytes, source: Source) -> Manifest:
    """The manifest in these bytes. Raises `ArtefactRefused` where it is none, or names files outside its folder."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as problem:
        reason = problem.errors()[0]["msg"]
        raise ArtefactRefused(f"The manifest at {source} can't be used: {reason}.") from None


def check_manifest(manifest: Manifest, source: Source, expected: Expected) -> None:
    """Pass if the manifest is of the wanted artefact and made for this code; else raise `ArtefactRefused`."""
    if manifest.name != expected.name:
        raise ArtefactRefused(f"{source} holds the artefact {manifest.name}, not {expected.name}.")
    if manifest.version != version_of(manifest.files):
        raise ArtefactRefused(f"The manifest at {source} has a version that does not follow from its files.")
    if source.version not in (None, manifest.version):
        raise ArtefactRefused(f"{source} holds version {manifest.version}.")
    if manifest.features and expected.features and manifest.features != expected.features:
        raise ArtefactRefused(f"The artefact at {source} was trained for other features.")
    if manifest.labels and expected.labels and manifest.labels != dict(expected.labels):
        raise ArtefactRefused(f"The artefact at {source} was trained for other labels.")
