"""Business time: hours of working days, with the clock standing still on weekends and holidays."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PlainSerializer, field_validator

from core.contract import Contract

DAY = timedelta(hours=24)
SEARCH_DAYS = 3660
"""A calendar without a working day in ten years is refused rather than searched for ever."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    # A folder of the zones' database is an OSError, a path that leaves it a ValueError.
    except (KeyError, OSError, ValueError):
        raise ValueError("is not an IANA time zone such as America/New_York") from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""IANA name of a time zone."""


class BusinessCalendar(Contract):
    """The working days of one place; each counts 24 business hours, also where the clocks change."""

    time_zone: TimeZone = "America/New_York"
    """Where a day begins and ends."""
    working_days: Annotated[frozenset[int], PlainSerializer(sorted, when_used="json")] = Field(
        default=frozenset({0, 1, 2, 3, 4}), min_length=1
    )
    """0 for Monday up to 6 for Sunday."""
    holidays: Annotated[frozenset[date], PlainSerializer(sorted, list[date], when_used="json")] = frozenset()
    """Days that don't count although their weekday would."""

    @field_validator("working_days")
    @classmethod
    def _days_of_a_week(cls, days: frozenset[int]) -> frozenset[int]:
        if not days <= set(range(7)):
            raise ValueError("working days are numbered 0 (Monday) to 6 (Sunday)")
        return days

    def is_working_day(self, day: date) -> bool:
        """Whether the clock runs on this day."""
        return day.weekday() in self.working_days and day not in self.holidays

    def add_hours(self, start: datetime, hours: float) -> datetime:
        """The first moment, in UTC, at which `hours` business hours have passed since `start`.

        Never earlier for more hours, nor for a later start. Raises `ValueError` for negative hours.
        """
        left = timedelta(hours=hours)
        if left < timedelta():
            raise ValueError("business hours can't be negative")
        if not left:
            return start.astimezone(UTC)
        day, passed = self._place(start)
        for _ in range(SEARCH_DAYS):
            if self.is_working_day(day):
                if passed + left <= DAY:
                    return self._moment(day, passed + left)
                left -= DAY - passed
            day, passed = day + timedelta(days=1), timedelta()
        raise ValueError("the calendar has too few working days")

    def hours_between(self, start: datetime, end: datetime) -> float:
        """Business hours from `start` to `end`; 0 where `end` is not later."""
        (day, passed), (last_day, last_passed) = self._place(start), self._place(end)
        total = timedelta()
        while (day, passed) < (last_day, last_passed):
            until = last_passed if day == last_day else DAY
            if self.is_working_day(day):
                total += until - passed
            day, passed = day + timedelta(days=1), timedelta()
        return total / timedelta(hours=1)

    def _place(self, moment: datetime) -> tuple[date, timedelta]:
        """The local day and how much of its 24 hours has passed; a day of 23 or 25 hours runs faster or slower."""
        day = moment.astimezone(ZoneInfo(self.time_zone)).date()
        begin, length = self._day(day)
        return day, (moment - begin) * (DAY / length)

    def _moment(self, day: date, passed: timedelta) -> datetime:
        begin, length = self._day(day)
        return begin + passed * (length / DAY)

    def _day(self, day: date) -> tuple[datetime, timedelta]:
        """When a local day begins, in UTC, and how long it is."""
        zone = ZoneInfo(self.time_zone)
        begin, end = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + timedelta(days=1)))
        return begin, end - begin
