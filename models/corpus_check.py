"""Checks the corpus: labels, texts that recur, labels that contradict each other, counts (`-m models.corpus_check`)."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from adapters.build import embedder as open_embedder
from core.errors import AppError
from core.ports.intelligence import Embedder
from core.settings import load_settings
from models.corpus_likeness import SHORT, Pair, contradictions, like_pairs
from models.corpus_reader import TEST_VOICES, VALIDATION_VOICES, Message, read_corpus

NEAR = 0.95
"""Cosine of the embeddings from which two texts of different voices count as near-duplicates."""


@dataclass(frozen=True)
class CorpusFindings:
    """What is wrong with a corpus; nothing, where `sound`."""

    repeated: tuple[Pair, ...]
    """By two voices, and too long to be alike by chance."""
    leaking: tuple[Pair, ...]
    """Those of them that lie in two of training, validation and test."""
    contradicting: tuple[Pair, ...]
    """The same text, whoever wrote it, with different labels or issues."""

    @property
    def sound(self) -> bool:
        """No part knows another's messages, and no label contradicts another; voices that learn may repeat others."""
        return not (self.leaking or self.contradicting)


def check(messages: Sequence[Message]) -> CorpusFindings:
    """By how the messages are written; some seconds."""
    pairs = like_pairs(messages)
    repeated = [pair for pair in pairs if pair.first.voice != pair.second.voice and not pair.excused]
    return CorpusFindings(
        repeated=tuple(repeated),
        leaking=tuple(pair for pair in repeated if part_of(pair.first.voice) != part_of(pair.second.voice)),
        contradicting=tuple(contradictions(pairs)),
    )


def part_of(voice: str) -> str:
    """The part of the corpus that a voice belongs to."""
    if voice in TEST_VOICES:
        return "test"
    return "validation" if voice in VALIDATION_VOICES else "training"


def near_duplicates(messages: Sequence[Message], embedder: Embedder, near: float = NEAR) -> list[Pair]:
    """Pairs of messages of different voices that mean about the same: whose embeddings have at least this cosine.

    The closest come first. It takes a sentence vector for every message, half a minute for six thousand.
    """
    vectors = np.stack([np.frombuffer(one, dtype="<f4") for one in embedder.embed([m.text for m in messages])])
    voices = np.array([message.voice for message in messages])
    cosines = np.triu(vectors @ vectors.T, k=1) * (voices[:, None] != voices[None, :])
    pairs = [
        Pair(messages[row], messages[column], float(cosines[row, column]))
        for row, column in np.argwhere(cosines >= near).tolist()
    ]
    return sorted(pairs, key=lambda pair: -pair.likeness)


def main() -> int:
    """Print what was found; 1 where a near-duplicate is not excused, a label contradicts another or is wrong."""
    try:
        messages = read_corpus()
    except AppError as problem:
        _say(problem.detail)
        return 1
    for title, counts in _counts(messages).items():
        _say(f"{title}: " + ", ".join(f"{label} {count}" for label, count in sorted(counts.items())))
    findings = check(messages)
    meant = near_duplicates(messages, open_embedder(load_settings()))
    for line in _lines(findings, meant):
        _say(line)
    return int(not findings.sound or any(not pair.excused for pair in meant))


def _lines(findings: CorpusFindings, meant: Sequence[Pair]) -> Iterator[str]:
    for title, pairs in (("WRITTEN ALIKE", findings.repeated), ("CONTRADICTION", findings.contradicting)):
        yield from (f"{title} {_pair(pair)}" for pair in pairs)
    for pair in meant:
        mark = f"at most {SHORT} words, excused" if pair.excused else "MEANT ALIKE"
        differing = f"; labelled differently: {', '.join(pair.differences)}" if pair.differences else ""
        yield f"{mark} {_pair(pair)}{differing}"


def _pair(pair: Pair) -> str:
    return f"{pair.likeness:.3f} {pair.first.voice}: {pair.first.text!r} | {pair.second.voice}: {pair.second.text!r}"


def _counts(messages: Sequence[Message]) -> dict[str, Counter[str]]:
    return {
        "voice": Counter(message.voice for message in messages),
        "part": Counter(part_of(message.voice) for message in messages),
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
