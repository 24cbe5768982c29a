"""Splits a message that raises several issues: at its own numbers, or where the text model saw each of them begin."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from core.labels import Urgency
from core.request import Issue
from deployments.ai_processing.text import MOST_ISSUES, Certainty, TextPrediction

SIGN_OF_ALARM = 0.1
"""Torn from its message, a part may sound worse than it is: below this probability for the whole it is no Emergency."""
MIN_CHARACTERS = 8
"""Two issues begin at least so far apart."""
WEIGHT_OF_PLACES = 0.5
"""How much the likelihood of the places counts for beside that of their number; chosen on voices that now teach."""

_JOINT = re.compile(
    r"(?:[\s,;:.&+*(\u2013\u2014-]|\b(?:and|also|plus|oh|btw|n|then|next|tambi[e\u00e9]n|adem[a\u00e1]s|y)\b"
    r"|(?:^|(?<=[\s(]))(?:\d|[a-h])[.):])+$",
    re.IGNORECASE,
)
"""What stands between one matter and the next and belongs to neither."""
_POINT = re.compile(r"(?:^|(?<=[\s:;,.]))\(?(\d|[a-h])[.)]\s+", re.IGNORECASE)
_ORDINAL = re.compile(
    r"\b(?:(?:act|chapter|item|part|point|thing)\s+)?(?:(first(?:ly)?|one|primero|uno)|(second(?:ly)?|two|segundo|dos)|(third(?:ly)?|three|tercero|tres)"
    r"|(fourth(?:ly)?|four|cuarto|cuatro))[,:]\s+",
    re.IGNORECASE,
)


def split_issues(text: str, prediction: TextPrediction) -> tuple[str, ...]:
    """The parts of the message that raise an issue each, verbatim and in order; empty where there is one issue."""
    marks = _listed(text) or [(place, place) for place in _begins(prediction)]
    if len(marks) < 2:
        return ()
    ends = [*(before for before, _ in marks[1:]), len(text)]
    parts = [_trimmed(text[begin:end]) for (_, begin), end in zip(marks, ends, strict=True)]
    return tuple(parts) if all(parts) else ()


def _listed(text: str) -> list[tuple[int, int]]:
    """Where the sign of each point stands that the writer counted 1, 2 or a, b or first, second; empty without any."""
    marks = list(_POINT.finditer(text))
    signs = [mark.group(1).lower() for mark in marks]
    for first in ("1", "a"):
        if first in signs:
            counted = [chr(ord(first) + step) for step in range(MOST_ISSUES)]
            found = [mark for mark, sign in zip(marks, signs, strict=True) if sign in counted]
            in_order = [mark.group(1).lower() for mark in found] == counted[: len(found)]
            if len(found) > 1 and in_order:
                return [mark.span() for mark in found]
    ordinals = list[re.Match[str]]()
    for mark in _ORDINAL.finditer(text):
        if mark.lastindex == len(ordinals) + 1:
            ordinals.append(mark)
    return [mark.span() for mark in ordinals] if len(ordinals) > 1 else []


@dataclass(frozen=True)
class FoundIssue:
    """An issue, and how sure its labels are."""

    issue: Issue
    certainty: Certainty


def name_issues(
    parts: Sequence[str], predictions: Sequence[TextPrediction], whole: TextPrediction
) -> tuple[FoundIssue, ...]:
    """Each part with the labels that it has by itself, but for an alarm of which the whole message shows no sign."""
    quiet = whole.urgency_probabilities[Urgency.EMERGENCY] < SIGN_OF_ALARM
    return tuple(_name(part, found, quiet=quiet) for part, found in zip(parts, predictions, strict=True))


def _name(part: str, found: TextPrediction, *, quiet: bool) -> FoundIssue:
    urgency = found.urgency_but_emergency if quiet else found.urgency
    certainty: Certainty = {**found.confidences, "urgency": found.urgency_probabilities[urgency]}
    return FoundIssue(Issue(text=part, category=found.category, urgency=urgency, trade=found.trade), certainty)


def is_counted(text: str) -> bool:
    """Whether the writer counted several points, so that there is no doubt about the split."""
    return bool(_listed(text))


def leading_issue(found: Sequence[FoundIssue]) -> FoundIssue:
    """The most urgent issue; the first named where several are."""
    return max(found, key=lambda each: each.issue.urgency.rank)


def _begins(prediction: TextPrediction) -> list[int]:
    """Where issues begin, if there are several: as many places as their number and they themselves best account for."""
    ranked = _ranked(prediction.starts)
    if not prediction.several or len(ranked) < 2:
        return []
    numbers = range(2, len(ranked) + 1)
    places = list(accumulate(log_odds for _, log_odds in ranked))
    best = max(numbers, key=lambda n: prediction.counts[n - 1] + WEIGHT_OF_PLACES * places[n - 1])
    return sorted(place for place, _ in ranked[:best])


def _ranked(starts: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The likeliest places that are not too near to one another, the likeliest first; at most `MOST_ISSUES`."""
    found: list[tuple[int, float]] = []
    for start in sorted(starts, key=lambda start: -start[1]):
        if len(found) < MOST_ISSUES and all(abs(start[0] - place) >= MIN_CHARACTERS for place, _ in found):
            found.append(start)
    return found


def _trimmed(part: str) -> str:
    return _JOINT.sub("", part.strip()).strip()
