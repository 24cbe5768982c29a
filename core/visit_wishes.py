"""Reads what residents write about days and times that suit them, in English or Spanish.

What is understood: names of days, ranges of them, weekdays, weekends and ISO dates; parts of the day, times, and
ranges of times. Everything else says nothing, and what follows a `not` or `except` is never taken for a wish.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

MINUTES_OF_DAY = 24 * 60
WEEKDAYS = frozenset(range(5))
WEEKEND = frozenset({5, 6})

Slot = tuple[int, int]
"""Minutes since local midnight, from the first up to but not including the second."""

_DAY_NAMES = (
    "monday mondays mon lunes",
    "tuesday tuesdays tue tues martes",
    "wednesday wednesdays wed miercoles",
    "thursday thursdays thu thur thurs jueves",
    "friday fridays fri viernes",
    "saturday saturdays sat sabado sabados",
    "sunday sundays sun domingo domingos",
)
_DAYS = {name: number for number, names in enumerate(_DAY_NAMES) for name in names.split()}
_DAY = r"\b(" + "|".join(sorted(_DAYS, key=len, reverse=True)) + r")\b"
_DAY_RANGE = re.compile(_DAY + r"\s*(?:-|to|through|thru|until|al?|hasta)\s*(?:el\s+)?" + _DAY)
_DAY_WORD = re.compile(_DAY)
_WEEKDAYS = re.compile(
    r"\b(?:week ?days?|work ?days?|(?:work|business|working) days?|entre semana|laborables?|habiles)\b"
)
_WEEKEND = re.compile(r"\b(?:week ?ends?|fin(?:es)? de semana)\b")
_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_NEGATION = re.compile(r"\b(?:not|no|never|except|excepto|but|nunca|menos|salvo|don'?t|can'?t)\b")

_PARTS: tuple[tuple[re.Pattern[str], Slot], ...] = tuple(
    (re.compile(pattern), (start * 60, end * 60))
    for pattern, start, end in (
        (r"\b(?:early|temprano)\b", 7, 10),
        (r"\b(?:mornings?|mananas?)\b|^am$", 8, 12),
        (r"\b(?:midday|noon|lunch ?time|medio ?dia)\b", 11, 14),
        (r"\b(?:afternoons?|tardes?)\b|^pm$", 12, 18),
        (r"\b(?:evenings?|nights?|noches?)\b", 18, 22),
    )
)
_TIME = r"(?:a\s+)?(?:las?\s+)?(\d{1,2})(?::(\d{2}))?\s*(am|pm|h)?\b"
_TIME_RANGE = re.compile(r"\b" + _TIME + r"\s*(?:-|to|until|till|hasta|and|a|y)\s*" + _TIME)
_AFTER = re.compile(r"\b(?:after|from|since|past|despues de|desde|a partir de)\s+" + _TIME)
_BEFORE = re.compile(r"\b(?:before|until|till|by|antes de|hasta)\s+" + _TIME)
_AT = re.compile(r"\b(\d{1,2})(?::(\d{2}))\s*(am|pm|h)?\b|\b(\d{1,2})\s*(am|pm)\b")
_FIRST_PLAIN_HOUR = 7
"""A bare hour below it is meant in the afternoon: nobody asks for a visit at five in the morning."""


@dataclass(frozen=True)
class DayWish:
    """Days by their weekday (0 for Monday) or by their date."""

    weekdays: frozenset[int] = frozenset()
    dates: frozenset[date] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.weekdays or self.dates)

    def includes(self, day: date) -> bool:
        """Whether the day is one of them."""
        return day.weekday() in self.weekdays or day in self.dates


def read_preferred_days(texts: Iterable[str]) -> DayWish:
    """The days that are wished for."""
    return _read_days(_NEGATION.split(_plain(text), maxsplit=1)[0] for text in texts)


def read_avoided_days(texts: Iterable[str]) -> DayWish:
    """The days that don't suit; a `not` at the beginning says no more than the list's name."""
    return _read_days(_NEGATION.split(_without_negation(_plain(text)), maxsplit=1)[0] for text in texts)


def read_slots(texts: Iterable[str]) -> tuple[Slot, ...]:
    """The times of day that are wished for; one with an end that is its start is a time to begin at."""
    return tuple(slot for text in texts for slot in _slots(_NEGATION.split(_plain(text), maxsplit=1)[0].strip()))


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.lower())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    plain = re.sub(r"[\u2010-\u2015]", "-", plain).replace("\u2019", "'")
    plain = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", plain)
    plain = re.sub(r"(?<=\d) (?:de|en) la manana\b", "am", plain)
    return re.sub(r"(?<=\d) (?:de|en) la (?:tarde|noche)\b", "pm", plain)


def _without_negation(text: str) -> str:
    found = _NEGATION.match(text.lstrip())
    return text.lstrip()[found.end() :] if found else text


def _read_days(texts: Iterable[str]) -> DayWish:
    weekdays: set[int] = set()
    dates: set[date] = set()
    for text in texts:
        for first, last in _DAY_RANGE.findall(text):
            length = (_DAYS[last] - _DAYS[first]) % 7
            weekdays |= {(_DAYS[first] + step) % 7 for step in range(length + 1)}
        weekdays |= {_DAYS[name] for name in _DAY_WORD.findall(text)}
        weekdays |= WEEKDAYS if _WEEKDAYS.search(text) else frozenset()
        weekdays |= WEEKEND if _WEEKEND.search(text) else frozenset()
        dates |= {day for found in _DATE.findall(text) if (day := _date(*map(int, found))) is not None}
    return DayWish(frozenset(weekdays), frozenset(dates))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _slots(text: str) -> list[Slot]:
    times = _DATE.sub(" ", text)
    noon = re.sub(r"\b(?:after|despues del?)\s+(?:noon|midday|medio ?dia)\b", "after 12:00", times)
    times = re.sub(r"\b(?:before|antes del?)\s+(?:noon|midday|medio ?dia)\b", "before 12:00", noon)
    if ranges := [_range(found.groups()) for found in _TIME_RANGE.finditer(times)]:
        return [slot for slot in ranges if slot is not None]
    if found := _AFTER.search(times):
        start = _minute(*found.groups())
        return [] if start is None else [(start, MINUTES_OF_DAY)]
    if found := _BEFORE.search(times):
        end = _minute(*found.groups())
        return [] if not end else [(0, end)]
    if moments := [_minute(f[1] or f[4], f[2], f[3] or f[5]) for f in _AT.finditer(times)]:
        return [(moment, moment) for moment in moments if moment is not None]
    return [slot for pattern, slot in _PARTS if pattern.search(times)][:2]


def _range(found: tuple[str | None, ...]) -> Slot | None:
    hour, minute, mark, last_hour, last_minute, last_mark = found
    end = _minute(last_hour, last_minute, last_mark)
    start = _minute(hour, minute, mark)
    if start is None or end is None:
        return None
    if mark is None and last_mark in ("am", "pm"):
        # "2 to 4 pm" begins in the afternoon, "9 to 12 pm" does not.
        shared = _minute(hour, minute, last_mark)
        plain = int(hour or 0) * 60 + int(minute or 0)
        start = shared if shared is not None and shared < end else plain
    if last_mark is None and end <= start and end < MINUTES_OF_DAY // 2:
        end += MINUTES_OF_DAY // 2
    return (start, end) if start < end else (start, MINUTES_OF_DAY)


def _minute(hour_text: str | None, minute_text: str | None, mark: str | None) -> int | None:
    hour, minute = int(hour_text or 0), int(minute_text or 0)
    if hour > 24 or minute > 59 or (mark in ("am", "pm") and not 1 <= hour <= 12):
        return None
    if mark in ("am", "pm"):
        hour = hour % 12 + (12 if mark == "pm" else 0)
    elif minute_text is None and mark is None and 0 < hour < _FIRST_PLAIN_HOUR:
        hour += 12
    total = hour * 60 + minute
    return total if total <= MINUTES_OF_DAY else None
