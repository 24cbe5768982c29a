"""Values as DynamoDB's protocol writes them, and the parts of its expressions."""

from collections.abc import Mapping
from typing import Any

Value = str | int | float | bool | bytes
Item = dict[str, Any]
"""Plain values by attribute name."""
Wire = dict[str, dict[str, Any]]
"""Typed values by attribute name, as they are sent."""


def to_wire(item: Mapping[str, Value | None]) -> Wire:
    """The item as it is sent; what is None is left out."""
    return {name: _typed(value) for name, value in item.items() if value is not None}


def from_wire(wire: Wire) -> Item:
    """The item in plain values; a number is an int where it is written as one."""
    return {name: _plain(typed) for name, typed in wire.items()}


def billed_bytes(wire: Wire) -> int:
    """The size of an item as DynamoDB bills it: UTF-8 names and values; a number takes a byte for two digits, and one.

    Source: the DynamoDB developer guide, "Item sizes and formats".
    """
    return sum(len(name.encode()) + _billed(typed) for name, typed in wire.items())


class Expression:
    """Collects names and values under placeholders, so that no word is reserved and no text is ever code."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: Wire = {}

    def name(self, attribute: str) -> str:
        """The placeholder of an attribute."""
        return self._names.setdefault(attribute, f"#{len(self._names)}")

    def value(self, value: Value) -> str:
        """A placeholder for this value."""
        placeholder = f":{len(self._values)}"
        self._values[placeholder] = _typed(value)
        return placeholder

    def update(self, changes: Mapping[str, Value | None]) -> str:
        """An update expression that sets each attribute, or removes it where the value is None."""
        kept = [f"{self.name(name)} = {self.value(value)}" for name, value in changes.items() if value is not None]
        gone = [self.name(name) for name, value in changes.items() if value is None]
        clauses = [f"SET {', '.join(kept)}"] if kept else []
        return " ".join([*clauses, *([f"REMOVE {', '.join(gone)}"] if gone else [])])

    def arguments(self) -> dict[str, Any]:
        """What a call needs besides its expressions."""
        names = {placeholder: attribute for attribute, placeholder in self._names.items()}
        found: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        return found | ({"ExpressionAttributeValues": self._values} if self._values else {})


def _typed(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    return {"B": value} if isinstance(value, bytes) else {"S": value}


def _plain(typed: dict[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    if kind != "N":
        return bytes(value) if kind == "B" else value
    return int(value) if value.lstrip("-").isdigit() else float(value)


def _billed(typed: dict[str, Any]) -> int:
    ((kind, value),) = typed.items()
    if kind == "N":
        return (len(value.strip("-0.").replace(".", "")) + 1) // 2 + 1
    if kind == "S":
        return len(value.encode())
    return len(value) if kind == "B" else 1
