"""`aam models list`: the artefacts on this machine, whether they are sound, and what they were made from."""

from collections.abc import Iterator
from pathlib import Path

from adapters.artefact_source import Expected, open_folder
from adapters.artefacts import MANIFEST, Manifest
from core.errors import ArtefactRefused
from core.models_config import Source


def describe_models(artefacts_dir: Path) -> Iterator[str]:
    """A few lines for each artefact of the folder."""
    for path in sorted(artefacts_dir.glob(f"*/{MANIFEST}")):
        try:
            manifest = Manifest.model_validate_json(path.read_bytes())
            manifest = open_folder(path.parent, Source(path.parent.name), Expected(manifest.name)).manifest
        except (ArtefactRefused, ValueError) as problem:
            reason = problem.detail if isinstance(problem, ArtefactRefused) else "Its manifest can't be read."
            yield f"{path.parent.name:<14} refused: {reason}"
            continue
        yield f"{path.parent.name:<14} {manifest.name} {manifest.version}"
        yield from _facts(manifest)


def _facts(manifest: Manifest) -> Iterator[str]:
    made_from = {"inputs": manifest.inputs_hash[:12], "corpus": (manifest.corpus_hash or "none")[:12]}
    yield f"  made from  {_line(made_from)}"
    yield f"  made with  {_line(manifest.built_with)}"
    if manifest.features or manifest.labels:
        yield f"  features   {len(manifest.features)}; labels {_line({k: len(v) for k, v in manifest.labels.items()})}"
    if manifest.metrics:
        yield f"  metrics    {_line({name: f'{value:g}' for name, value in manifest.metrics.items()})}"


def _line(facts: "dict[str, str] | dict[str, int]") -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items()) or "none"
