"""Reads the signed callbacks of outside systems: that some work has ended, and what it came to."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.expressions import Expression, read_json
from adapters.signatures import verify
from core.errors import Invalid
from core.ports.execution import Completion
from core.systems import CallbackMapping

LARGEST_BYTES = 256 * 1024
LONGEST_NOTES = 2000
HIGHEST_COST_USD = 1_000_000.0
MOST_HOURS = 10_000.0


class SignedCallbackReader:
    """A `CallbackReader` of callbacks that are signed as Standard Webhooks says and hold JSON."""

    def __init__(self, secrets: Sequence[str], mapping: CallbackMapping, *, name: str) -> None:
        """`name` of the system, for errors. Raises `ArtefactRefused` for an expression that can't be read."""
        self._secrets = tuple(secrets)
        self._external_id = Expression(mapping.external_id, f"{name}.callback.external_id")
        self._is_done = Expression(mapping.is_done, f"{name}.callback.is_done")
        self._notes = _optional(mapping.notes, f"{name}.callback.notes")
        self._cost = _optional(mapping.actual_cost_usd, f"{name}.callback.actual_cost_usd")
        self._hours = _optional(mapping.actual_hours, f"{name}.callback.actual_hours")

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[str, Completion | None]:
        """See the port. The signature is checked before anything is read from the body."""
        if len(body) > LARGEST_BYTES:
            raise Invalid(f"A callback has at most {LARGEST_BYTES} bytes.")
        callback_id = verify(headers, body, self._secrets, now)
        said = read_json(body)
        if self._is_done.value(said) is not True:
            return callback_id, None
        external_id = self._external_id.identifier(said)
        if external_id is None:
            raise Invalid("The callback does not say which work it is about.")
        return callback_id, Completion(
            external_id,
            notes=_text(self._notes, said),
            actual_cost_usd=_number(self._cost, said, HIGHEST_COST_USD, "cost"),
            actual_hours=_number(self._hours, said, MOST_HOURS, "hours"),
        )


def _optional(text: str | None, where: str) -> Expression | None:
    return None if text is None else Expression(text, where)


def _text(expression: Expression | None, said: Any) -> str | None:
    value = None if expression is None else expression.value(said)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid("The callback's notes are not text.")
    return value[:LONGEST_NOTES]


def _number(expression: Expression | None, said: Any, highest: float, name: str) -> float | None:
    value = None if expression is None else expression.value(said)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= highest:
        raise Invalid(f"The callback's {name} must be a number from 0 to {highest:g}.")
    return float(value)
