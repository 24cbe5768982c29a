"""Says whether masking personal data costs a message its meaning, judged by the labels that the local model gives."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.masking import Masked, mask
from core.settings import load_settings
from deployments.ai_processing.text import HEADS, HeadName, TextModel, TextPrediction
from models.corpus_reader import Message, read_corpus, split
from models.text.served import ARTEFACT, open_text_model


@dataclass(frozen=True)
class MaskingFigures:
    """What masking changes for one head; shares of all messages that have a label of it, masked or not."""

    agreement: float
    """The model's label is the same for the masked text."""
    agreement_renamed: float
    """The same, where units got other numbers and names other names instead: how steady the model is by itself."""
    right: float
    right_masked: float


def compare(messages: Sequence[Message], model: TextModel) -> dict[HeadName, MaskingFigures]:
    """The figures by head."""
    texts = [mask(message.text) for message in messages]
    changed = [place for place, masked in enumerate(texts) if masked.replacements]
    plain = model.predict([message.text for message in messages])
    hidden, renamed = list(plain), list(plain)
    for written, found in ((hidden, [texts[p].text for p in changed]), (renamed, [rename(texts[p]) for p in changed])):
        for place, prediction in zip(changed, model.predict(found), strict=True):
            written[place] = prediction
    return {head: _figures(head, messages, plain, hidden, renamed) for head in HEADS}


def _figures(
    head: HeadName,
    messages: Sequence[Message],
    plain: Sequence[TextPrediction],
    hidden: Sequence[TextPrediction],
    renamed: Sequence[TextPrediction],
) -> MaskingFigures:
    places = [place for place, message in enumerate(messages) if getattr(message, head) is not None]
    actual = [getattr(messages[place], head) for place in places]
    one, two, three = ([_label(head, found[place]) for place in places] for found in (plain, hidden, renamed))
    return MaskingFigures(_share(one, two), _share(one, three), _share(one, actual), _share(two, actual))


def _share(one: Sequence[str], other: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / max(1, len(one))


def rename(masked: Masked) -> str:
    """The text with another unit of the same form, and another name, for each that was masked."""
    text = masked.text
    for place, (placeholder, original) in enumerate(masked.replacements.items(), start=1):
        other = re.sub(r"\d", str(place % 10), re.sub(r"[A-Za-z]", "C", original))
        text = text.replace(placeholder, "Smith" if placeholder.startswith("[NAME") else other)
    return text


def main() -> int:
    """Print the figures for the artefact in the settings' folder."""
    settings = load_settings()
    judging = split(read_corpus()).test
    figures = compare(judging, open_text_model(settings.artefacts_dir / ARTEFACT))
    sys.stdout.write(f"{'masked':<10}{'agree':>9}{'renamed':>9}{'right':>9}{'masked':>9}\n")
    for head, row in figures.items():
        values = (row.agreement, row.agreement_renamed, row.right, row.right_masked)
        sys.stdout.write(f"{head:<10}" + "".join(f"{value:>9.3f}" for value in values) + "\n")
    return 0


def _label(head: HeadName, found: TextPrediction) -> str:
    return found.maintenance_trade if head == "trade" else getattr(found, head)


if __name__ == "__main__":
    raise SystemExit(main())
