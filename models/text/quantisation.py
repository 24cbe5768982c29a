"""Measures what quantising costs the text model as it serves; trains the encoder anew, which takes many minutes."""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import BaseModel, ConfigDict

from adapters.artefacts import Manifest, hash_files, load
from adapters.message_encoder_onnx import OnnxMessageEncoder
from core.ports.intelligence import MessageEncoder, Reading
from core.settings import load_settings
from deployments.ai_processing.text import HEADS, TextModel
from models.corpus_reader import Message, Splits, read_corpus, split
from models.text import encoder
from models.text.encoder_artefact import ARTEFACT, MOST_TOKENS
from models.text.examples import for_learning, from_messages
from models.text.export import export
from models.text.figures import macro_f1_gain, macro_f1_interval
from models.text.heads import Heads, fit
from models.text.served import open_screen
from models.text.train import calibrated_arrays, served_labels
from models.text.tuning import Recipe, fine_tune, open_tokenizer

REPORT = Path("reports") / "quantisation.json"
"""Below the state folder."""


class HeadLoss(BaseModel):
    """Macro-F1 of one head on one part, before and after; `change` with its interval, below 0 for a loss."""

    model_config = ConfigDict(frozen=True)

    part: str
    head: str
    original: float
    quantised: float
    change: float
    low: float
    high: float


class QuantisationFigures(BaseModel):
    """What was measured, and of which encoder."""

    model_config = ConfigDict(frozen=True)

    encoder: str
    """Version of the encoder artefact that was at hand."""
    same_network: bool
    """What was trained anew is that very encoder; else another training by the same recipe."""
    losses: tuple[HeadLoss, ...]


@dataclass(frozen=True)
class OriginalEncoder:
    """The network as it was trained; it reads scores and counts, and no starts."""

    network: encoder.MessageEncoder

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """A reading of each text, cut at 256 tokens."""
        tokenizer = open_tokenizer(MOST_TOKENS)
        found: list[Reading] = []
        with torch.no_grad():
            for text in texts:
                ids = torch.tensor([cast(Any, tokenizer).encode(text).ids])
                read = self.network(ids, torch.ones_like(ids))
                found.append(Reading(tuple(read.scores[0].tolist()), tuple(read.counts[0].tolist()), ()))
        return found


def compare(
    splits: Splits, original: MessageEncoder, quantised: MessageEncoder, lexical: Heads
) -> tuple[HeadLoss, ...]:
    """Both as served, each calibrated for itself; on the voices of validation and of the test."""
    models = [TextModel(each, calibrated_arrays(each, lexical, open_screen(), splits.validation), "unsaved")
              for each in (original, quantised)]  # fmt: skip
    parts: Mapping[str, Sequence[Message]] = {"validation": splits.validation, "test": splits.test}
    return tuple(loss for part, messages in parts.items() for loss in _losses(part, messages, *models))


def _losses(part: str, messages: Sequence[Message], original: TextModel, quantised: TextModel) -> list[HeadLoss]:
    examples, texts = from_messages(messages), [message.text for message in messages]
    before, after = original.predict(texts), quantised.predict(texts)
    losses: list[HeadLoss] = []
    for head, labels in HEADS.items():
        actual, one = served_labels(head, examples, before)
        _, other = served_labels(head, examples, after)
        change = macro_f1_gain(actual, other, one, len(labels))
        values = [macro_f1_interval(actual, found, len(labels)).value for found in (one, other)]
        losses.append(HeadLoss(part=part, head=head, original=values[0], quantised=values[1], change=change.value,
                               low=change.low, high=change.high))  # fmt: skip
    return losses


def measure(splits: Splits, artefact: Manifest, network: encoder.MessageEncoder) -> QuantisationFigures:
    """Export the network as the artefact is, and compare the two; some minutes."""
    examples = for_learning(splits.training)
    with tempfile.TemporaryDirectory(prefix="aam-quantisation-") as scratch:
        folder = Path(scratch)
        export(network, folder)
        lexical = fit([example for example in examples if not example.starts])
        return QuantisationFigures(
            encoder=artefact.version,
            same_network=hash_files(folder) == artefact.files,
            losses=compare(splits, OriginalEncoder(network), OnnxMessageEncoder(folder), lexical),
        )


def train_anew(splits: Splits, tell: Callable[[str], None] = print) -> encoder.MessageEncoder:
    """As the artefact is trained; the same on the same machine."""
    return fine_tune(for_learning(splits.training), Recipe(), tell)


def read_report(state: Path) -> QuantisationFigures | None:
    """What was measured last, or None."""
    file = state / REPORT
    return QuantisationFigures.model_validate_json(file.read_text()) if file.is_file() else None


def main() -> int:
    """Measure, and keep the figures for the report."""
    settings, splits = load_settings(), split(read_corpus())
    artefact = load(settings.artefacts_dir / ARTEFACT, ARTEFACT)
    figures = measure(splits, artefact, train_anew(splits))
    file = settings.state_dir / REPORT
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(figures.model_dump_json(indent=1))
    sys.stdout.write(f"{file}\n{figures.model_dump_json(indent=1)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
