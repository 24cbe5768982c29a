"""Weeks of the calendar, by their ISO 8601 names."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_NAME = re.compile(r"(\d{4})-W(\d{2})")
FIRST_YEAR, LAST_YEAR = 1970, 2200
"""Beyond these nobody plans a visit."""


@dataclass(frozen=True)
class Week:
    """Seven days from a Monday."""

    monday: date

    @property
    def name(self) -> str:
        """Such as `2026-W48`."""
        year, week, _ = self.monday.isocalendar()
        return f"{year}-W{week:02d}"

    @property
    def days(self) -> tuple[date, ...]:
        """Monday to Sunday."""
        return tuple(self.monday + timedelta(days=offset) for offset in range(7))

    @property
    def before(self) -> "Week":
        """The week before."""
        return Week(self.monday - timedelta(weeks=1))

    @property
    def after(self) -> "Week":
        """The week after."""
        return Week(self.monday + timedelta(weeks=1))

    def span(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From its first midnight to its last: an hour less or more than 168 where the clocks change."""
        return _midnight(self.monday, zone), _midnight(self.after.monday, zone)


def week_of(day: date) -> Week:
    """The week that the day lies in."""
    return Week(day - timedelta(days=day.weekday()))


def parse_week(name: str) -> Week | None:
    """The week with this name, or the one that holds this day (`2026-11-23`); None for neither."""
    found = _NAME.fullmatch(name)
    try:
        day = date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else date.fromisoformat(name)
    except ValueError:
        return None
    return week_of(day) if FIRST_YEAR < day.year < LAST_YEAR else None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
