"""The dates in the documents' calendars against the laws that set them: 5 U.S.C. 6103 and M.G.L. c. 4, § 7."""

from collections.abc import Iterator
from datetime import date, timedelta

from core.rules import RuleBook
from kb.compile import compile_documents

DAY = timedelta(days=1)
MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6
YEARS = (2026, 2027, 2028)


def nth(year: int, month: int, weekday: int, number: int) -> date:
    first = date(year, month, 1)
    return first + DAY * ((weekday - first.weekday()) % 7 + 7 * (number - 1))


def feasts(year: int) -> Iterator[date]:
    for month, day in ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25)):
        yield date(year, month, day)
    for month, number in ((1, 3), (2, 3), (9, 1), (10, 2)):
        yield nth(year, month, MONDAY, number)
    yield nth(year, 6, MONDAY, 1) - DAY * 7
    yield nth(year, 11, THURSDAY, 4)


def stated(rules: RuleBook) -> set[date]:
    return {holiday.day for holiday in rules.calendar.holidays}


def test_the_general_calendar_has_the_federal_holidays_on_the_days_on_which_they_are_kept() -> None:
    rules = compile_documents(on=date(2026, 7, 1))
    moved = {SATURDAY: -DAY, SUNDAY: DAY}
    kept = {day + moved.get(day.weekday(), DAY * 0) for year in (*YEARS, 2029) for day in feasts(year)}
    assert stated(rules) == {day for day in kept if day.year in YEARS}
    assert rules.calendar.until == date(2028, 12, 31)
    assert all(day.weekday() < SATURDAY for day in stated(rules))


def test_massachusetts_keeps_patriots_day_and_moves_no_saturday() -> None:
    rules = compile_documents(on=date(2026, 7, 1)).of("C")
    days = {day for year in YEARS for day in (*feasts(year), nth(year, 4, MONDAY, 3))}
    assert stated(rules) == {day + DAY * (day.weekday() == SUNDAY) for day in days}
    assert rules.sources["calendar"] == "business-calendar-building-c"


def test_each_building_has_its_own_zone_and_an_unknown_one_the_default() -> None:
    rules = compile_documents(on=date(2026, 7, 1))
    zones = {name: rules.zone_of(name, "Europe/Paris") for name in (*rules.buildings, "NEW", None)}
    assert zones == {
        "A": "America/Los_Angeles",
        "B": "America/Los_Angeles",
        "C": "America/New_York",
        "D": "America/Chicago",
        "NEW": "Europe/Paris",
        None: "Europe/Paris",
    }
