"""Checks the corpus: labels, texts that two voices share, and counts (`python -m models.corpus_check`)."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapters.build import embedder as open_embedder
from core.errors import AppError
from core.ports.intelligence import Embedder
from core.settings import load_settings
from models.corpus_reader import Message, read_corpus

NEAR = 0.95
"""Cosine similarity from which two texts of different voices count as near-duplicates."""
SHORT = 4
"""Texts of at most so many words ("no hot water") are what anybody would write; they may recur."""


@dataclass(frozen=True)
class NearDuplicate:
    """Two voices that say nearly the same."""

    first: Message
    second: Message
    cosine: float

    @property
    def excused(self) -> bool:
        """Both are so short that two people would write them alike."""
        return max(len(self.first.text.split()), len(self.second.text.split())) <= SHORT


def near_duplicates(messages: Sequence[Message], embedder: Embedder, near: float = NEAR) -> list[NearDuplicate]:
    """Pairs of messages of different voices whose embeddings have at least this cosine, closest first."""
    vectors = np.stack([np.frombuffer(one, dtype="<f4") for one in embedder.embed([m.text for m in messages])])
    voices = np.array([message.voice for message in messages])
    cosines = np.triu(vectors @ vectors.T, k=1) * (voices[:, None] != voices[None, :])
    pairs = [
        NearDuplicate(messages[row], messages[column], float(cosines[row, column]))
        for row, column in np.argwhere(cosines >= near).tolist()
    ]
    return sorted(pairs, key=lambda pair: -pair.cosine)


def main() -> int:
    """Print what was found; 1 where a near-duplicate is not excused or a label is wrong."""
    try:
        messages = read_corpus()
    except AppError as problem:
        _say(problem.detail)
        return 1
    for title, counts in _counts(messages).items():
        _say(f"{title}: " + ", ".join(f"{label} {count}" for label, count in sorted(counts.items())))
    pairs = near_duplicates(messages, open_embedder(load_settings()))
    for pair in pairs:
        mark = "short, excused" if pair.excused else "NEAR-DUPLICATE"
        _say(f"{mark} {pair.cosine:.3f} {pair.first.voice}: {pair.first.text!r} | {pair.second.voice}")
    return int(any(not pair.excused for pair in pairs))


def _counts(messages: Sequence[Message]) -> dict[str, Counter[str]]:
    return {
        "voice": Counter(message.voice for message in messages),
        "category": Counter(message.category for message in messages),
        "urgency": Counter(message.urgency for message in messages),
        "intent": Counter(message.intent for message in messages),
        "trade": Counter(message.trade for message in messages if message.trade),
        "issues": Counter("several" if message.issues else "one" for message in messages),
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
