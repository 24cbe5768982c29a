"""Scores the issue splitter: how often it finds exactly the issues that a person found."""

from collections.abc import Sequence

from core.ports.intelligence import Embedder
from core.request import Issue
from deployments.ai_processing.issues import find_issues, split_clauses
from deployments.ai_processing.text import TextModel
from models.corpus_reader import Message

OVERLAP = 0.5
"""Share of the words of both texts together that a found issue must have in common with the labelled one."""


def found_issues(model: TextModel, embedder: Embedder, text: str) -> tuple[Issue, ...]:
    """The issues of one message, as served."""
    clauses = split_clauses(text)
    texts = [clause.text for clause in clauses]
    return find_issues(clauses, model.predict(texts, embedder.embed(texts)))


def score_issues(model: TextModel, embedder: Embedder, messages: Sequence[Message]) -> dict[str, float]:
    """Shares of messages: `exact_several` and `exact_one` of those with several issues and with one.

    Exact means the same number of issues, each with the labelled category and at least `OVERLAP` of the words.
    """
    found = [found_issues(model, embedder, message.text) for message in messages]
    several = [(m, f) for m, f in zip(messages, found, strict=True) if m.issues]
    one = [f for m, f in zip(messages, found, strict=True) if not m.issues]
    return {
        "messages_with_several": float(len(several)),
        "exact_several": _share([_exact(m.issues, f) for m, f in several]),
        "same_split": _share([_same_split(m.issues, f) for m, f in several]),
        "found_several": _share([bool(f) for _, f in several]),
        "exact_one": _share([not f for f in one]),
    }


def _exact(expected: Sequence[Issue], found: Sequence[Issue]) -> bool:
    pairs = zip(expected, found, strict=False)
    return _same_split(expected, found) and all(one.category is other.category for one, other in pairs)


def _same_split(expected: Sequence[Issue], found: Sequence[Issue]) -> bool:
    pairs = zip(expected, found, strict=False)
    return len(expected) == len(found) and all(_overlap(one.text, other.text) >= OVERLAP for one, other in pairs)


def _overlap(one: str, other: str) -> float:
    first, second = set(one.lower().split()), set(other.lower().split())
    return len(first & second) / max(1, len(first | second))


def _share(outcomes: Sequence[bool]) -> float:
    return sum(outcomes) / max(1, len(outcomes))
