"""Scores the issue splitter: how often it finds exactly the issues that a person found."""

from collections.abc import Sequence

from core.request import Issue
from deployments.ai_processing.issues import name_issues, split_issues
from deployments.ai_processing.text import TextModel
from models.corpus_reader import Message

COVERED = 0.7
"""Share of the labelled issue's words that the found one must hold."""


def found_issues(model: TextModel, text: str) -> tuple[Issue, ...]:
    """The issues of one message, as served."""
    (prediction,) = model.predict([text])
    parts = split_issues(text, prediction)
    return name_issues(parts, model.predict(parts), prediction)


def score_issues(model: TextModel, messages: Sequence[Message]) -> dict[str, float]:
    """Shares of the messages with several issues, and of those with one (`stays_one`).

    `same_number` of issues; `exact_split`: each holds its own labelled issue, too (`COVERED`); `same_labels`: each has
    its category, too. What a person said of a matter besides may stand in either.
    """
    found = [found_issues(model, message.text) for message in messages]
    several = [(message.issues, each) for message, each in zip(messages, found, strict=True) if message.issues]
    one = [each for message, each in zip(messages, found, strict=True) if not message.issues]
    return {
        "messages_with_several": float(len(several)),
        "same_number": _share([len(expected) == len(each) for expected, each in several]),
        "exact_split": _share([is_exact_split(expected, each) for expected, each in several]),
        "same_labels": _share([_same_labels(expected, each) for expected, each in several]),
        "stays_one": _share([not each for each in one]),
    }


def _same_labels(expected: Sequence[Issue], found: Sequence[Issue]) -> bool:
    pairs = zip(expected, found, strict=False)
    return is_exact_split(expected, found) and all(one.category is other.category for one, other in pairs)


def is_exact_split(expected: Sequence[Issue], found: Sequence[Issue]) -> bool:
    """Whether there are as many issues, and each holds its own labelled one."""
    pairs = zip(expected, found, strict=False)
    return len(expected) == len(found) and all(_covered(one.text, other.text) >= COVERED for one, other in pairs)


def _covered(labelled: str, found: str) -> float:
    words, held = labelled.lower().split(), set(found.lower().split())
    return sum(word in held for word in words) / max(1, len(words))


def _share(outcomes: Sequence[bool]) -> float:
    return sum(outcomes) / max(1, len(outcomes))
