"""Cursors come back as they were, and only to the list that gave them."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cursor import decode_cursor, encode_cursor
from core.errors import InvalidCursor

POSITIONS = st.tuples(st.integers(0, 2**62 - 1), st.text(st.characters(exclude_categories=["Cs"]), max_size=100))


@given(POSITIONS, st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5), max_size=3))
def test_round_trip(position: tuple[int, str], filters: dict[str, Any]) -> None:
    cursor = encode_cursor("newest", filters, position)
    assert decode_cursor(cursor, "newest", filters, (int, str)) == position


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, "newest", None, (int, str))


@pytest.mark.parametrize(
    "change",
    [
        {"list": "other"},
        {"filters": "0" * 16},
        {"after": [1]},
        {"after": ["1", "x"]},
        {"after": [True, "x"]},
        {"after": [1.5, "x"]},
        {"after": [-1, "x"]},
        {"after": [2**63, "x"]},
        {"after": [1, "\ud800"]},
        {"after": [1, "x", "y"]},
        {"after": None},
        {"more": 1},
    ],
)
def test_a_forged_cursor_is_refused(change: dict[str, Any]) -> None:
    cursor = encode_cursor("newest", None, (1, "x"))
    content = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps(content | change).encode()).decode().rstrip("=")
    with pytest.raises(InvalidCursor):
        decode_cursor(forged, "newest", None, (int, str))
