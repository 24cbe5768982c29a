"""`aam models`: risk and duration models from an imported history, and a list of all models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aam.model_list import describe_models
from core.errors import Invalid
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from models.operator.text import Encode

NAME = "models"
HELP = "train models on an imported history, or list those that there are"
EMBEDDED_AT_MOST = 20_000
"""Reports; above it a sentence vector for each takes more than about five minutes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="show the artefacts of this machine and what they were made from")
    training = actions.add_parser("train", help="train, measure and write models and a report")
    training.add_argument("--history", help="its name; may be left out where there is one only")
    training.add_argument("--out", type=Path, help="default: risk-operator in the artefacts' folder")
    training.add_argument("--closed-days", type=float, default=30.0)
    training.add_argument("--recurrence-days", type=float, default=90.0)
    training.add_argument("--test-share", type=float, default=0.2)
    training.add_argument("--text", choices=("auto", "embedder", "terms", "none"), default="auto")


def run(options: argparse.Namespace) -> int:
    """Train and show the report, or show what there is."""
    if options.action == "list":
        print("\n".join(describe_models(load_settings().artefacts_dir)) or "There are none; run `python -m aam build`.")
        return 0
    # Training code pulls in large libraries; the other commands must not load them.
    from models.operator.history import names, read_history
    from models.operator.output import train
    from models.operator.study import Options

    settings = load_settings()
    folder = settings.state_dir / "history"
    history = read_history(folder, options.history or _only(names(folder)))
    asked = Options(
        closed_days=options.closed_days, recurrence_days=options.recurrence_days, test_share=options.test_share
    )
    out: Path = (options.out or settings.artefacts_dir / "risk-operator").absolute()
    manifest = train(history, asked, _encoders(settings, options.text, len(history.reports)), out)
    print((out / "report.md").read_text())
    print(f"{out}: {manifest.name} {manifest.version}")
    return 0


def _only(found: list[str]) -> str:
    if len(found) != 1:
        raise Invalid(f"Say which history with --history; there are: {', '.join(found) or 'none'}.")
    return found[0]


def _encoders(settings: Settings, text: str, reports: int) -> dict[str, Encode]:
    from adapters.embedder_onnx import ARTEFACT, OnnxEmbedder
    from models.operator.text import hashed_terms, sentence_vectors

    found: dict[str, Encode] = {}
    if text in ("auto", "terms"):
        found["terms"] = hashed_terms
    built = (settings.artefacts_dir / ARTEFACT).exists()
    if text == "embedder" or (text == "auto" and built and reports <= EMBEDDED_AT_MOST):
        found["embedder"] = sentence_vectors(OnnxEmbedder(settings.artefacts_dir / ARTEFACT))
    return found
