"""The duty clock: hours on duty add up, and work begins and ends only on duty."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ArtefactRefused
from core.estate import Triangle
from core.labels import Crew
from core.rules import CrewRules, EntryRules
from deployments.decision_simulation.duty import ALWAYS, DutyClock, duty_clock, week_hour

OFFICE_HOURS = DutyClock(tuple((day * 24.0 + 9, day * 24.0 + 17) for day in range(5)))


def crew(**changes: object) -> CrewRules:
    flat = Triangle(low=0, mode=0, high=0)
    fields: dict[str, object] = {
        "crew": Crew.PLUMBING,
        "technicians": 1,
        "shift_start_hour": 6,
        "shift_end_hour": 23,
        "weekdays_only": False,
        "on_call_outside_shift": True,
        "travel_hours": flat,
        "jobs_per_week": {},
        "job_hours": flat,
    }
    return CrewRules.model_validate(fields | changes)


ENTRY = EntryRules(
    notice_hours=24, quiet_start=time(22), quiet_end=time(7), weekend_start=time(9), weekend_end=time(19)
)


@given(st.floats(0.0, 400.0))
def test_work_that_begins_and_ends_on_duty_takes_its_duty_hours(worked: float) -> None:
    begin = OFFICE_HOURS.begin_after(np.array([worked]))
    end = OFFICE_HOURS.end_after(np.array([worked]))
    assert OFFICE_HOURS.on_duty(float(begin[0]) + 1e-6)
    assert OFFICE_HOURS.worked(begin)[0] == pytest.approx(worked, abs=1e-6)
    assert OFFICE_HOURS.worked(end)[0] == pytest.approx(worked, abs=1e-6)
    assert end[0] <= begin[0]


def test_work_at_the_end_of_a_shift_begins_in_the_next_and_ends_in_this() -> None:
    assert OFFICE_HOURS.begin_after(np.array([8.0, 40.0])).tolist() == [33.0, 177.0]
    assert OFFICE_HOURS.end_after(np.array([8.0, 40.0])).tolist() == [17.0, 113.0]


def test_a_friday_evening_waits_for_monday() -> None:
    friday_18h = np.array([4 * 24 + 18.0])
    assert OFFICE_HOURS.begin_after(OFFICE_HOURS.worked(friday_18h))[0] == 168.0 + 9.0


def test_around_the_clock_is_plain_time() -> None:
    hours = np.array([0.0, 5.5, 1000.25])
    assert np.array_equal(ALWAYS.end_after(ALWAYS.worked(hours) + 2.0), hours + 2.0)


def test_trades_keep_quiet_time_and_weekend_hours() -> None:
    clock = duty_clock(crew(), ENTRY)
    assert clock.intervals[0] == (7.0, 22.0)
    assert clock.intervals[5] == (5 * 24 + 9.0, 5 * 24 + 19.0)


def test_security_does_not_enter_homes_to_work_and_keeps_its_shift() -> None:
    assert duty_clock(crew(crew=Crew.SECURITY, shift_start_hour=0, shift_end_hour=24), ENTRY).always


def test_a_shift_over_midnight_is_split() -> None:
    clock = duty_clock(crew(crew=Crew.SECURITY, shift_start_hour=20, shift_end_hour=6), ENTRY)
    assert clock.on_duty(23.0)
    assert clock.on_duty(29.0)
    assert not clock.on_duty(12.0)
    assert clock.weekly_hours == pytest.approx(70.0)


def test_a_crew_without_any_permitted_hour_is_refused() -> None:
    with pytest.raises(ArtefactRefused, match="no hour"):
        duty_clock(crew(shift_start_hour=22, shift_end_hour=24), ENTRY)


def test_the_week_starts_on_monday_in_local_time() -> None:
    sunday_23h_utc = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert week_hour(sunday_23h_utc, ZoneInfo("UTC")) == 6 * 24 + 23.5
    assert week_hour(sunday_23h_utc, ZoneInfo("Asia/Tokyo")) == 8.5


@given(st.floats(0.0, 700.0), st.floats(0.0, 700.0))
def test_hours_are_of_one_shift_if_nothing_begins_or_ends_between_them(first: float, second: float) -> None:
    early, late = sorted((first, second))
    changes = [hour + week * 168.0 for week in range(5) for one in OFFICE_HOURS.intervals for hour in one]
    between = sum(early < change <= late for change in changes)
    assert OFFICE_HOURS.shift(late) - OFFICE_HOURS.shift(early) == between


def test_a_shift_over_midnight_on_sunday_is_one_shift() -> None:
    clock = duty_clock(crew(crew=Crew.SECURITY, shift_start_hour=20, shift_end_hour=6), ENTRY)
    assert clock.shift(167.0) == clock.shift(168.0 + 5.0) == clock.shift(21.0 + 144.0)
    assert clock.shift(168.0 + 7.0) != clock.shift(167.0)
    assert ALWAYS.shift(3.0) == ALWAYS.shift(500.0)
