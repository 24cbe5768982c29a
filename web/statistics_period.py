"""The period of the statistics: one of a few usual ones, or from one day to another, where the buildings are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.contract import rfc3339
from web.wording import N_

PERIODS: Mapping[str, str] = {
    "week": N_("This week"),
    "month": N_("Last 30 days"),
    "quarter": N_("Last 13 weeks"),
    "custom": N_("From one day to another"),
}
USUAL = "month"
DAILY_UP_TO = timedelta(days=15)
WEEKS = 13


class NoPeriod(Exception):
    """A day is missing, or is none."""


@dataclass(frozen=True)
class ChosenPeriod:
    """What a reader chose, and what it comes to."""

    name: str
    since: datetime
    before: datetime

    @property
    def interval(self) -> str:
        """`day` or `week`: by which the trend is told."""
        return "day" if self.before - self.since <= DAILY_UP_TO else "week"

    def query(self) -> dict[str, str]:
        """For the interface."""
        return {"since": rfc3339(self.since), "before": rfc3339(self.before)}


def choose(name: str, begin: str, end: str, now: datetime, zone: ZoneInfo) -> ChosenPeriod:
    """The period; of `custom` the day `end` is part of it. Raises `NoPeriod`."""
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    if name == "custom":
        first, last = _day(begin), _day(end)
        if not first <= last < date.max:
            raise NoPeriod
        return ChosenPeriod(name, _midnight(first, zone), _midnight(last + timedelta(days=1), zone))
    first = {"week": monday, "quarter": monday - timedelta(weeks=WEEKS - 1)}.get(name, today - timedelta(days=30))
    return ChosenPeriod(name if name in PERIODS else USUAL, _midnight(first, zone), now)


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise NoPeriod from None
    # Before and after, the calendar of a zone has no end of the day.
    if not 1970 <= day.year < 9000:
        raise NoPeriod
    return day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
