"""Lists of requests in the SQLite store: range reads of an index, merged and filtered row by row.

A page reads at most `READ_LIMIT` index entries. Where few of them pass the filters it comes out short, with a cursor
that goes on from the last one read, so no list costs more than that, however large the store.
"""

import heapq
import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from adapters.cursor import Position, decode_cursor, encode_cursor
from core.ports.page import Page
from core.ports.store import RequestFilter

READ_LIMIT = 500
MERGE_LIMIT = 16
"""Up to so many buildings are read as one range each; beyond, filtering row by row wastes little."""


@dataclass(frozen=True)
class _Order:
    kind: str
    key: str
    descending: bool
    start: Position
    shape: tuple[type, ...]


@dataclass(frozen=True)
class _Range:
    """The entries of an index that have `value` in `column`; without a column, all."""

    index: str
    column: str | None = None
    value: str | None = None


# An index entry as it is read: row, status, category, urgency, building_id, then the key that it is ordered by.
_Entry = tuple[Any, ...]
_FILTERED = ("status", "category", "urgency")
_KEY_AT = 5

_NEWEST = _Order("newest", "created_at, request_id", True, (2**62, ""), (int, str))
_OF_RESIDENT = _Order("resident", _NEWEST.key, True, _NEWEST.start, _NEWEST.shape)
_ATTENTION = _Order("attention by", "attention_order, attention_by, request_id", False, (-1, 0, ""), (int, int, str))


def filtered(connection: sqlite3.Connection, where: RequestFilter, limit: int, cursor: str | None) -> Page[str]:
    """A page of the documents of requests that `where` lets through. Raises `InvalidCursor`."""
    order = _ATTENTION if where.needs_attention else _NEWEST
    filters = asdict(where) | {"buildings": None if where.buildings is None else sorted(where.buildings)}
    buildings = _buildings(where)
    wanted = {name: str(value) for name in _FILTERED if (value := filters[name]) is not None}

    def passes(entry: _Entry) -> bool:
        columns = dict(zip(_FILTERED, entry[1:], strict=False))
        return (buildings is None or entry[4] in buildings) and wanted.items() <= columns.items()

    ranges = _choose_ranges(connection, order, wanted, buildings)
    return _page(connection, order, filters, ranges, passes, limit, cursor)


def of_resident(connection: sqlite3.Connection, resident_id: str, limit: int, cursor: str | None) -> Page[str]:
    """A page of the documents of a resident's requests, newest first. Raises `InvalidCursor`."""
    ranges = [_Range("by_resident", "resident_id", resident_id)]
    return _page(connection, _OF_RESIDENT, resident_id, ranges, lambda _: True, limit, cursor)


def _buildings(where: RequestFilter) -> frozenset[str] | None:
    if where.building_id is None:
        return where.buildings
    one = frozenset({where.building_id})
    return one if where.buildings is None else one & where.buildings


def _choose_ranges(
    connection: sqlite3.Connection, order: _Order, wanted: Mapping[str, str], buildings: frozenset[str] | None
) -> list[_Range]:
    """The ranges to read, merged, so that little is read in vain."""
    in_buildings: list[_Range] | None = None
    if buildings is not None and len(buildings) <= MERGE_LIMIT:
        index = "attention_by_building" if order is _ATTENTION else "by_building"
        in_buildings = [_Range(index, "building_id", building) for building in sorted(buildings)]
    if order is _ATTENTION:
        return [_Range("attention")] if in_buildings is None else in_buildings
    choices = [in_buildings] if in_buildings is not None else []
    choices += [[_Range(f"by_{name}", name, value)] for name, value in wanted.items()]
    if len(choices) > 1:
        choices.sort(key=lambda ranges: not _is_short(connection, ranges))
    return choices[0] if choices else [_Range("by_age")]


def _is_short(connection: sqlite3.Connection, ranges: Sequence[_Range]) -> bool:
    """Whether one page can read all of it."""
    if len(ranges) > 1:
        return False
    probe = "SELECT 1 FROM requests INDEXED BY {} WHERE {} = ? LIMIT 1 OFFSET ?"
    return all(
        connection.execute(probe.format(each.index, each.column), (each.value, READ_LIMIT)).fetchone() is None
        for each in ranges
    )


def _page(
    connection: sqlite3.Connection,
    order: _Order,
    filters: object,
    ranges: Sequence[_Range],
    passes: Callable[[_Entry], bool],
    limit: int,
    cursor: str | None,
) -> Page[str]:
    after = decode_cursor(cursor, order.kind, filters, order.shape) if cursor is not None else order.start
    with _snapshot(connection), ExitStack() as reading:
        entries = [
            reading.enter_context(closing(connection.execute(*_range_query(order, each, after)))) for each in ranges
        ]
        merged = heapq.merge(*entries, key=lambda entry: entry[_KEY_AT:], reverse=order.descending)
        rows, last = _take(merged, passes, limit)
        items = _documents(connection, rows)
    return Page(items, None if last is None else encode_cursor(order.kind, filters, last))


def _range_query(order: _Order, range_: _Range, after: Position) -> tuple[str, tuple[str | int | None, ...]]:
    key = [name.strip() for name in order.key.split(",")]
    compare, direction = ("<", " DESC") if order.descending else (">", "")
    conditions = [f"({order.key}) {compare} ({', '.join('?' * len(key))})", f"{key[0]} IS NOT NULL"]
    values: tuple[str | int | None, ...] = after
    if range_.column is not None:
        conditions.insert(0, f"{range_.column} = ?")
        values = (range_.value, *after)
    return (
        f"SELECT row, {', '.join(_FILTERED)}, building_id, {order.key} FROM requests INDEXED BY {range_.index}"
        f" WHERE {' AND '.join(conditions)} ORDER BY {', '.join(name + direction for name in key)}"
    ), values


def _take(entries: Iterable[_Entry], passes: Callable[[_Entry], bool], limit: int) -> tuple[list[int], Position | None]:
    """The rows of a page, and where to go on if there may be more."""
    rows: list[int] = []
    last: Position | None = None
    for count, entry in enumerate(entries):
        fits = passes(entry)
        if count == READ_LIMIT or (fits and len(rows) == limit):
            return rows, last
        if fits:
            rows.append(entry[0])
        last = entry[_KEY_AT:]
    return rows, None


def _documents(connection: sqlite3.Connection, rows: Sequence[int]) -> tuple[str, ...]:
    read = "SELECT request FROM requests WHERE row = ?"
    return tuple(connection.execute(read, (row,)).fetchone()[0] for row in rows)


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")
