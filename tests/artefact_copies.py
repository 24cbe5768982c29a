"""Copies of the built artefacts that a test may alter."""

import json
import shutil
from pathlib import Path

from adapters.artefacts import MANIFEST, hash_files, version_of
from core.settings import Settings


def copy_artefacts(settings: Settings, folder: Path) -> Settings:
    """All built artefacts in `folder`, and settings that say so."""
    for manifest in settings.artefacts_dir.glob(f"*/{MANIFEST}"):
        shutil.copytree(manifest.parent, folder / manifest.parent.name)
    return settings.model_copy(update={"artefacts_dir": folder})


def another_version(artefacts: Path, name: str) -> str:
    """A copy of an artefact that holds one file more, under `<name>-2`; returns its version."""
    copy = artefacts / f"{name}-2"
    shutil.copytree(artefacts / name, copy)
    (copy / "NOTES").write_text("the same model again")
    manifest = json.loads((copy / MANIFEST).read_text())
    files = hash_files(copy)
    del files[MANIFEST]
    manifest |= {"files": files, "version": version_of(files)}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    return manifest["version"]
