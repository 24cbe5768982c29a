"""What may become of a report, as 0, 1 or unknown: what the export does not settle is never taken for a no."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.operator.features import Floats, Timeline, days
from models.operator.history import History

HOURS_PER_DAY = 24.0
ESCALATION_DAYS = 90.0
"""A complaint that has not come by then no longer will."""


@dataclass(frozen=True)
class Target:
    """One thing to predict, for every report of a history."""

    name: str
    means: str
    outcomes: Floats
    """0, 1, or NaN where the export can't tell."""
    known_after: Floats
    """Days after its creation by which a report's outcome is settled whichever way it goes."""
    counted: Floats
    """What a rate "as known then" counts: outcomes before anybody could know which of them would remain unknown."""
    undecided: int = 0
    """Reports whose outcome is unknown for their status alone."""

    @property
    def known(self) -> int:
        """How many reports have an outcome."""
        return int((~np.isnan(self.outcomes)).sum())

    def lacks(self, least: int) -> str | None:
        """Why nothing can be learned from it; None where it can. `least` is the number needed of each outcome."""
        if not self.known:
            return "the export has nothing that tells"
        ones = int(np.nansum(self.outcomes))
        if min(ones, self.known - ones) < least:
            return (
                f"of {self.known} reports with a known outcome it happened to {ones}; {least} of each kind are needed"
            )
        return None


def closed_within(history: History, timeline: Timeline, within: float) -> Target:
    """Closed at most `within` days after its creation.

    Unknown where the window ends after the export, even if it was closed: to keep only the closed ones of the last
    days would make closing look likelier than it is. Unknown, too, where nobody knows when or whether it was closed.
    """
    took = timeline.closed - timeline.created
    counted = (took <= within).astype(np.float64)
    counted[timeline.created + within > _end(history.header.closures_until)] = math.nan
    outcomes, undecided = _without_undecided(counted, timeline)
    return Target(
        name=f"closed_within_{within:.0f}d",
        means=f"closed within {within:.0f} days",
        outcomes=outcomes,
        known_after=np.full(len(outcomes), within),
        counted=counted,
        undecided=undecided,
    )


def recurs_within(history: History, timeline: Timeline, within: float) -> Target:
    """Another report of the same matter at the same place at most `within` days later."""
    outcomes = np.zeros(len(history.reports))
    upcoming: dict[tuple[str, str], float] = {}
    for index in range(len(history.reports) - 1, -1, -1):
        report, now = history.reports[index], float(timeline.created[index])
        if report.place is None:
            outcomes[index] = math.nan
            continue
        key = report.place, report.matter
        outcomes[index] = float(upcoming.get(key, math.inf) - now <= within)
        upcoming[key] = now
    outcomes[timeline.created + within > _end(history.header.reports_until)] = math.nan
    return Target(
        name=f"recurs_within_{within:.0f}d",
        means=f"another report of the same matter at the same place within {within:.0f} days",
        outcomes=outcomes,
        known_after=np.full(len(outcomes), within),
        counted=outcomes,
    )


def breaches_target(history: History, timeline: Timeline) -> Target:
    """Not closed by its promised time."""
    promised = np.array([each.target_hours if each.target_hours else math.nan for each in history.reports])
    promised /= HOURS_PER_DAY
    took = timeline.closed - timeline.created
    counted = (~(took <= promised)).astype(np.float64)
    counted[np.isnan(promised) | (timeline.created + promised > _end(history.header.closures_until))] = math.nan
    outcomes, undecided = _without_undecided(counted, timeline)
    return Target(
        name="breaches_target",
        means="not closed by its promised time",
        outcomes=outcomes,
        known_after=promised,
        counted=counted,
        undecided=undecided,
    )


def is_escalated(history: History, timeline: Timeline) -> Target:
    """Somebody complained or asked for a person. Settled 90 days after the creation."""
    stated = [each.escalated for each in history.reports]
    outcomes = np.array([math.nan if each is None else float(each) for each in stated])
    outcomes[timeline.created + ESCALATION_DAYS > _end(history.header.closures_until)] = math.nan
    return Target(
        name="is_escalated",
        means="escalated",
        outcomes=outcomes,
        known_after=np.full(len(outcomes), ESCALATION_DAYS),
        counted=outcomes,
    )


def _without_undecided(counted: Floats, timeline: Timeline) -> tuple[Floats, int]:
    """Outcomes without those that nobody recorded, and how many of these are undecided by their status."""
    undecided = timeline.undecided & ~np.isnan(counted)
    return np.where(timeline.end_unknown, math.nan, counted), int(undecided.sum())


def _end(moment: datetime) -> float:
    return days(moment.timestamp())
