"""How readily a group's reports are being closed of late: a life table by period, a day behind.

Hazards by age are counted over the reports that are open, old and new (Preston, Heuveline, Guillot 2001, ch. 3), and
the past fades. A share of those closed within 30 days would be a month behind.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

AGES = np.array([0.0, 1.0, 2.0, 4.0, 7.0, 14.0, 21.0, 30.0])
"""Limits of the age bands in days."""
HALF_LIVES = (14.0, 60.0)
"""Days after which a day counts half."""
PRIOR_DAYS = 10.0
"""So many open days at the rate of all reports are added to each group's."""
SOME_DAYS = 2.0
SOME_HAZARD = 0.025
"""Added to all reports' own, in closings a day, so that the first ones have a rate."""


@dataclass(frozen=True)
class _Changes:
    """What happens on each day: `starts` has the first entry of every day, days in order."""

    starts: Indices
    cells: Indices
    """Group times bands plus band."""
    amounts: Floats

    @classmethod
    def of(cls, on: Indices, cells: Indices, amounts: Floats, count: int) -> _Changes:
        order = np.argsort(on, kind="stable")
        return cls(np.searchsorted(on[order], np.arange(count + 1)), cells[order], amounts[order])

    def add(self, day: int, totals: Floats) -> None:
        here = slice(self.starts[day], self.starts[day + 1])
        np.add.at(totals, self.cells[here], self.amounts[here])


def closing_odds(created: Floats, closed: Floats, groups: Sequence[Hashable]) -> dict[float, Floats]:
    """For each half-life the log-odds, of shape (n,), that a report of the group is closed within 30 days.

    Times are in days, `created` ascending. Counts whole days before the day of each creation.
    """
    if not len(created):
        return {half: np.empty(0) for half in HALF_LIVES}
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    own = np.array([numbers[group] for group in groups])
    today = (np.floor(created) - np.floor(created[0])).astype(np.intp)
    closings, openings = _changes(created, closed, own, today)
    return {half: _odds(half, own, today, len(numbers), closings, openings) for half in HALF_LIVES}


def _changes(created: Floats, closed: Floats, own: Indices, today: Indices) -> tuple[_Changes, _Changes]:
    """Closings by band; and reports that come into a band open, or leave it."""
    bands, count = len(AGES) - 1, int(today[-1]) + 1
    took = np.where(np.isnan(closed), np.inf, closed - created)
    first = np.floor(created[0])
    closings: list[tuple[Indices, Indices, Floats]] = []
    openings: list[tuple[Indices, Indices, Floats]] = []
    for band in range(bands):
        low, high = float(AGES[band]), float(AGES[band + 1])
        entered = np.flatnonzero(took >= low)
        left = np.minimum(took[entered], high)
        cells = own[entered] * bands + band
        came = (np.floor(created[entered] + low) - first).astype(np.intp)
        went = (np.floor(created[entered] + left) - first).astype(np.intp)
        ended = took[entered] < high
        openings.append((came, cells, np.ones(len(entered))))
        openings.append((went, cells, -np.ones(len(entered))))
        closings.append((went[ended], cells[ended], np.ones(int(ended.sum()))))
    return _joined(closings, count), _joined(openings, count)


def _joined(parts: list[tuple[Indices, Indices, Floats]], count: int) -> _Changes:
    days, cells, amounts = zip(*parts, strict=True)
    return _Changes.of(np.concatenate(days), np.concatenate(cells), np.concatenate(amounts), count)


def _odds(half: float, own: Indices, today: Indices, groups: int, closings: _Changes, openings: _Changes) -> Floats:
    bands = len(AGES) - 1
    fading = 0.5 ** (1.0 / half)
    hits, exposed, still_open = (np.zeros(groups * bands) for _ in range(3))
    odds = np.empty(len(own))
    starts = np.searchsorted(today, np.arange(int(today[-1]) + 2))
    for day in range(int(today[-1]) + 1):
        here = slice(starts[day], starts[day + 1])
        if starts[day] < starts[day + 1]:
            odds[here] = _log_odds(hits.reshape(groups, bands), exposed.reshape(groups, bands), own[here])
        openings.add(day, still_open)
        hits *= fading
        exposed *= fading
        closings.add(day, hits)
        exposed += still_open
    return odds


def _log_odds(hits: Floats, exposed: Floats, own: Indices) -> Floats:
    overall = (hits.sum(axis=0) + SOME_HAZARD * SOME_DAYS) / (exposed.sum(axis=0) + SOME_DAYS)
    hazards = (hits[own] + PRIOR_DAYS * overall) / (exposed[own] + PRIOR_DAYS)
    # 1 - exp(-h) over exp(-h).
    return np.log(np.expm1(hazards @ np.diff(AGES)))
