"""Looks at calendars and time zones: whether they reach far enough, and whether the text says what the rules do."""

from collections.abc import Iterator
from datetime import date, timedelta

from core.rules import CalendarRules
from kb.check.finding import Finding, error, warning
from kb.check.library import Library
from kb.check.lines import key_line
from kb.reader import Document

NOTICE = timedelta(days=90)
"""So long before a calendar ends somebody must extend it."""


def find(library: Library) -> Iterator[Finding]:
    """Calendars that end soon or have ended, holidays that the text does not state, and buildings without a zone."""
    for document in library.held:
        if (calendar := document.front.rules.calendar) is not None:
            yield from _end(document, calendar, library.day)
            yield from _unsaid_holidays(document, calendar)
    for document in library.general:
        yield from _zones(document)


def _end(document: Document, calendar: CalendarRules, day: date) -> Iterator[Finding]:
    line = key_line(document.source, "rules", "calendar", "until")
    if calendar.until < day:
        message = f"Its calendar ended on {calendar.until}: no later holiday is known, and clocks run on all of them."
        yield error("calendar_ended", document.front.id, message, line)
    elif calendar.until < day + NOTICE:
        message = f"Its calendar ends on {calendar.until}, in {(calendar.until - day).days} days; state the next year."
        yield warning("calendar_ends", document.front.id, message, line)


def _unsaid_holidays(document: Document, calendar: CalendarRules) -> Iterator[Finding]:
    """A holiday is stated by a line of the text that holds its name and its day."""
    lines = [line for section in document.sections for line in section.text.splitlines()]
    for place, holiday in enumerate(calendar.holidays):
        said = f"{holiday.day:%A}, {holiday.day:%B} {holiday.day.day}, {holiday.day.year}"
        if not any(holiday.name in line and said in line for line in lines):
            message = f"No line of the text states {holiday.name} on {said}."
            line = key_line(document.source, "rules", "calendar", "holidays", place)
            yield error("unsaid_holiday", document.front.id, message, line)


def _zones(document: Document) -> Iterator[Finding]:
    text = "\n".join(section.text for section in document.sections)
    for place, building in enumerate(document.front.rules.buildings):
        line = key_line(document.source, "rules", "buildings", place)
        if building.time_zone is None:
            message = f"{building.name} has no time zone."
            yield error("missing_time_zone", document.front.id, message, line)
        elif building.time_zone not in text:
            message = f"The text does not state {building.time_zone}, the time zone of {building.name}."
            yield error("unsaid_time_zone", document.front.id, message, line)
