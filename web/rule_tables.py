"""The checked rules of a document as what people read: facts, tables and lists, with numbers in their units."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Literal, cast

from babel.dates import format_date, format_time

from web.language import Words
from web.rule_wording import rule_words, value_words

WIDEST = 7
"""Columns of a table at most; things with more are shown one by one."""
_NAMES = ("title", "name", "option_id", "path_id", "promise_id", "phase_id", "system_id", "clock_id", "crew", "who")
_SHARES = frozenset(
    {
        "effectiveness",
        "in_stock",
        "warn_at_share",
        "escalation_probability",
        "minimum_confidence",
        "highest_risk_score",
        "least_confidence",
        "weights",
    }
)
_DOLLARS = frozenset({"limits"})
_TRIANGLE = {"low", "mode", "high"}
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

Unit = Literal["dollars", "hours", "minutes", "days", "share", "hour of day", "plain"]


@dataclass(frozen=True)
class Text:
    """One value."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Listed:
    """Several short values."""

    texts: tuple[str, ...]
    kind: Literal["listed"] = "listed"


@dataclass(frozen=True)
class Facts:
    """Names with what holds for each."""

    pairs: tuple[tuple[str, "Block"], ...]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Table:
    """Things of one kind, one in each row; the first cell of a row names it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Things:
    """Things of one kind with too much to each for a table."""

    items: tuple[tuple[str, "Block"], ...]
    kind: Literal["things"] = "things"


Block = Text | Listed | Facts | Table | Things


def lay_out(key: str, value: Any, words: Words) -> Block:
    """What a rule says, as blocks for a page. Empty lists and maps are left out of what holds them."""
    return _Layout(words).block(value, unit_of(key))


def unit_of(key: str) -> Unit | None:
    """What the numbers below a key are; None where its own keys say."""
    if key in _SHARES:
        return "share"
    if key.endswith("_usd") or key in _DOLLARS:
        return "dollars"
    for ending in ("hours", "minutes", "days"):
        if key.endswith(f"_{ending}"):
            return cast(Unit, ending)
    return "hour of day" if key.endswith("_hour") else None


def write_date(day: str, words: Words) -> str:
    """A day of the calendar, which has no zone: `Nov 23, 2026`."""
    return format_date(date.fromisoformat(day), "medium", locale=words.locale)


class _Layout:
    def __init__(self, words: Words) -> None:
        self._words = words

    def block(self, value: Any, unit: Unit | None) -> Block:
        if isinstance(value, Mapping):
            return self._of_map(cast(Mapping[str, Any], value), unit)
        if isinstance(value, list):
            return self._of_list(cast(list[Any], value), unit)
        return Text(self._scalar(value, unit))

    def _of_map(self, value: Mapping[str, Any], unit: Unit | None) -> Block:
        if _is_triangle(value):
            return Text(self._triangle(value, unit))
        rows = {key: cast(Mapping[str, Any], row) for key, row in value.items() if isinstance(row, Mapping)}
        if len(rows) == len(value) > 1 and not any(map(_is_triangle, rows.values())):
            columns = _columns(list(rows.values()))
            if len(columns) < WIDEST and all(_is_flat(row) for row in rows.values()):
                cells = [(self._key(key), *self._cells(row, columns, unit)) for key, row in rows.items()]
                return Table(("", *map(self._key, columns)), tuple(cells))
        return Facts(
            tuple((self._key(k), self.block(each, unit_of(k) or unit)) for k, each in value.items() if _says(each))
        )

    def _of_list(self, value: Sequence[Any], unit: Unit | None) -> Block:
        things = [cast(Mapping[str, Any], each) for each in value if isinstance(each, Mapping)]
        if not things:
            return Listed(tuple(self._scalar(each, unit) for each in value))
        columns = _columns(things)
        if len(columns) <= WIDEST and all(_is_flat(thing) for thing in things):
            return Table(tuple(map(self._key, columns)), tuple(self._cells(thing, columns, unit) for thing in things))
        return Things(tuple((self._name(thing, place), self.block(thing, unit)) for place, thing in enumerate(things)))

    def _cells(self, row: Mapping[str, Any], columns: Sequence[str], unit: Unit | None) -> tuple[str, ...]:
        return tuple(self._cell(row.get(column), unit_of(column) or unit) for column in columns)

    def _cell(self, value: Any, unit: Unit | None) -> str:
        if isinstance(value, Mapping):
            return self._triangle(cast(Mapping[str, Any], value), unit)
        if isinstance(value, list):
            return ", ".join(self._scalar(each, unit) for each in cast(list[Any], value)) or "–"
        return self._scalar(value, unit)

    def _triangle(self, value: Mapping[str, Any], unit: Unit | None) -> str:
        low, mode, high = (self._scalar(value[name], unit) for name in ("low", "mode", "high"))
        if low == high:
            return low
        return self._words.gettext("%(low)s to %(high)s, usually %(mode)s") % {"low": low, "mode": mode, "high": high}

    def _scalar(self, value: Any, unit: Unit | None) -> str:
        if value is None:
            return "–"
        if isinstance(value, bool):
            return self._words.gettext("Yes") if value else self._words.gettext("No")
        if isinstance(value, int | float):
            return self._number(value, unit)
        return self._string(str(value))

    def _number(self, value: float, unit: Unit | None) -> str:
        words = self._words
        match unit:
            case "dollars":
                return words.money(value)
            case "share":
                return words.percent(value)
            case "hours":
                return self._hours(value)
            case "minutes":
                return self._counted(words.ngettext("%(count)s minute", "%(count)s minutes", round(value)), value)
            case "days":
                return self._counted(words.ngettext("%(count)s day", "%(count)s days", round(value)), value)
            case "hour of day":
                return self._clock(time(int(value) % 24, round(value % 1 * 60)))
            case _:
                return words.number(value)

    def _hours(self, value: float) -> str:
        hours = self._counted(self._words.ngettext("%(count)s hour", "%(count)s hours", 1 if value == 1 else 2), value)
        days, rest = divmod(value, 24)
        if rest or days < 2:
            return hours
        text = self._words.gettext("%(hours)s (%(days)s days)")
        return text % {"hours": hours, "days": self._words.number(days)}

    def _counted(self, text: str, value: float) -> str:
        return text % {"count": self._words.number(value)}

    def _clock(self, at: time) -> str:
        return format_time(at, "short", locale=self._words.locale)

    def _string(self, value: str) -> str:
        if _TIME.fullmatch(value):
            return self._clock(time.fromisoformat(value))
        if _DATE.fullmatch(value):
            return write_date(value, self._words)
        return self._words.gettext(value_words(value))

    def _key(self, key: str) -> str:
        return self._words.gettext(rule_words(key))

    def _name(self, thing: Mapping[str, Any], place: int) -> str:
        named = next((str(thing[name]) for name in _NAMES if name in thing), str(place + 1))
        return self._words.gettext(rule_words(named))


def _columns(things: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every key that says something of at least one thing, in the order in which they come."""
    return list(dict.fromkeys(key for thing in things for key, value in thing.items() if _says(value)))


def _says(value: Any) -> bool:
    return value not in ([], {}, None)


def _is_flat(thing: Mapping[str, Any]) -> bool:
    return all(_is_short(value) for value in thing.values())


def _is_triangle(value: Mapping[str, Any]) -> bool:
    return set(value) == _TRIANGLE


def _is_short(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _is_triangle(cast(Mapping[str, Any], value))
    if isinstance(value, list):
        return all(not isinstance(each, Mapping | list) for each in cast(list[Any], value))
    return True
