"""Calendars that end, holidays that only the rules state, and buildings without a time zone."""

from datetime import date
from typing import Any

import pytest

from kb.check.calendars import find
from tests.kb.check.shelf import Shelf

JULY_3 = {"day": date(2026, 7, 3), "name": "Independence Day"}
BUILDING = {"building_id": "A", "name": "Building A", "jurisdiction": "US-WA", "homes": 2}


def calendar(until: date = date(2027, 12, 31), *holidays: dict[str, Any]) -> dict[str, Any]:
    return {"calendar": {"working_days": ["Monday", "Friday"], "until": until, "holidays": list(holidays)}}


@pytest.mark.parametrize(
    ("until", "found"),
    [
        (date(2026, 6, 30), [("calendar_ended", "days")]),
        (date(2026, 7, 1), [("calendar_ends", "days")]),
        (date(2026, 9, 28), [("calendar_ends", "days")]),
        (date(2026, 9, 29), []),
    ],
)
def test_a_calendar_must_reach_90_days_ahead(shelf: Shelf, until: date, found: list[tuple[str, str]]) -> None:
    shelf.put("days", rules=calendar(until))
    assert shelf.found(find) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("| Independence Day | Friday, July 3, 2026 |", []),
        ("| Independence Day | Saturday, July 4, 2026 |", [("unsaid_holiday", "days")]),
        ("| Independence Day | |\n| Labor Day | Friday, July 3, 2026 |", [("unsaid_holiday", "days")]),
    ],
)
def test_the_text_states_each_holiday_with_its_day(shelf: Shelf, text: str, found: list[tuple[str, str]]) -> None:
    shelf.put("days", text, rules=calendar(date(2027, 12, 31), JULY_3))
    assert shelf.found(find) == found


def test_each_building_has_a_zone_that_the_text_states(shelf: Shelf) -> None:
    shelf.put("none", rules={"buildings": [BUILDING]})
    shelf.put("unsaid", rules={"buildings": [BUILDING | {"time_zone": "America/Chicago"}]})
    shelf.put("said", "In America/Chicago.", rules={"buildings": [BUILDING | {"time_zone": "America/Chicago"}]})
    assert shelf.found(find) == [("missing_time_zone", "none"), ("unsaid_time_zone", "unsaid")]
