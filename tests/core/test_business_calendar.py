"""Business time: working days of 24 hours, across weekends, holidays and days on which the clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.business_calendar import BusinessCalendar

NEW_YORK = ZoneInfo("America/New_York")
FEDERAL = frozenset({date(2026, 5, 25), date(2026, 7, 3), date(2026, 11, 26), date(2026, 12, 25), date(2027, 1, 1)})
WEEKDAYS = BusinessCalendar(holidays=FEDERAL)

calendars = st.builds(
    BusinessCalendar,
    time_zone=st.sampled_from(["America/New_York", "America/Los_Angeles", "UTC", "Asia/Kolkata", "America/Santiago"]),
    working_days=st.frozensets(st.integers(0, 6), min_size=1),
    holidays=st.frozensets(st.dates(date(2026, 1, 1), date(2027, 12, 31)), max_size=30),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC))
hours = st.floats(0, 400)
A_MILLISECOND_IN_HOURS = 1 / 3_600_000


def new_york(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=NEW_YORK)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "added", "end"),
    [
        (new_york(2026, 3, 6, 12), 24, new_york(2026, 3, 9, 12)),  # Over the weekend in which the clocks change.
        (new_york(2026, 5, 22, 12), 24, new_york(2026, 5, 26, 12)),  # Memorial Day.
        (new_york(2026, 7, 2, 18), 12, new_york(2026, 7, 6, 6)),  # July 3, kept for the 4th, and a weekend.
        (new_york(2026, 11, 25, 9), 48, new_york(2026, 11, 30, 9)),  # Thanksgiving: the Friday counts.
        (new_york(2026, 12, 24, 12), 120, new_york(2027, 1, 4, 12)),  # Christmas and New Year's Day.
        (new_york(2026, 7, 3, 12), 1, new_york(2026, 7, 6, 1)),  # Begun on a holiday.
        (new_york(2026, 7, 3, 12), 0, new_york(2026, 7, 3, 12)),
        (new_york(2026, 7, 2, 0), 24, new_york(2026, 7, 3, 0)),  # A day's end, not the next working day's begin.
    ],
)
def test_hours_run_on_working_days_only(start: datetime, added: float, end: datetime) -> None:
    assert WEEKDAYS.add_hours(start, added) == end
    assert WEEKDAYS.hours_between(start, end) == added


def test_a_day_counts_24_hours_also_where_the_clocks_change() -> None:
    every_day = BusinessCalendar(working_days=frozenset(range(7)))
    for sunday, length in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25)):
        begin = new_york(sunday.year, sunday.month, sunday.day)
        end = (begin.astimezone(UTC) + timedelta(hours=length)).astimezone(UTC)
        assert every_day.hours_between(begin, end) == 24
        assert every_day.add_hours(begin, 24) == end
        assert every_day.hours_between(begin, begin.astimezone(UTC) + timedelta(hours=length / 2)) == pytest.approx(12)


def test_the_repeated_hour_does_not_turn_the_clock_back() -> None:
    every_day = BusinessCalendar(working_days=frozenset(range(7)))
    first = datetime(2026, 11, 1, 5, 59, tzinfo=UTC)
    assert first.astimezone(NEW_YORK).hour == (first + timedelta(minutes=2)).astimezone(NEW_YORK).hour == 1
    assert every_day.hours_between(first, first + timedelta(minutes=2)) > 0


@given(calendars, moments, hours)
def test_adding_and_counting_are_inverse(calendar: BusinessCalendar, start: datetime, added: float) -> None:
    end = calendar.add_hours(start, added)
    assert end >= start
    assert calendar.hours_between(start, end) == pytest.approx(added, abs=A_MILLISECOND_IN_HOURS)


@given(calendars, moments, moments)
def test_counting_and_adding_lead_back_to_the_same_moment_of_a_working_day(
    calendar: BusinessCalendar, start: datetime, end: datetime
) -> None:
    start, end = sorted((start, end))
    back = calendar.add_hours(start, calendar.hours_between(start, end))
    assert back <= end + timedelta(milliseconds=1)
    if calendar.is_working_day(end.astimezone(ZoneInfo(calendar.time_zone)).date()) and back > start:
        # A day's first moment is also the end of the working day before, across whatever lies between.
        assert back >= end - timedelta(milliseconds=1) or calendar.hours_between(back, end) < A_MILLISECOND_IN_HOURS


@given(calendars, moments, st.floats(0, 100), hours, hours)
def test_later_starts_and_more_hours_never_end_earlier(
    calendar: BusinessCalendar, start: datetime, delay: float, added: float, more: float
) -> None:
    end = calendar.add_hours(start, added)
    assert calendar.add_hours(start, added + more) >= end
    assert calendar.add_hours(start + timedelta(hours=delay), added) >= end


@given(calendars, moments, moments, moments)
def test_hours_of_two_spans_in_a_row_add_up(
    calendar: BusinessCalendar, first: datetime, second: datetime, third: datetime
) -> None:
    first, second, third = sorted((first, second, third))
    whole = calendar.hours_between(first, third)
    parts = calendar.hours_between(first, second) + calendar.hours_between(second, third)
    assert parts == pytest.approx(whole, abs=A_MILLISECOND_IN_HOURS)
    assert calendar.hours_between(third, first) == (0 if third > first else pytest.approx(0))


def test_a_calendar_is_the_same_text_in_every_process() -> None:
    days = sorted(date(2026, 1, 1) + timedelta(days=7 * week) for week in range(20))
    calendar = BusinessCalendar(working_days=frozenset({4, 0, 2}), holidays=frozenset(reversed(days)))
    stored = calendar.model_dump(mode="json")
    assert stored["holidays"] == [day.isoformat() for day in days]
    assert stored["working_days"] == [0, 2, 4]
    assert BusinessCalendar.model_validate_json(calendar.model_dump_json()) == calendar


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "America", "../etc/passwd", "/etc/localtime"])
def test_a_zone_must_be_known(name: str) -> None:
    with pytest.raises(ValidationError, match="IANA time zone"):
        BusinessCalendar(time_zone=name)


def test_days_and_hours_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="numbered 0"):
        BusinessCalendar(working_days=frozenset({7}))
    with pytest.raises(ValidationError):
        BusinessCalendar(working_days=frozenset())
    with pytest.raises(ValueError, match="negative"):
        WEEKDAYS.add_hours(new_york(2026, 3, 3), -0.5)


def test_a_calendar_without_working_days_in_reach_is_refused() -> None:
    monday = date(2026, 1, 5)
    mondays = frozenset(monday + timedelta(days=7 * week) for week in range(600))
    with pytest.raises(ValueError, match="too few working days"):
        BusinessCalendar(working_days=frozenset({0}), holidays=mondays).add_hours(new_york(2026, 1, 1), 1)
