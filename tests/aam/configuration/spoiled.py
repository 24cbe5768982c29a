"""Documents with one thing changed, for the tests of checkers."""

import copy
from collections.abc import Iterator
from typing import Any, cast

Place = tuple[str | int, ...]


def keys(value: object, place: Place = ()) -> Iterator[Place]:
    """Where every key of every mapping stands, at all levels."""
    if isinstance(value, dict):
        for key, inner in cast(dict[str, object], value).items():
            yield (*place, key)
            yield from keys(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(cast(list[object], value)):
            yield from keys(inner, (*place, number))


def misspelled(document: Any, place: Place) -> Any:
    """A copy in which this key has one letter too many."""
    spoiled = copy.deepcopy(document)
    holder = _holder(spoiled, place)
    holder[f"{place[-1]}x"] = holder.pop(place[-1])
    return spoiled


def changed(document: Any, place: Place, value: object) -> Any:
    """A copy with another value there, or a further key."""
    spoiled = copy.deepcopy(document)
    _holder(spoiled, place)[place[-1]] = value
    return spoiled


def without(document: Any, place: Place) -> Any:
    """A copy without this key."""
    spoiled = copy.deepcopy(document)
    del _holder(spoiled, place)[place[-1]]
    return spoiled


def _holder(document: Any, place: Place) -> Any:
    for key in place[:-1]:
        document = document[key]
    return document
