"""The features of the risk models: one function for training and serving, from what is known when a message comes."""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.labels import Category, Intent, Trade
from core.messages import AssessItem, BuildingFacts, PastRequest
from core.request import Classification
from core.status import ENDED

WINDOW = timedelta(days=180)
MONTH = timedelta(days=30)
WINDOW_DAYS = 180.0
DAY = timedelta(days=1)

WORD = re.compile(r"[\w'\u2019]+")

RECURRENCE_WORDS = frozenset({
    "again", "still", "keeps", "kept", "recurring", "recurs", "recurrent", "recurrence", "repeatedly",
    "sigue",
})  # fmt: skip
RECURRENCE_PHRASES = (
    "once more", "same problem", "same issue", "same thing", "came back", "comes back", "coming back",
    "second time", "third time", "fourth time", "fifth time", "2nd time", "3rd time", "4th time", "never fixed",
    "not fixed", "otra vez", "de nuevo",
)  # fmt: skip
COMPLAINT_WORDS = frozenset({
    "manager", "supervisor", "complaint", "complaints", "complain", "complained", "complaining", "unacceptable",
    "ridiculous", "ignored", "ignoring", "ignore", "nobody", "lawyer", "attorney", "withhold", "disgrace",
    "disgraceful", "gerente", "queja",
})  # fmt: skip
COMPLAINT_PHRASES = ("no one", "fed up", "had enough", "heard nothing", "no reply", "no response")
VULNERABLE_WORDS = frozenset({
    "baby", "infant", "newborn", "toddler", "pregnant", "elderly", "frail", "asthma", "asthmatic", "wheelchair",
    "disabled", "disability", "oxygen", "insulin", "dialysis", "bebé", "embarazada",
})  # fmt: skip
VULNERABLE_PHRASES = ("month old", "months old", "month-old")

MATTERS: tuple[str, ...] = (*(f"trade_{trade}" for trade in Trade), *(f"category_{name}" for name in Category))
"""One column for each trade of Maintenance and each category, of which one or two are 1."""

_TRADE_COLUMNS = {trade: tuple(float(trade is each) for each in Trade) for trade in (None, *Trade)}
_CATEGORY_COLUMNS = {category: tuple(float(category is each) for each in Category) for category in Category}

FEATURE_NAMES: tuple[str, ...] = (
    *MATTERS,
    "urgency",
    "emergency",
    "asks_question",
    "asks_for_person",
    "label_confidence",
    "issues",
    "words",
    "recurrence_words",
    "complaint_words",
    "vulnerability_words",
    "question_marks",
    "exclamation_marks",
    "similar_requests_30d",
    "similar_requests_180d",
    "similar_requests_open",
    "similar_requests_escalated",
    "days_since_similar",
    "same_category_180d",
    "requests_30d",
    "requests_180d",
    "requests_open",
    "requests_breached",
    "requests_escalated",
    "days_since_request",
    "resolution_days",
    "building_requests_180d",
    "building_similar_180d",
    "building_open",
    "building_open_days",
    "season_cosine",
    "season_sine",
    "hour",
    "weekday",
)


class _Past(NamedTuple):
    """An earlier request as it bears on the present one."""

    request: PastRequest
    days_ago: float
    same_category: bool
    similar: bool
    open: bool


def features(item: AssessItem, classification: Classification) -> tuple[float, ...]:
    """One number for each of `FEATURE_NAMES`, none of them missing or infinite.

    Only requests that were written before `item.at`, and at most 180 days before, count. "Similar" means the same
    category and trade. Times that never were count as 180 days.
    """
    return (
        *_TRADE_COLUMNS[classification.trade],
        *_CATEGORY_COLUMNS[classification.category],
        *_labels(classification),
        *_words(item.message_text),
        *_history(list(_past(item, classification))),
        *_building(item.building, classification),
        *_calendar(item.at),
    )


def matrix(items: Sequence[AssessItem], classifications: Sequence[Classification]) -> npt.NDArray[np.float32]:
    """The features of many messages as float32 of shape (n, k)."""
    rows = [features(item, labels) for item, labels in zip(items, classifications, strict=True)]
    return np.array(rows, dtype=np.float32).reshape(len(rows), len(FEATURE_NAMES))


def _labels(labels: Classification) -> tuple[float, ...]:
    return (
        float(labels.urgency.rank),
        float(labels.emergency),
        float(labels.intent is Intent.ANSWER_QUESTION),
        float(labels.intent is Intent.HUMAN_ESCALATION),
        labels.confidence,
        float(max(1, len(labels.issues))),
    )


def _words(text: str) -> tuple[float, ...]:
    lowered = text.lower()
    words = WORD.findall(lowered)
    return (
        float(len(words)),
        _count(words, lowered, RECURRENCE_WORDS, RECURRENCE_PHRASES),
        _count(words, lowered, COMPLAINT_WORDS, COMPLAINT_PHRASES),
        _count(words, lowered, VULNERABLE_WORDS, VULNERABLE_PHRASES),
        float(text.count("?")),
        float(text.count("!")),
    )


def _count(words: list[str], text: str, single: frozenset[str], phrases: tuple[str, ...]) -> float:
    found = sum(map(single.__contains__, words))
    return float(found + sum(map(text.count, phrases)))


def _past(item: AssessItem, labels: Classification) -> Iterator[_Past]:
    for request in item.history:
        age = item.at - request.created_at
        if timedelta(0) < age <= WINDOW:
            same = request.category is labels.category
            yield _Past(
                request=request,
                days_ago=age / DAY,
                same_category=same,
                similar=same and request.trade is labels.trade,
                open=_open(request, item.at),
            )


def _open(request: PastRequest, at: datetime) -> bool:
    if request.resolved_at is not None:
        return request.resolved_at > at
    return request.status not in ENDED


def _history(past: list[_Past]) -> tuple[float, ...]:
    similar = [each for each in past if each.similar]
    recent = MONTH / DAY
    return (
        float(sum(each.days_ago <= recent for each in similar)),
        float(len(similar)),
        float(sum(each.open for each in similar)),
        float(sum(each.request.escalated for each in similar)),
        min((each.days_ago for each in similar), default=WINDOW_DAYS),
        float(sum(each.same_category for each in past)),
        float(sum(each.days_ago <= recent for each in past)),
        float(len(past)),
        float(sum(each.open for each in past)),
        float(sum(each.request.breached for each in past)),
        float(sum(each.request.escalated for each in past)),
        min((each.days_ago for each in past), default=WINDOW_DAYS),
        _resolution_days(past),
    )


def _resolution_days(past: list[_Past]) -> float:
    """Mean days that ended requests took; 0 where none has ended."""
    days = [
        (each.request.resolved_at - each.request.created_at) / DAY
        for each in past
        if not each.open and each.request.resolved_at is not None
    ]
    return sum(days) / len(days) if days else 0.0


def _building(facts: BuildingFacts, labels: Classification) -> tuple[float, ...]:
    return (
        float(facts.requests_180d),
        float(facts.same_trade_180d.get(str(labels.trade or labels.category), 0)),
        float(facts.open_requests),
        # Little's law: what is open over what comes in a day is about how long a request stays open.
        facts.open_requests * WINDOW_DAYS / (facts.requests_180d + 1.0),
    )


def _calendar(at: datetime) -> tuple[float, ...]:
    angle = 2.0 * math.pi * (at.timetuple().tm_yday - 1) / 365.25
    return math.cos(angle), math.sin(angle), at.hour + at.minute / 60.0, float(at.weekday())
