"""Finds the amounts of money, durations, times of day, shares and temperatures that a text states."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

HOURS_OF_UNIT = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "week": 168.0}
"""A business day is 24 hours, as the response targets count it. Months and years have no fixed length: left alone."""


class Dimension(StrEnum):
    """What is measured, and in which unit it is compared."""

    MONEY = "US dollars"
    DURATION = "hours"
    TIME_OF_DAY = "hours after midnight"
    SHARE = "of one"
    TEMPERATURE = "degrees Fahrenheit"


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, as a text states it."""

    dimension: Dimension
    value: float
    """In the unit of the dimension, rounded to a millionth."""
    text: str
    start: int
    """Where it begins in the text."""


_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_SPOKEN = "|".join(sorted(_WORDS, key=len, reverse=True))
_AMOUNT = rf"(?<![\w.,:$])(?:{_NUMBER}|{_SPOKEN})"
_SPAN = r"\s*(?:to|or|and|–|-)\s*"
_QUALIFIER = r"(?:(?:more|further|business|working|calendar|full|consecutive)\s+)*"
_MONEY = re.compile(rf"\$\s?(?P<first>{_NUMBER})(?:\s?[–-]\s?(?P<second>{_NUMBER}))?")
_DURATION = re.compile(
    rf"(?P<first>{_AMOUNT})(?:{_SPAN}(?P<second>{_NUMBER}|{_SPOKEN}))?[\s-]?{_QUALIFIER}"
    r"(?P<unit>minute|min|hour|hr|h|day|week)(?:s|['’])*\b(?!\s+a\s+(?:day|week)\b)",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\b(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)\b(?!\s?[AaPp]\.?[Mm])")
_HALF_DAY = re.compile(r"\b(?P<hour>1[0-2]|0?[1-9])(?::(?P<minute>[0-5]\d))?\s?(?P<half>[AaPp])\.?[Mm]\b")
_PERCENT = re.compile(
    rf"(?<![\w.,:$])(?P<first>{_NUMBER})(?:{_SPAN}(?P<second>{_NUMBER}))?\s?(?:%|percent\b|per cent\b)"
)
_FAHRENHEIT = re.compile(rf"(?<![\w.,:$])(?P<first>{_NUMBER})(?:{_SPAN}(?P<second>{_NUMBER}))?\s?°\s?F\b")
_FRACTION = re.compile(r"(?<![\w.,:$§-])(?P<first>0\.\d+)(?![\d.]*\d)")


@lru_cache(maxsize=8192)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Every quantity of the text, in its order; of a range, both ends. Bare numbers are none but for `0.…`."""
    found: list[Quantity] = []
    taken = [False] * len(text)
    for match, dimension, values in _matches(text):
        if not any(taken[match.start() : match.end()]):
            taken[match.start() : match.end()] = [True] * (match.end() - match.start())
            found += [Quantity(dimension, round(value, 6), match[0], match.start()) for value in values]
    return tuple(sorted(found, key=lambda quantity: quantity.start))


def _matches(text: str) -> Iterator[tuple[re.Match[str], Dimension, list[float]]]:
    for match in _MONEY.finditer(text):
        yield match, Dimension.MONEY, _ends(match)
    for match in _DURATION.finditer(text):
        unit = match["unit"].casefold()
        hours = HOURS_OF_UNIT[{"min": "minute", "hr": "hour", "h": "hour"}.get(unit, unit)]
        yield match, Dimension.DURATION, [value * hours for value in _ends(match)]
    for match in _CLOCK.finditer(text):
        yield match, Dimension.TIME_OF_DAY, [int(match["hour"]) + int(match["minute"]) / 60]
    for match in _HALF_DAY.finditer(text):
        afternoon = 12 if match["half"] in "Pp" else 0
        yield match, Dimension.TIME_OF_DAY, [int(match["hour"]) % 12 + afternoon + int(match["minute"] or 0) / 60]
    for match in _PERCENT.finditer(text):
        yield match, Dimension.SHARE, [value / 100 for value in _ends(match)]
    for match in _FAHRENHEIT.finditer(text):
        yield match, Dimension.TEMPERATURE, _ends(match)
    for match in _FRACTION.finditer(text):
        yield match, Dimension.SHARE, [float(match["first"])]


def _ends(match: re.Match[str]) -> list[float]:
    return [number(part) for part in (match["first"], match["second"]) if part]


def number(text: str) -> float:
    """The value of digits, with or without thousands' commas, or of a number word up to twenty."""
    word = text.casefold()
    return float(_WORDS.index(word)) if word in _WORDS else float(text.replace(",", ""))


def numbers(text: str) -> set[float]:
    """Every number of the text that is written in digits."""
    return {float(found.replace(",", "")) for found in re.findall(_NUMBER, text)}
