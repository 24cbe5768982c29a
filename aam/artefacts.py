"""`aam build`: whatever has to be made before serving, each made once for the content that it is made from."""

import argparse
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from adapters.artefacts import BuildReport, Manifest, build_once, content_hash, load
from core.settings import load_settings


@dataclass(frozen=True)
class Recipe:
    """How one artefact is made."""

    name: str
    inputs_hash: Callable[[Path], str]
    """From the folder of all artefacts, since one may be made from another."""
    make: Callable[[Path, Path], BuildReport]
    """From the folder of all artefacts into an empty folder."""


NAME = "build"
HELP = "make the embedder, the models and the knowledge-base index"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""


def run(options: argparse.Namespace) -> int:
    """Make what is missing or made from older content."""
    build_all(load_settings().artefacts_dir)
    return 0


def build_all(
    folder: Path, tell: Callable[[str], None] = print, names: Collection[str] | None = None
) -> dict[str, Manifest]:
    """Every artefact below `folder`, or those of these names, in the order in which they need each other."""
    made: dict[str, Manifest] = {}
    for recipe in recipes():
        if names is not None and recipe.name not in names:
            continue
        began = time.monotonic()
        path = folder / recipe.name
        made[recipe.name] = build_once(path, recipe.name, recipe.inputs_hash(folder), _announced(recipe, folder, tell))
        tell(f"  {recipe.name:<9} {made[recipe.name].version}  {time.monotonic() - began:5.1f} s")
    return made


def _announced(recipe: Recipe, folder: Path, tell: Callable[[str], None]) -> Callable[[Path], BuildReport]:
    def make(scratch: Path) -> BuildReport:
        tell(f"  {recipe.name:<9} is being made ...")
        return recipe.make(folder, scratch)

    return make


def recipes() -> tuple[Recipe, ...]:
    """Each after those that it is made with."""
    # Training code pulls in large libraries; what is only looked up must not load them.
    from adapters.embedder_onnx import ARTEFACT as EMBEDDER
    from kb import index
    from models import embedder
    from models.corpus_reader import read_corpus
    from models.risk import train as risk
    from models.text import encoder_artefact as encoder
    from models.text import train as text
    from models.text.encoder_artefact import ARTEFACT as ENCODER

    def text_inputs(folder: Path) -> str:
        return content_hash([load(folder / ENCODER, ENCODER).version.encode(), text.inputs_hash().encode()])

    def index_inputs(folder: Path) -> str:
        # By what was built and not by what from: only this very embedder may serve with the index.
        return content_hash([load(folder / EMBEDDER, EMBEDDER).version.encode(), index.inputs_hash().encode()])

    def train_text(folder: Path, scratch: Path) -> BuildReport:
        return text.train(read_corpus(), folder / ENCODER, scratch)

    return (
        Recipe("embedder", lambda _: embedder.inputs_hash(), lambda _, scratch: embedder.export(scratch)),
        Recipe(ENCODER, lambda _: encoder.inputs_hash(), lambda _, scratch: encoder.build(read_corpus(), scratch)),
        Recipe("text", text_inputs, train_text),
        Recipe("risk", lambda _: risk.inputs_hash(), lambda _, scratch: risk.train(scratch)),
        Recipe("kb", index_inputs, index.build_with),
    )
