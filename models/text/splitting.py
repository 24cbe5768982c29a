"""How messages with several issues are split, beside what splitting at every sentence would do."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.labels import Category, Urgency
from core.request import Issue
from models.text.figures import Interval, share
from models.text.issues import is_exact_split
from models.text.judgements import Judgement

OVERLAP = 0.5
"""For the stricter judgement: share of the words of both texts together that the two must have in common."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True)
class SplitFigures:
    """How one way of splitting did; shares of messages with several issues, but for `stays_one`."""

    way: str
    several: int
    same_number: Interval
    exact: Interval
    """As many issues, each with most words of the labelled one (`models.text.issues.COVERED`)."""
    close: Interval
    """As many issues, each about as long as the labelled one, too (`OVERLAP`)."""
    stays_one: Interval
    """Of the messages with one issue, those that were not split."""


def split_figures(judged: Sequence[Judgement]) -> tuple[SplitFigures, ...]:
    """As served, and two simpler ways."""
    ways: dict[str, Callable[[Judgement], Sequence[Issue]]] = {
        "never split": lambda _: (),
        "at every sentence": lambda each: _sentences(each.message.text),
        "as served": lambda each: each.found.issues,
    }
    return tuple(_figures(way, judged, split) for way, split in ways.items())


def _figures(way: str, judged: Sequence[Judgement], split: Callable[[Judgement], Sequence[Issue]]) -> SplitFigures:
    several = [(each.message.issues, split(each)) for each in judged if each.message.issues]
    one = [split(each) for each in judged if not each.message.issues]
    return SplitFigures(
        way=way,
        several=len(several),
        same_number=share(sum(len(true) == len(found) for true, found in several), len(several)),
        exact=share(sum(is_exact_split(true, found) for true, found in several), len(several)),
        close=share(sum(_is_close(true, found) for true, found in several), len(several)),
        stays_one=share(sum(not found for found in one), len(one)),
    )


def _is_close(true: Sequence[Issue], found: Sequence[Issue]) -> bool:
    pairs = zip(true, found, strict=False)
    return len(true) == len(found) and all(_overlap(one.text, other.text) >= OVERLAP for one, other in pairs)


def _overlap(one: str, other: str) -> float:
    first, second = set(one.lower().split()), set(other.lower().split())
    return len(first & second) / max(1, len(first | second))


def _sentences(text: str) -> Sequence[Issue]:
    parts = [part for part in _SENTENCE_END.split(text) if part.strip()]
    issues = [Issue(text=part, category=Category.OTHER, urgency=Urgency.LOW) for part in parts]
    return issues if len(issues) > 1 else ()
