"""Built artefacts on disk: made once for the content of their inputs, and refused when damaged or of another kind."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from core.contract import Contract
from core.errors import ArtefactRefused

MANIFEST = "manifest.json"


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or PurePosixPath(*parts).as_posix() != path:
        raise ValueError("a file's path leads out of the artefact")
    return path


FilePath = Annotated[str, AfterValidator(_inside)]
"""A relative path with forward slashes that stays below its folder."""


class Manifest(Contract):
    """What an artefact is, what it was made from and what it holds."""

    name: str
    version: str
    """The first 12 characters of the hash over all files' hashes."""
    inputs_hash: str
    """Hash of everything that it was made from."""
    files: dict[FilePath, str]
    """Path below the folder to SHA-256."""
    built_with: dict[str, str]
    """Library versions."""
    corpus_hash: str | None = None
    """Hash of the messages or histories that it learned from; None where it learned nothing."""
    features: tuple[str, ...] = ()
    """The features that it was trained for, in their order; empty where they are not named."""
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """The labels that it chooses from, in their order, by what they label."""
    metrics: dict[str, float] = Field(default_factory=dict[str, float])
    details: dict[str, Any] = Field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class BuildReport:
    """What a builder says of what it made."""

    built_with: dict[str, str]
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    corpus_hash: str | None = None
    """Of what it learned from; `files_hash` of the corpus, say."""
    features: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


_HINT = "run `python -m aam build`"
REFERENCE = "reference"
"""Where a manifest's details keep what its models gave on their own test data."""
_REFERENCE = TypeAdapter(dict[str, dict[str, float]])


def reference_of(manifest: Manifest) -> dict[str, dict[str, float]]:
    """The share of each value of each label on the models' own test data; empty where that was not kept."""
    try:
        return _REFERENCE.validate_python(manifest.details.get(REFERENCE, {}))
    except ValidationError:
        raise ArtefactRefused(f"The manifest of {manifest.name} has a {REFERENCE} of no such form.") from None


def content_hash(parts: Iterable[bytes]) -> str:
    """SHA-256 over the parts, each with its length, so that moving a boundary changes it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def files_hash(paths: Iterable[Path]) -> str:
    """Hash of the names and contents of these files, wherever they lie."""
    named = sorted((path.name.encode(), path.read_bytes()) for path in paths)
    return content_hash(part for file in named for part in file)


def build_once(directory: Path, name: str, inputs_hash: str, make: Callable[[Path], BuildReport]) -> Manifest:
    """The artefact in `directory`, made anew by `make(folder)` only if it is missing, damaged or from other inputs.

    It is made in a folder beside it and moved into place whole; of several processes, one makes it and the others wait.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(directory.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(ArtefactRefused):
            manifest = load(directory, name)
            if manifest.inputs_hash == inputs_hash:
                return manifest
        return _build(directory, name, inputs_hash, make)


def version_of(hashes: Mapping[str, str]) -> str:
    """The version of an artefact with these files: the first 12 characters of the hash over their hashes."""
    return content_hash(f"{path}:{digest}".encode() for path, digest in sorted(hashes.items()))[:12]


def _build(directory: Path, name: str, inputs_hash: str, make: Callable[[Path], BuildReport]) -> Manifest:
    scratch = directory.with_name(directory.name + ".making")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    report = make(scratch)
    hashes = hash_files(scratch)
    manifest = Manifest(
        name=name,
        version=version_of(hashes),
        inputs_hash=inputs_hash,
        files=hashes,
        built_with=report.built_with,
        metrics=report.metrics,
        details=report.details,
        corpus_hash=report.corpus_hash,
        features=report.features,
        labels=dict(report.labels),
    )
    (scratch / MANIFEST).write_text(manifest.model_dump_json(indent=1))
    shutil.rmtree(directory, ignore_errors=True)
    scratch.rename(directory)
    return manifest


def stated_version(directory: Path, name: str) -> str:
    """The version that the manifest states; the files are not verified. Raises `ArtefactRefused`."""
    return _read_manifest(directory, name).version


def load(directory: Path, name: str) -> Manifest:
    """The manifest of a sound artefact. Raises `ArtefactRefused` with what to do about it."""
    manifest = _read_manifest(directory, name)
    for path, expected in manifest.files.items():
        file = directory / path
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise ArtefactRefused(f"{file} is missing or not what its manifest says; {_HINT}.")
    return manifest


def _read_manifest(directory: Path, name: str) -> Manifest:
    try:
        manifest = Manifest.model_validate_json((directory / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ArtefactRefused(f"There is no {name} artefact in {directory}; {_HINT}.") from None
    except (ValidationError, json.JSONDecodeError):
        raise ArtefactRefused(f"The manifest in {directory} can't be read; {_HINT}.") from None
    if manifest.name != name:
        raise ArtefactRefused(f"{directory} holds the artefact {manifest.name}, not {name}.")
    return manifest


def hash_files(directory: Path) -> dict[str, str]:
    """SHA-256 of every file below the folder, by its path."""
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
