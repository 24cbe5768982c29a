"""The features of the risk models: one function for training and serving, from what is known when a message comes."""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.labels import Category, Intent, Trade, Urgency
from core.messages import AssessItem, Backlog, BuildingFacts, PastRequest, TopicWork
from core.request import Classification
from core.status import ENDED
from deployments.ai_processing.subjects import SUBJECTS, subjects

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

_NOTHING = TopicWork()
_RANKS = {urgency: urgency.rank for urgency in Urgency}
_TRADE_COLUMNS = {trade: tuple(float(trade is each) for each in Trade) for trade in (None, *Trade)}
_CATEGORY_COLUMNS = {category: tuple(float(category is each) for each in Category) for category in Category}

FEATURE_NAMES: tuple[str, ...] = (
    *MATTERS,
    *(f"about_{name}" for name in SUBJECTS),
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
    "days_since_similar_resolved",
    "similar_open_days",
    "similar_breached",
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
    "topic_open",
    "topic_ahead",
    "topic_overdue",
    "topic_days_between_ends",
    "topic_wait_days",
    "topic_days_since_end",
    "topic_resolution_days",
    "topic_breach_rate",
    "all_open",
    "all_overdue",
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


def features(item: AssessItem, classification: Classification, zone: tzinfo = UTC) -> tuple[float, ...]:
    """One number for each of `FEATURE_NAMES`, none of them missing or infinite; hour and season are those of `zone`.

    Only requests that were written before `item.at`, and at most 180 days before, count. "Similar" means the same
    category and trade; the topic is the trade or, without one, the category. Times that never were count as 180 days.
    """
    lowered = item.message_text.lower()
    words = WORD.findall(lowered)
    return (
        *_TRADE_COLUMNS[classification.trade],
        *_CATEGORY_COLUMNS[classification.category],
        *subjects(words, lowered),
        *_labels(classification),
        *_words(item.message_text, words, lowered),
        *_history(list(_past(item, classification)), item.at),
        *_building(item.building, classification),
        *_backlog(item.backlog, classification, item.at),
        *_calendar(item.at.astimezone(zone)),
    )


def matrix(
    items: Sequence[AssessItem], classifications: Sequence[Classification], zone: tzinfo = UTC
) -> npt.NDArray[np.float32]:
    """The features of many messages as float32 of shape (n, k)."""
    rows = [features(item, labels, zone) for item, labels in zip(items, classifications, strict=True)]
    return np.array(rows, dtype=np.float32).reshape(len(rows), len(FEATURE_NAMES))


def _labels(labels: Classification) -> tuple[float, ...]:
    return (
        float(labels.urgency.rank),
        float(labels.emergency),
        float(labels.intent is Intent.ANSWER_QUESTION),
        float(labels.intent is Intent.HUMAN_ESCALATION),
        labels.least_confidence,
        float(max(1, len(labels.issues))),
    )


def _words(text: str, words: list[str], lowered: str) -> tuple[float, ...]:
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


def _history(past: list[_Past], at: datetime) -> tuple[float, ...]:
    similar = [each for each in past if each.similar]
    ends = [each.request.resolved_at for each in similar if not each.open and each.request.resolved_at is not None]
    recent = MONTH / DAY
    return (
        float(sum(each.days_ago <= recent for each in similar)),
        float(len(similar)),
        float(sum(each.open for each in similar)),
        float(sum(each.request.escalated for each in similar)),
        min((each.days_ago for each in similar), default=WINDOW_DAYS),
        min(((at - end) / DAY for end in ends), default=WINDOW_DAYS),
        max((each.days_ago for each in similar if each.open), default=0.0),
        float(sum(each.request.breached for each in similar)),
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


def _backlog(backlog: Backlog, labels: Classification, at: datetime) -> tuple[float, ...]:
    work = backlog.topics.get(labels.trade or labels.category, _NOTHING)
    urgency = labels.urgency.rank
    ahead = sum(count for level, count in work.open.items() if _RANKS[level] >= urgency)
    interval = min(WINDOW_DAYS, _days_since(work.ended_since, at) / max(1, work.ended))
    return (
        float(sum(work.open.values())),
        float(ahead),
        float(work.overdue),
        interval,
        # What is to be done first, times how long each takes to come to an end.
        min(WINDOW_DAYS, ahead * interval),
        _days_since(work.last_ended_at, at),
        work.mean_days,
        work.breached / max(1, work.ended),
        float(sum(sum(each.open.values()) for each in backlog.topics.values())),
        float(sum(each.overdue for each in backlog.topics.values())),
    )


def _days_since(then: datetime | None, at: datetime) -> float:
    """0 to 180; what was stored a moment after the message counts as 0."""
    return WINDOW_DAYS if then is None else min(WINDOW_DAYS, max(0.0, (at - then) / DAY))


def _calendar(at: datetime) -> tuple[float, ...]:
    angle = 2.0 * math.pi * (at.timetuple().tm_yday - 1) / 365.25
    return math.cos(angle), math.sin(angle), at.hour + at.minute / 60.0, float(at.weekday())
