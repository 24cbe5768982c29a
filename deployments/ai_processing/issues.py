"""Splits a message that raises several issues: at its own numbers, or where the text model saw each of them begin."""

import re
from collections.abc import Sequence

from core.labels import Urgency
from core.request import Issue
from deployments.ai_processing.text import MOST_ISSUES, TextPrediction

SIGN_OF_ALARM = 0.1
"""Torn from its message, a part may sound worse than it is: below this probability for the whole it is no Emergency."""
MIN_CHARACTERS = 8
"""Two issues begin at least so far apart."""

_JOINT = re.compile(
    r"(?:[\s,;:.&+*(\u2013\u2014-]|\b(?:and|also|plus|oh|btw|n|then|next|tambi[e\u00e9]n|adem[a\u00e1]s|y)\b"
    r"|(?:^|(?<=[\s(]))(?:\d|[a-h])[.):])+$",
    re.IGNORECASE,
)
"""What stands between one matter and the next and belongs to neither."""
_POINT = re.compile(r"(?:^|(?<=[\s:;,.]))\(?(\d|[a-h])[.)]\s+", re.IGNORECASE)
_ORDINAL = re.compile(r"\b(first(?:ly)?|second(?:ly)?|third(?:ly)?|primero|segundo|tercero)[,:]\s+", re.IGNORECASE)


def split_issues(text: str, prediction: TextPrediction) -> tuple[str, ...]:
    """The parts of the message that raise an issue each, verbatim and in order; empty where there is one issue."""
    points = _listed(text)
    begins = points or _chosen(prediction.starts, prediction.issues)
    if len(begins) < 2:
        return ()
    ends = [*begins[1:], len(text)]
    parts = [_trimmed(text[begin:end]) for begin, end in zip(begins, ends, strict=True)]
    return tuple(parts) if all(parts) else ()


def _listed(text: str) -> list[int]:
    """Where each point of a list begins that the writer counted 1, 2 or a, b or first, second; empty without one."""
    marks = list(_POINT.finditer(text))
    signs = [mark.group(1).lower() for mark in marks]
    for first in ("1", "a"):
        if first in signs:
            counted = [chr(ord(first) + step) for step in range(MOST_ISSUES)]
            found = [mark for mark, sign in zip(marks, signs, strict=True) if sign in counted]
            in_order = [mark.group(1).lower() for mark in found] == counted[: len(found)]
            if len(found) > 1 and in_order:
                return [mark.end() for mark in found]
    ordinals = list(_ORDINAL.finditer(text))
    return [mark.end() for mark in ordinals[:MOST_ISSUES]] if len(ordinals) > 1 else []


def name_issues(
    parts: Sequence[str], predictions: Sequence[TextPrediction], whole: TextPrediction
) -> tuple[Issue, ...]:
    """Each part with the labels that it has by itself, but for an alarm of which the whole message shows no sign."""
    quiet = whole.urgency_probabilities[Urgency.EMERGENCY] < SIGN_OF_ALARM
    return tuple(
        Issue(
            text=part,
            category=found.category,
            urgency=found.urgency_but_emergency if quiet else found.urgency,
            trade=found.trade,
        )
        for part, found in zip(parts, predictions, strict=True)
    )


def is_counted(text: str) -> bool:
    """Whether the writer counted several points, so that there is no doubt about the split."""
    return bool(_listed(text))


def leading_issue(issues: Sequence[Issue]) -> Issue:
    """The most urgent issue; the first named where several are."""
    return max(issues, key=lambda issue: issue.urgency.rank)


def _chosen(starts: Sequence[tuple[int, float]], count: int) -> list[int]:
    """The `count` likeliest places that are not too near to one another, in order; fewer where there are not so many."""
    found: list[int] = []
    for place, _ in sorted(starts, key=lambda start: -start[1]):
        if len(found) < count and all(abs(place - other) >= MIN_CHARACTERS for other in found):
            found.append(place)
    return sorted(found)


def _trimmed(part: str) -> str:
    return _JOINT.sub("", part.strip()).strip()
