"""Approval limits: the tier never falls as the cost grows, and no cost is agreed to below its tier."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.estate import Triangle
from core.labels import ApprovalTier
from core.rules import ApprovalLimits, CalendarRules, Holiday, Weekday

amounts = st.floats(min_value=0, max_value=1e6)
limits = st.lists(amounts, min_size=4, max_size=4).map(
    lambda four: ApprovalLimits(
        **dict(zip(("automatic", "supervisor", "manager", "regional"), sorted(four), strict=True))
    )
)


@given(limits, amounts, amounts)
def test_a_dearer_thing_never_needs_a_lower_tier(table: ApprovalLimits, one: float, other: float) -> None:
    cheap, dear = sorted((one, other))
    assert table.tier(cheap).rank <= table.tier(dear).rank


@given(limits)
def test_a_limit_itself_is_still_within(table: ApprovalLimits) -> None:
    assert table.tier(table.automatic) is ApprovalTier.NONE
    assert table.tier(table.regional).rank <= ApprovalTier.REGIONAL.rank
    assert table.tier(table.regional + max(1.0, table.regional * 1e-9)) is ApprovalTier.EXECUTIVE


def test_limits_that_fall_are_refused() -> None:
    with pytest.raises(ValidationError, match="must not fall"):
        ApprovalLimits(automatic=300, supervisor=200, manager=400, regional=500)


def test_a_distribution_out_of_order_is_refused() -> None:
    with pytest.raises(ValidationError, match="ascending"):
        Triangle(low=2, mode=1, high=3)


def test_a_calendar_is_in_order_and_within_its_end() -> None:
    new_year, july = Holiday(day=date(2026, 1, 1), name="New Year's Day"), Holiday(day=date(2026, 7, 3), name="July 4")
    working: tuple[Weekday, ...] = ("Monday", "Sunday")
    rules = CalendarRules(working_days=working, until=date(2026, 12, 31), holidays=(new_year, july))
    calendar = rules.business_calendar("America/Chicago", date(2026, 1, 2))
    assert calendar.working_days == {0, 6}
    assert calendar.holidays == {date(2026, 7, 3)}
    for holidays, until in (((july, new_year), date(2026, 12, 31)), ((july, july), date(2026, 12, 31))):
        with pytest.raises(ValidationError, match="in the order"):
            CalendarRules(working_days=working, until=until, holidays=holidays)
    with pytest.raises(ValidationError, match="last day of the calendar"):
        CalendarRules(working_days=working, until=date(2026, 7, 2), holidays=(july,))
