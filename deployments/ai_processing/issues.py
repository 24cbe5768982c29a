"""Splits a message into clauses and decides whether it raises several issues."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.labels import Category
from core.request import Issue
from deployments.ai_processing.text import TextPrediction

MIN_WORDS = 3
"""A clause of fewer words raises no issue of its own."""
MOST_CLAUSES = 12
"""Of longer messages only the first so many clauses are looked at."""
CONFIDENT = 0.4
"""Probability of its category from which a clause of its own point is taken to raise an issue."""
CLEAR = 0.7
"""As `CONFIDENT`, where nothing but "and" says that it is a point of its own; its matter must be another, too."""

_NUMBERS = {"two": 2, "couple": 2, "dos": 2, "three": 3, "tres": 3, "four": 4, "cuatro": 4}
_POINT = re.compile(r"(?:^|(?<=[\s:;,.]))\(?(\d|[a-h])[.)]\s+|(?:^|(?<=[.:;\n]\s))(\d)\s+(?=[a-z])", re.IGNORECASE)
_ORDINAL = re.compile(r"\b(?:first(?:ly)?|second(?:ly)?|third(?:ly)?|primero|segundo|tercero)[,:]\s+", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"\b(two|three|four|couple|[2-4]|dos|tres|cuatro)\s+(?:\w+\s+){0,2}?"
    r"(?:things?|items?|matters?|issues?|problems?|qs|questions?|requests?|difficulties|cosas|for the list)\b"
    r"[^.:;,!?]*[.:;,!?]?\s*",
    re.IGNORECASE,
)
_ADDED = re.compile(
    r"(?:(?<=[.;:!?])\s*|\s*,\s*|\s+[-\u2013\u2014+]\s*|\s+(?=and\s|&\s|ALSO\b|PLUS\b))(?:and\s+|&\s+)?"
    r"(?:also|plus|btw|by the way|while (?:you|u)\S* (?:are |r )?(?:here|at it)"
    r"|since you'll be (?:here|in the building)|another thing|one more thing|on another note|separately"
    r"|a separate thing|incidentally|oh and|in addition|adem[a\u00e1]s|tambi[e\u00e9]n)\b[,:]?\s+",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"(?<=[.!?;])\s+(?:and|&|y)\s+|,?\s+(?:and|&|\+|y)\s+(?=(?:the|their|my|our|your|there'?s?|a|an|somebody|someone"
    r"|whoever|pls|please|tell|can|is|what|el|la|mi|se)\b)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=\S)|\n+")
_COORDINATED = re.compile(r"(?<=[.!?;])\s+|\n+|\s*[,;]?\s+(?:and|&|\+|plus|y)\s+|,\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Clause:
    """A part of a message, verbatim, and the point of the writer's to which it belongs, from 0."""

    text: str
    point: int
    marked: bool = True
    """A list, an announcement or an adding word sets the point apart; else only "and" does."""


def split_clauses(text: str) -> tuple[Clause, ...]:
    """The clauses of a message that may raise several issues, in order; empty where nothing suggests more than one.

    What suggests it is a list, an announcement ("two things") or a word that adds something ("also", "plus").
    """
    points = _listed(text) or _announced(text)
    if points:
        return _clauses([[point] for point in points])
    for separator, marked in ((_ADDED, True), (_JOINED, False)):
        parts = separator.split(text)
        if len(parts) > 1:
            # What follows an addition is one thing; what goes before it may begin with background.
            return _clauses([_SENTENCE.split(parts[0]), *([_SENTENCE.split(part)[0]] for part in parts[1:])], marked)
    return ()


def find_issues(clauses: Sequence[Clause], predictions: Sequence[TextPrediction]) -> tuple[Issue, ...]:
    """The separate issues among a message's clauses, in order; empty for fewer than two.

    Each of the writer's points gives at most one issue: its clause with the clearest category, if that is clear enough
    and not Other.
    """
    best: dict[int, tuple[float, Issue]] = {}
    for clause, prediction in zip(clauses, predictions, strict=True):
        clarity = prediction.category_probabilities[prediction.category]
        needed = max(CONFIDENT if clause.marked else CLEAR, best.get(clause.point, (0.0,))[0])
        if prediction.category is not Category.OTHER and clarity >= needed:
            best[clause.point] = (clarity, _issue(clause, prediction))
    issues = [issue for _, issue in best.values()]
    if not all(clause.marked for clause in clauses):
        issues = [issue for place, issue in enumerate(issues) if not any(_same(issue, one) for one in issues[:place])]
    return tuple(issues) if len(issues) > 1 else ()


def leading_issue(issues: Sequence[Issue]) -> Issue:
    """The most urgent issue; the first named where several are."""
    return max(issues, key=lambda issue: issue.urgency.rank)


def _same(one: Issue, other: Issue) -> bool:
    return (one.category, one.trade) == (other.category, other.trade)


def _issue(clause: Clause, prediction: TextPrediction) -> Issue:
    return Issue(text=clause.text, category=prediction.category, urgency=prediction.urgency, trade=prediction.trade)


def _listed(text: str) -> list[str]:
    """The points of a list that counts 1, 2 or a, b or first, second; empty where there is none."""
    marks = list(_POINT.finditer(text))
    signs = [next(sign for sign in mark.groups() if sign).lower() for mark in marks]
    start = next((place for place, sign in enumerate(signs) if sign in "1a"), None)
    if start is not None:
        digits = signs[start].isdigit()
        marks = [mark for mark, sign in zip(marks[start:], signs[start:], strict=True) if sign.isdigit() == digits]
        if len(marks) > 1:
            return _between(text, marks)
    ordinals = list(_ORDINAL.finditer(text))
    return _between(text, ordinals) if len(ordinals) > 1 else []


def _announced(text: str) -> list[str]:
    """The points after "two things", if there is a way to cut that gives as many; else nothing."""
    announcement = _ANNOUNCED.search(text)
    if announcement is None:
        return []
    count = announcement.group(1).lower()
    wanted = int(count) if count.isdigit() else _NUMBERS[count]
    rest = text[announcement.end() :]
    for cut in (_SENTENCE, _COORDINATED):
        points = [point for point in cut.split(rest) if point and _long(point)]
        if len(points) == wanted:
            return points
    return []


def _between(text: str, marks: Sequence[re.Match[str]]) -> list[str]:
    """What stands after each mark, up to the next."""
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]


def _clauses(points: Sequence[Sequence[str]], marked: bool = True) -> tuple[Clause, ...]:
    found = [
        Clause(clause.strip(" ,;\n"), number, marked)
        for number, point in enumerate(points)
        for clause in point
        if _long(clause)
    ]
    return tuple(found[:MOST_CLAUSES]) if len({clause.point for clause in found}) > 1 else ()


def _long(part: str) -> bool:
    return len(part.split()) >= MIN_WORDS
