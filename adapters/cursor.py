"""Opaque cursors of lists: where a page ended, bound to the kind of list and its filters."""

import base64
import binascii
import hashlib
import json
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from core.contract import Contract
from core.errors import InvalidCursor

MAX_LENGTH = 2000

Position = tuple[int | str, ...]


class _Cursor(Contract):
    model_config = ConfigDict(strict=True)

    list: str
    filters: str
    after: tuple[Annotated[int, Field(ge=0, lt=2**62)] | str, ...]


def encode_cursor(kind: str, filters: object, after: Position) -> str:
    """A cursor for the list `kind` with these JSON-like `filters`, whose last item stood at `after`."""
    cursor = _Cursor(list=kind, filters=_fingerprint(filters), after=after)
    return base64.urlsafe_b64encode(cursor.model_dump_json().encode()).decode().rstrip("=")


def decode_cursor(text: str, kind: str, filters: object, shape: tuple[type, ...]) -> Position:
    """The position in a cursor of this very list, one value for each type in `shape`. Raises `InvalidCursor`."""
    if len(text) > MAX_LENGTH:
        raise InvalidCursor("The cursor is not one that this list gave.")
    try:
        padded = text + "=" * (-len(text) % 4)
        cursor = _Cursor.model_validate_json(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValidationError, binascii.Error, ValueError):
        raise InvalidCursor("The cursor is not one that this list gave.") from None
    if cursor.list != kind or cursor.filters != _fingerprint(filters):
        raise InvalidCursor("The cursor belongs to another list or to other filters.")
    if tuple(map(type, cursor.after)) != shape:
        raise InvalidCursor("The cursor is not one that this list gave.")
    return cursor.after


def _fingerprint(filters: object) -> str:
    return hashlib.sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()[:16]
