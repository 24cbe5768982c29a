"""Quiet hours end when they should, also where clocks are changed."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.notices import QuietHours
from deployments.execution.notices.silence import after_quiet, is_quiet, next_time

NEW_YORK = ZoneInfo("America/New_York")
NIGHT = QuietHours(start=time(21), end=time(8))
ZONES = st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)).map(lambda each: each.replace(tzinfo=UTC))
TIMES = st.times().map(lambda each: each.replace(microsecond=0))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-03T20:59:00-05:00", None),
        ("2026-03-03T21:00:00-05:00", "2026-03-04T08:00:00-05:00"),
        ("2026-03-04T07:59:59-05:00", "2026-03-04T08:00:00-05:00"),
        ("2026-03-04T08:00:00-05:00", None),
        # Clocks go forward in this night.
        ("2026-03-07T22:00:00-05:00", "2026-03-08T08:00:00-04:00"),
        ("2026-10-31T22:00:00-04:00", "2026-11-01T08:00:00-05:00"),
    ],
)
def test_the_night_ends_at_eight(moment: str, expected: str | None) -> None:
    at = datetime.fromisoformat(moment)
    assert after_quiet(at, NIGHT, NEW_YORK) == datetime.fromisoformat(expected or moment)


def test_hours_within_a_day_and_hours_of_no_length() -> None:
    siesta = QuietHours(start=time(13), end=time(15))
    at = datetime(2026, 3, 3, 19, tzinfo=UTC)
    assert after_quiet(at, siesta, NEW_YORK) == datetime(2026, 3, 3, 20, tzinfo=UTC)
    assert not is_quiet(at, QuietHours(start=time(14), end=time(14)), NEW_YORK)
    assert after_quiet(at, None, NEW_YORK) == at


@given(MOMENTS, TIMES, TIMES, ZONES)
def test_what_is_allowed_is_never_quiet_nor_more_than_a_day_and_an_hour_later(
    moment: datetime, start: time, end: time, name: str
) -> None:
    quiet, zone = QuietHours(start=start, end=end), ZoneInfo(name)
    allowed = after_quiet(moment, quiet, zone)
    assert not is_quiet(allowed, quiet, zone)
    assert moment <= allowed <= moment + timedelta(hours=25)
    assert is_quiet(moment, quiet, zone) or allowed == moment


@given(MOMENTS, TIMES, ZONES)
def test_the_next_time_comes_within_a_day_and_an_hour(moment: datetime, clock: time, name: str) -> None:
    found = next_time(moment, clock, ZoneInfo(name))
    assert moment < found <= moment + timedelta(hours=25)
