"""Lists the figures that a document's rules state, each with its place, its unit and what it is about."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from core.rules import SINGLE_KEYS
from kb.quantities import HOURS_OF_UNIT, Dimension
from kb.reader import Document

SAID_ITEMS = {
    "crews": ("crew", ("technicians", "shift_start_hour", "shift_end_hour")),
    "vendors": ("vendor_id", ("call_out_usd",)),
    "parts": ("part_id", ("cost_usd",)),
    "buildings": ("building_id", ("homes",)),
    "jurisdictions": ("code", ("clocks",)),
    "escalation_paths": ("path_id", ("steps",)),
}
"""Of each list: the field that names an item, and the fields whose figures the text has to state too. What only the
simulation needs (travel, jobs a week) is not prose."""
_SAID_OF_OPTION = ("cost_usd", "work_hours", "lead_hours")
_TIME = re.compile(r"(\d\d):(\d\d)(?::\d\d)?")
_UNIT = re.compile(r"(?:^|_)(usd|minutes?|hours?|days?|weeks?|percent|share|f)$")
_MONEY_BY_NAME = frozenset({"limits"})
_ALL_ZERO = {"low": 0.0, "mode": 0.0, "high": 0.0}


@dataclass(frozen=True)
class Figure:
    """One number of a document's rules."""

    place: tuple[str, ...]
    """From the key down to the number."""
    stated: float
    """As the rules state it, in their unit; of a time of day, in hours."""
    dimension: Dimension | None
    """None where the name tells no unit."""
    value: float
    """In the unit of the dimension."""
    topics: frozenset[str]
    """What it is about, in lower case: the urgency, category, crew, part … named below the key."""

    @property
    def name(self) -> str:
        """The place, dotted."""
        return ".".join(self.place)


def rule_figures(document: Document) -> list[Figure]:
    """The figures of the single keys and of the lists but for the options."""
    rules = document.front.rules.model_dump(mode="json", include={*SINGLE_KEYS, *SAID_ITEMS})
    found = [figure for key in SINGLE_KEYS for figure in _figures((key,), rules[key], frozenset())]
    for key, (name, fields) in SAID_ITEMS.items():
        for item in rules[key]:
            topics = frozenset(topic_words(str(item[field])) for field in {name, "name"} & set(item))
            for field in fields:
                found += _figures((key, str(item[name]), field), item[field], topics)
    return found


def option_figures(document: Document) -> dict[str, list[Figure]]:
    """The figures of the options by the heading of the section that describes them; an absent cost or wait is none."""
    found: dict[str, list[Figure]] = {}
    for option in document.front.rules.options:
        figures = found.setdefault(option.section, [])
        for field in _SAID_OF_OPTION:
            triangle = getattr(option, field).model_dump()
            if triangle != _ALL_ZERO:
                figures += _figures(("options", option.option_id, field), triangle, frozenset())
    return found


def listed_figures(document: Document) -> list[Figure]:
    """The numbers and times of day of the document's `figures`; other words are left out."""
    stated = document.front.rules.figures.items()
    return [each for name, value in stated for each in _figures(tuple(name.split(".")), value, frozenset())]


def _figures(place: tuple[str, ...], stated: Any, topics: frozenset[str]) -> Iterator[Figure]:
    if isinstance(stated, dict):
        for key, part in cast(dict[str, Any], stated).items():
            yield from _figures((*place, key), part, topics)
    elif isinstance(stated, list):
        for index, part in enumerate(cast(list[Any], stated)):
            named = cast(dict[str, Any], part) if isinstance(part, dict) else {}
            yield from _figures((*place, str(named.get("clock_id", index))), part, topics)
    elif isinstance(stated, str) and (match := _TIME.fullmatch(stated)):
        hours = int(match[1]) + int(match[2]) / 60
        yield Figure(place, hours, Dimension.TIME_OF_DAY, round(hours, 6), topics)
    elif isinstance(stated, int | float) and not isinstance(stated, bool):
        dimension, factor = _dimension(place, float(stated))
        named = (segment for segment in place[1:] if not segment.isdigit() and segment not in _ALL_ZERO)
        about = topics | frozenset(map(topic_words, named))
        yield Figure(place, float(stated), dimension, round(stated * factor, 6), about)


def _dimension(place: Iterable[str], stated: float) -> tuple[Dimension | None, float]:
    """By the nearest name that ends with a unit."""
    for segment in reversed(tuple(place)):
        if segment in _MONEY_BY_NAME:
            return Dimension.MONEY, 1.0
        if match := _UNIT.search(segment):
            unit = match[1]
            if unit == "usd":
                return Dimension.MONEY, 1.0
            if unit == "f":
                return Dimension.TEMPERATURE, 1.0
            if unit in ("percent", "share"):
                return Dimension.SHARE, 0.01 if unit == "percent" else 1.0
            if unit == "hour":
                return None, 1.0
            return Dimension.DURATION, HOURS_OF_UNIT[unit.removesuffix("s")]
    return (Dimension.SHARE, 1.0) if 0 < stated < 1 else (None, 1.0)


def topic_words(name: str) -> str:
    """The name in lower case, with spaces for underscores and hyphens."""
    return re.sub(r"[_-]+", " ", name).casefold()
