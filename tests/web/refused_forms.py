"""What a form is given back with, where the interface refuses what it sends."""

from typing import Any

import pytest

from tests.web.conftest import Person, hidden_fields
from web import second_click
from web.api_client import ApiClient, Problem

REFUSALS = ((503, "unavailable", True), (409, "idempotency_in_flight", True), (409, "illegal_transition", False))
"""Status and code, and whether the form keeps its key: where it may have acted, or is at it."""


async def check_keys(
    person: Person, html: str, action: str, fields: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that the form of the page that goes to `action` comes back with the key that each refusal leaves it."""
    sent = hidden_fields(html, action)["idempotency_key"]
    for status, code, is_kept in REFUSALS:

        async def refuse(*_: Any, status: int = status, code: str = code, **__: Any) -> None:
            raise Problem(status, {"code": code, "detail": "Not now."})

        with monkeypatch.context() as patched:
            patched.setattr(ApiClient, "post", refuse)
            patched.setattr(second_click, "TRIES", 0)
            answer = await person.submit(html, action, fields)
        assert answer.status_code == status, (action, code)
        assert (hidden_fields(answer.text, action)["idempotency_key"] == sent) is is_kept, (action, code)
