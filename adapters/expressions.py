"""What a mapping says: JMESPath expressions, paths with expressions in them, and bodies made of them.

They come from the configuration, so each is read once, at the start, and one that can't be read is refused there.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

import jmespath
from jmespath.exceptions import JMESPathError

from core.errors import ArtefactRefused, Invalid

DEEPEST = 32
"""Levels of a JSON document of others."""
LONGEST_ID = 200
_GAP = re.compile(r"\{([^{}]+)\}")


class Expression:
    """One JMESPath expression."""

    def __init__(self, text: str, where: str) -> None:
        """`where` names it in errors. Raises `ArtefactRefused`."""
        self._text = text
        try:
            self._compiled: Any = cast(Any, jmespath).compile(text)
        except JMESPathError as problem:
            raise ArtefactRefused(f"{where}: {text!r} is no JMESPath expression: {_first_line(problem)}") from None

    def value(self, data: Any) -> Any:
        """Null where there is nothing. Raises `Invalid` where the data does not suit its functions."""
        try:
            return self._compiled.search(data)
        except (JMESPathError, ValueError, TypeError) as problem:
            raise Invalid(f"The expression {self._text!r} does not fit what it was given.") from problem

    def identifier(self, data: Any) -> str | None:
        """A text or whole number that names something, as text; None for anything else, and where it does not fit."""
        try:
            return as_identifier(self.value(data))
        except Invalid:
            return None

    def has_ground(self, document: Any) -> bool:
        """Whether the document has the member, or is the list, that the expression begins with.

        What an expression finds nothing in may be an empty answer, or no answer to the question at all.
        """
        node = self._compiled.parsed
        while node["children"] and node["type"] != "field":
            node = node["children"][0]
        if node["type"] == "field":
            return isinstance(document, dict) and node["value"] in document
        return isinstance(document, list)


class PathTemplate:
    """A path with `{expression}` in it; each value is percent-encoded, so that it stays one segment or parameter."""

    def __init__(self, text: str, where: str) -> None:
        """Raises `ArtefactRefused`."""
        pieces = _GAP.split(text)
        if any(brace in piece for piece in pieces[::2] for brace in "{}"):
            raise ArtefactRefused(f"{where}: {text!r} has a brace without its other one.")
        self._fixed = pieces[::2]
        self._gaps = [Expression(piece, where) for piece in pieces[1::2]]

    def fill(self, data: Any) -> str:
        """Raises `Invalid` where a gap has no text or whole number to fill it, or one that would climb the path."""
        filled = self._fixed[0]
        for gap, fixed in zip(self._gaps, self._fixed[1:], strict=True):
            value = gap.identifier(data)
            if value is None or value in (".", ".."):
                raise Invalid("The action lacks what the system's path needs.")
            filled += quote(value, safe="") + fixed
        return filled


class BodyTemplate:
    """A JSON object, given as dotted names with the expression for each value."""

    def __init__(self, fields: Mapping[str, str], where: str) -> None:
        """Raises `ArtefactRefused`, also where a name is both a value and an object."""
        self._fields = {tuple(name.split(".")): Expression(text, f"{where}.{name}") for name, text in fields.items()}
        for path in self._fields:
            if not all(path) or any(path[:length] in self._fields for length in range(1, len(path))):
                raise ArtefactRefused(f"{where}: {'.'.join(path)!r} can't stand beside the other names.")

    def fill(self, data: Any) -> dict[str, Any]:
        """The object; what is null is left out. Raises `Invalid` where the data does not suit an expression."""
        body: dict[str, Any] = {}
        for path, expression in self._fields.items():
            value = expression.value(data)
            if value is not None:
                _branch(body, path[:-1])[path[-1]] = value
        return body


def as_identifier(value: Any) -> str | None:
    """A text or whole number as an id; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    return text if 0 < len(text) <= LONGEST_ID and text.isprintable() else None


def read_json(text: bytes) -> Any:
    """The document of somebody else. Raises `Invalid` for what is no strict JSON, or has too many levels."""
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Invalid("The body is not JSON.") from None
    if _is_deeper(document, DEEPEST):
        raise Invalid(f"The body has more than {DEEPEST} levels.")
    return document


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _is_deeper(document: Any, levels: int) -> bool:
    layer = [document]
    for _ in range(levels + 1):
        layer = [child for each in layer for child in _children(each)]
        if not layer:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast(dict[str, Any], value).values())
    return cast(list[Any], value) if isinstance(value, list) else []


def _branch(body: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        body = cast(dict[str, Any], body.setdefault(name, {}))
    return body


def _first_line(problem: Exception) -> str:
    return str(problem).strip().split("\n")[0]
