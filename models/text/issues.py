"""Finds the issues of a message as they are served, and compares them with those that a person found."""

from collections.abc import Sequence

from core.request import Issue
from deployments.ai_processing.issues import name_issues, split_issues
from deployments.ai_processing.text import TextModel

COVERED = 0.7
"""Share of the labelled issue's words that the found one must hold."""


def found_issues(model: TextModel, text: str) -> tuple[Issue, ...]:
    """The issues of one message, as served."""
    (prediction,) = model.predict([text])
    parts = split_issues(text, prediction)
    return tuple(found.issue for found in name_issues(parts, model.predict(parts), prediction))


def is_exact_split(expected: Sequence[Issue], found: Sequence[Issue]) -> bool:
    """Whether there are as many issues, and each holds its own labelled one."""
    pairs = zip(expected, found, strict=False)
    return len(expected) == len(found) and all(_covered(one.text, other.text) >= COVERED for one, other in pairs)


def _covered(labelled: str, found: str) -> float:
    words, held = labelled.lower().split(), set(found.lower().split())
    return sum(word in held for word in words) / max(1, len(words))
