"""How likely two messages of one building are about the same fault, by a small logistic model on what can be compared.

`likeness.json` beside this file holds the weights, which `python -m models.likeness.fit` learns from written scenarios.
"""

import math
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from pydantic import Field

from core.contract import Contract, Probability
from core.labels import Category, Trade, Urgency
from deployments.request_management.matters import Mentions

INCIDENT_WINDOW = timedelta(days=3)
"""Faults further apart are not one incident: it would have been noticed."""
DUPLICATE_WINDOW = timedelta(days=30)

FEATURES = (
    "cosine",
    "same_topic",
    "same_category",
    "log_hours",
    "same_home",
    "same_floor",
    "stacked",
    "shared_system",
    "other_system",
    "no_system",
    "both_wide",
    "own",
    "alone",
    "personal",
    "asks",
    "same_place",
    "other_floor",
    "other_named",
    "urgency_apart",
)


class Weights(Contract):
    """One logistic model: a weight for each of `FEATURES`, and the least probability that counts."""

    weights: tuple[float, ...] = Field(min_length=len(FEATURES), max_length=len(FEATURES))
    intercept: float
    threshold: Probability


class LikenessModel(Contract):
    """The two models: requests of several residents as one incident, and of one resident as repeats."""

    incident: Weights
    duplicate: Weights
    fitted_on: str
    """Which scenarios the weights come from."""


@dataclass(frozen=True)
class Matter:
    """What is compared of one message."""

    request_id: str
    resident_id: str
    unit: str | None
    at: datetime
    category: Category | None
    trade: Trade | None
    urgency: Urgency | None
    vector: tuple[float, ...]
    """The unit vector of the text; empty where there is none."""
    mentions: Mentions | None = None
    """None where the text was not read."""


@dataclass(frozen=True)
class Match:
    """An earlier message that seems to be about the same."""

    request_id: str
    probability: float


@dataclass(frozen=True)
class IncidentMatch:
    """What a message seems to belong to."""

    incident_id: str | None
    """None for a single request."""
    request_ids: tuple[str, ...]
    probability: float


@cache
def model() -> LikenessModel:
    """The fitted model."""
    return LikenessModel.model_validate_json(Path(__file__).with_name("likeness.json").read_text())


def unpack(vector: bytes) -> tuple[float, ...]:
    """The numbers of a vector of float32, little-endian; empty where its length is none."""
    return struct.unpack(f"<{len(vector) // 4}f", vector) if vector and len(vector) % 4 == 0 else ()


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """Of two unit vectors, -1 to 1, by their distance; 0 where there is nothing to compare."""
    if not first or len(first) != len(second):
        return 0.0
    # `math.dist` runs in C: 200 comparisons take a millisecond, without a library for arrays.
    return 1.0 - math.dist(first, second) ** 2 / 2.0


def features(new: Matter, old: Matter) -> tuple[float, ...]:
    """The values of `FEATURES` for two messages, in any order. What is not known counts 0, as if between yes and no."""
    hours = abs((new.at - old.at).total_seconds()) / 3600.0
    first, second = new.mentions or Mentions(), old.mentions or Mentions()
    common = first.systems & second.systems
    return (
        cosine(new.vector, old.vector),
        _agreement(_topic(new), _topic(old)),
        _agreement(new.category, old.category),
        math.log1p(hours),
        float(new.unit is not None and new.unit == old.unit),
        float(_floor(new.unit) is not None and _floor(new.unit) == _floor(old.unit) and new.unit != old.unit),
        float(_stacked(new.unit, old.unit)),
        float(bool(common)),
        float(bool(first.systems and second.systems and not common)),
        float(not (first.systems and second.systems)),
        float(first.wide and second.wide),
        (float(first.own) + float(second.own)) / 2.0,
        float(first.alone or second.alone),
        float(not common and first.personal and second.personal),
        float(first.asks or second.asks),
        float(bool(first.named & second.named or first.homes & second.homes or first.floors & second.floors)),
        float(_differ(first.floors, second.floors)),
        float(_differ(first.named, second.named)),
        float(abs(new.urgency.rank - old.urgency.rank)) if new.urgency and old.urgency else 0.0,
    )


def log_odds(values: Sequence[float], weights: Weights) -> float:
    """Of two messages being about the same."""
    return weights.intercept + sum(value * weight for value, weight in zip(values, weights.weights, strict=True))


def _logistic(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))


def incident_match(
    new: Matter, earlier: Iterable[Matter], incident_of: Mapping[str, str], weights: Weights
) -> IncidentMatch | None:
    """The likeliest incident, or else the likeliest single request, of the same fault by other residents, if any is.

    A message joins an incident that it is like on the average of log-odds, so that a chain of half-likenesses doesn't
    tie two faults together. `incident_of` says which requests stand in an incident already.
    """
    groups: dict[tuple[str, bool], list[tuple[str, float]]] = {}
    for old in earlier:
        if old.resident_id == new.resident_id or abs(new.at - old.at) > INCIDENT_WINDOW or each_their_own(new, old):
            continue
        incident = incident_of.get(old.request_id)
        key = (old.request_id, False) if incident is None else (incident, True)
        groups.setdefault(key, []).append((old.request_id, log_odds(features(new, old), weights)))
    found = [
        IncidentMatch(name if grouped else None, tuple(one for one, _ in members), _logistic(_mean(members)))
        for (name, grouped), members in groups.items()
    ]
    likely = [match for match in found if match.probability >= weights.threshold]
    # An incident goes before a likelier single request: else forty reports of one minute would become twenty pairs.
    return max(likely, key=lambda match: (match.incident_id is not None, match.probability), default=None)


def each_their_own(new: Matter, old: Matter) -> bool:
    """Whether both speak of fixtures or papers of their own home and of nothing shared: never one fault.

    Two dripping taps are as alike in words as two reports of one boiler, so this is a rule and not left to weights.
    """
    first, second = new.mentions or Mentions(), old.mentions or Mentions()
    if new.unit is not None and (new.unit == old.unit or _stacked(new.unit, old.unit)):
        return False
    own = (first.own and second.own) or (first.personal and second.personal)
    return own and not first.systems & second.systems


def duplicate_matches(new: Matter, earlier: Iterable[Matter], weights: Weights) -> tuple[Match, ...]:
    """Those of the same resident within `DUPLICATE_WINDOW` that likely say the same, likeliest first."""
    found = [
        Match(old.request_id, _logistic(log_odds(features(new, old), weights)))
        for old in earlier
        if old.resident_id == new.resident_id and abs(new.at - old.at) <= DUPLICATE_WINDOW
    ]
    likely = [match for match in found if match.probability >= weights.threshold]
    return tuple(sorted(likely, key=lambda match: -match.probability))


def shortlist(new: Matter, earlier: Iterable[Matter], most: int) -> list[Matter]:
    """The `most` that are nearest by vector and topic: only their texts are worth reading."""
    by_nearness = sorted(earlier, key=lambda old: -_nearness(new, old))
    return by_nearness[:most]


def _nearness(new: Matter, old: Matter) -> float:
    return cosine(new.vector, old.vector) + 0.2 * _agreement(_topic(new), _topic(old))


def _mean(members: Sequence[tuple[str, float]]) -> float:
    return sum(odds for _, odds in members) / len(members)


def _topic(matter: Matter) -> str | None:
    return matter.trade or (None if matter.category in (None, Category.MAINTENANCE) else matter.category)


def _agreement(first: str | None, second: str | None) -> float:
    if first is None or second is None:
        return 0.0
    return 1.0 if first == second else -1.0


_UNIT = re.compile(r"^(\D*)(\d+)(\d{2})(\D*)$|^(\d+)(\D+)$")


def _parts(unit: str | None) -> tuple[str, str] | None:
    """Floor and line of a unit such as 504 or 5D."""
    found = _UNIT.match(unit or "")
    if found is None:
        return None
    return (found[5], found[6].lower()) if found[5] else (found[1] + found[2], found[3] + found[4])


def _floor(unit: str | None) -> str | None:
    parts = _parts(unit)
    return parts[0] if parts else None


def _stacked(first: str | None, second: str | None) -> bool:
    """One above the other."""
    one, other = _parts(first), _parts(second)
    if one is None or other is None or not (one[0].isdecimal() and other[0].isdecimal()):
        return False
    return one[1] == other[1] and 0 < abs(int(one[0]) - int(other[0])) <= 2


def _differ(first: frozenset[str], second: frozenset[str]) -> bool:
    return bool(first and second and not first & second)
