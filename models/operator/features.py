"""What was known when a report came in, as numbers: everything is counted strictly before its creation."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from models.operator.closing import closing_odds
from models.operator.history import History, Report

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]

NEVER_DAYS = 999.0
CATEGORIES_KEPT = 40
SMOOTHING = 10.0
"""So many reports at the overall rate are added to each group's own."""
SPEEDS = (3.0, 7.0, 14.0, 30.0, 60.0)
"""Days within which earlier reports of the category were closed or not."""
WINDOWS = (7.0, 30.0, 90.0)


@dataclass(frozen=True)
class Columns:
    """Named columns of shape (n,) each, in a fixed order."""

    names: tuple[str, ...]
    values: Rows
    """Of shape (n, k)."""

    def joined(self, other: Columns) -> Columns:
        """Both beside each other."""
        return Columns(self.names + other.names, np.hstack([self.values, other.values]))

    def first(self, count: int) -> Columns:
        """The first `count` of them."""
        return Columns(self.names[:count], self.values[:, :count])

    def of(self, name: str) -> Floats:
        """The column of this name, of shape (n,)."""
        return self.values[:, self.names.index(name)].astype(np.float64)


@dataclass(frozen=True)
class Timeline:
    """The times of a history in days, and what each report counts among."""

    created: Floats
    """Ascending."""
    closed: Floats
    """NaN where it was not closed, or nobody knows when."""
    ended: npt.NDArray[np.bool_]
    """Closed, though perhaps at an unknown time."""
    undecided: npt.NDArray[np.bool_]
    """Without a closing time, and nobody knows whether it was dealt with."""
    categories: list[str]
    places: list[str | None]

    def categories_of(self, indices: npt.NDArray[np.intp]) -> list[str]:
        """Of these reports."""
        return [self.categories[int(index)] for index in indices]

    @property
    def end_unknown(self) -> npt.NDArray[np.bool_]:
        """Nobody knows when, or whether, these were closed. Known at the export only: for labels, not for features."""
        return self.undecided | (self.ended & np.isnan(self.closed))

    @classmethod
    def of(cls, history: History) -> Timeline:
        """Taken from the reports."""
        reports = history.reports
        return cls(
            created=np.array([days(report.created_at.timestamp()) for report in reports]),
            closed=np.array([days(each.closed_at.timestamp()) if each.closed_at else math.nan for each in reports]),
            ended=np.array([report.closed for report in reports], dtype=np.bool_),
            undecided=np.array([bool(report.undecided) for report in reports], dtype=np.bool_),
            categories=[report.own_category for report in reports],
            places=[report.place for report in reports],
        )


def days(seconds: float) -> float:
    """Days since 1970."""
    return seconds / 86_400.0


def record_columns(history: History) -> Columns:
    """All columns but the text's, of shape (n, k): the calendar, the load, the category's and the place's past."""
    timeline = Timeline.of(history)
    matters = [report.matter for report in history.reports]
    at_place = [
        None if place is None else (place, matter) for place, matter in zip(timeline.places, matters, strict=True)
    ]
    everything = [""] * len(matters)
    parts: dict[str, Floats] = {}
    parts |= _calendar(history)
    parts |= _wording(history.reports)
    parts |= _flow("all", timeline, everything)
    parts |= _flow("category", timeline, timeline.categories)
    parts |= _speeds("category", timeline, timeline.categories)
    parts |= _speeds("all", timeline, everything, (7.0, 30.0))
    parts |= _closing("all", timeline, everything)
    parts |= _closing("category", timeline, timeline.categories)
    parts |= _past("place", timeline, timeline.places)
    parts |= _past("place_matter", timeline, at_place)
    if any(report.urgency for report in history.reports):
        parts["urgency"] = np.array([each.urgency.rank if each.urgency else math.nan for each in history.reports])
    return Columns(tuple(parts), np.stack(list(parts.values()), axis=1).astype(np.float32))


def category_columns(history: History, kept: Sequence[str]) -> Columns:
    """One column for each category that is kept, 1 where the report is of it."""
    own = np.array([report.own_category for report in history.reports])
    values = np.stack([own == name for name in kept], axis=1).astype(np.float32)
    return Columns(tuple(f"is_{name}" for name in kept), values)


def frequent_categories(reports: Sequence[Report]) -> list[str]:
    """The most frequent ones, in the order of their names."""
    names, counts = np.unique([report.own_category for report in reports], return_counts=True)
    return sorted(str(names[place]) for place in np.argsort(-counts, kind="stable")[:CATEGORIES_KEPT])


def rates_as_known(
    timeline: Timeline, groups: Sequence[Hashable], outcomes: Floats, known_after: Floats, window: float = math.inf
) -> Floats:
    """For each report the share of its group's earlier reports with the outcome, of those that were settled by then.

    `outcomes` is 0, 1 or NaN; a report is settled `known_after` days after its creation, whichever way it went, so that
    early successes don't count before failures can. Smoothed towards the rate of all reports. `window` is how many
    days before the present the settling may lie.
    """
    settled = timeline.created + known_after
    overall = _smoothed(timeline.created, [""] * len(groups), settled, outcomes, window, np.full(len(groups), math.nan))
    return _smoothed(timeline.created, groups, settled, outcomes, window, overall)


def _smoothed(
    now: Floats, groups: Sequence[Hashable], settled: Floats, outcomes: Floats, window: float, towards: Floats
) -> Floats:
    rates = np.full(len(now), math.nan)
    for members in _members(groups):
        usable = members[~np.isnan(outcomes[members])]
        usable = usable[np.argsort(settled[usable], kind="stable")]
        times, sums = settled[usable], np.concatenate([[0.0], np.cumsum(outcomes[usable])])
        last = np.searchsorted(times, now[members], side="left")
        first = np.searchsorted(times, now[members] - window, side="left")
        count, hits = (last - first).astype(float), sums[last] - sums[first]
        prior = towards[members]
        with np.errstate(invalid="ignore", divide="ignore"):
            own = np.where(count > 0, hits / count, math.nan)
        rates[members] = np.where(np.isnan(prior), own, (hits + SMOOTHING * prior) / (count + SMOOTHING))
    return rates


def _calendar(history: History) -> dict[str, Floats]:
    zone = ZoneInfo(history.header.time_zone)
    local = [report.created_at.astimezone(zone) for report in history.reports]
    angle = np.array([2.0 * math.pi * (each.timetuple().tm_yday - 1) / 365.25 for each in local])
    return {
        "season_cosine": np.cos(angle),
        "season_sine": np.sin(angle),
        "hour": np.array([each.hour + each.minute / 60.0 for each in local]),
        "weekday": np.array([float(each.weekday()) for each in local]),
    }


def _wording(reports: Sequence[Report]) -> dict[str, Floats]:
    texts = [report.text for report in reports]
    return {
        "characters": np.array([float(len(text)) for text in texts]),
        "questions": np.array([float(text.count("?")) for text in texts]),
        "exclamations": np.array([float(text.count("!")) for text in texts]),
        "capitals": np.array([sum(map(str.isupper, text)) / (len(text) + 1.0) for text in texts]),
        "digits": np.array([float(sum(map(str.isdigit, text))) for text in texts]),
    }


def _flow(name: str, timeline: Timeline, groups: Sequence[Hashable]) -> dict[str, Floats]:
    """What came in and went out lately, and what is open."""
    n = len(groups)
    found = {f"{name}_open": np.zeros(n), f"{name}_days_since_closing": np.full(n, NEVER_DAYS)}
    found |= {f"{name}_{what}_{window:.0f}d": np.zeros(n) for what in ("came", "closed") for window in WINDOWS}
    for members in _members(groups):
        now = timeline.created[members]
        came = timeline.created[members]
        closed = np.sort(timeline.closed[members][~np.isnan(timeline.closed[members])])
        # One that ended nobody knows when counts as open: its status is the export's and was not known then.
        found[f"{name}_open"][members] = _before(came, now) - _before(closed, now)
        found[f"{name}_days_since_closing"][members] = _since(closed, now)
        for window in WINDOWS:
            found[f"{name}_came_{window:.0f}d"][members] = _before(came, now) - _before(came, now - window)
            found[f"{name}_closed_{window:.0f}d"][members] = _before(closed, now) - _before(closed, now - window)
    share = found[f"{name}_closed_30d"] / (found[f"{name}_closed_30d"] + found[f"{name}_open"] + 1.0)
    return {**found, f"{name}_clearing": share}


def _closing(name: str, timeline: Timeline, groups: Sequence[Hashable]) -> dict[str, Floats]:
    odds = closing_odds(timeline.created, timeline.closed, groups)
    return {f"{name}_closing_odds_{half:.0f}d": each for half, each in odds.items()}


def _speeds(
    name: str, timeline: Timeline, groups: Sequence[Hashable], speeds: tuple[float, ...] = SPEEDS
) -> dict[str, Floats]:
    """How many of the group's reports were closed within some days, over all the past and lately."""
    found: dict[str, Floats] = {}
    took = timeline.closed - timeline.created
    for speed in speeds:
        outcomes = (took <= speed).astype(float)
        after = np.full(len(took), speed)
        for label, window in (("", math.inf), ("_lately", 45.0)):
            key = f"{name}_closed_within_{speed:.0f}d{label}"
            found[key] = rates_as_known(timeline, groups, outcomes, after, window)
    return found


def _past(name: str, timeline: Timeline, groups: Sequence[Hashable | None]) -> dict[str, Floats]:
    """Counts, recency, open ones and past closing times of the group; a report without a group has no past."""
    n = len(groups)
    found = {f"{name}_{what}": np.zeros(n) for what in ("count", "count_30d", "count_90d", "open", "closed")}
    found |= {f"{name}_days_since_{what}": np.full(n, NEVER_DAYS) for what in ("report", "closing")}
    found[f"{name}_closing_days"] = np.full(n, math.nan)
    for members in _members(groups):
        if groups[members[0]] is None or len(members) == 1:
            continue
        now = timeline.created[members]
        ends, starts = timeline.closed[members], timeline.created[members]
        order = np.argsort(ends)[: int((~np.isnan(ends)).sum())]
        closed, sums = ends[order], np.concatenate([[0.0], np.cumsum((ends - starts)[order])])
        done, count = _before(closed, now), _before(starts, now)
        found[f"{name}_count"][members] = count
        found[f"{name}_count_30d"][members] = count - _before(starts, now - 30.0)
        found[f"{name}_count_90d"][members] = count - _before(starts, now - 90.0)
        found[f"{name}_open"][members] = count - done
        found[f"{name}_closed"][members] = done
        found[f"{name}_days_since_report"][members] = _since(starts, now)
        found[f"{name}_days_since_closing"][members] = _since(closed, now)
        found[f"{name}_closing_days"][members] = np.where(done > 0, sums[done] / np.maximum(done, 1), math.nan)
    return found


def _members(groups: Sequence[Hashable]) -> list[npt.NDArray[np.intp]]:
    places: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        places.setdefault(group, []).append(index)
    return [np.array(indices, dtype=np.intp) for indices in places.values()]


def _before(times: Floats, now: Floats) -> npt.NDArray[np.intp]:
    return np.searchsorted(times, now, side="left")


def _since(times: Floats, now: Floats) -> Floats:
    """Days since the last of these times."""
    if not len(times):
        return np.full(len(now), NEVER_DAYS)
    index = _before(times, now)
    return np.where(index > 0, now - times[np.maximum(index - 1, 0)], NEVER_DAYS)
