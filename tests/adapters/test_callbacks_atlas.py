"""Webhooks of Atlas CMMS: what they say, and that nobody else can say it."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.callbacks_atlas import AtlasCallbackReader
from core.errors import AppError, ArtefactRefused, Invalid, Unauthenticated
from core.ports.execution import Completion

SECRET = "whsec_a1b2c3d4e5f6a7b8c9d0"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def signed(secret: str = SECRET, **changes: Any) -> tuple[dict[str, str], bytes]:
    said = {
        "workOrderId": 42,
        "workOrderTitle": "Mend the leak",
        "previousStatus": "IN_PROGRESS",
        "newStatus": "COMPLETE",
        "occurredAt": "2026-03-02T11:59:58.000+00:00",
        "companyId": 1,
        "changedWorkOrder": {"id": 42, "status": "COMPLETE", "feedback": "New trap"},
    }
    body = json.dumps(said | changes).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Webhook-Signature": signature, "X-Webhook-Timestamp": "1", "X-Webhook-Id": "any"}
    return headers, body


def read(headers: dict[str, str], body: bytes, *, now: datetime = NOW, secrets: str = SECRET) -> Any:
    return AtlasCallbackReader(secrets).read(headers, body, now)


def test_a_completed_work_order() -> None:
    _, completion = read(*signed())
    assert completion == Completion("42", notes="New trap")


def test_a_body_that_was_not_written_out() -> None:
    _, completion = read(*signed(changedWorkOrder=None, occurredAt=int(NOW.timestamp() * 1000)))
    assert completion == Completion("42")


@pytest.mark.parametrize("status", ["IN_PROGRESS", "ON_HOLD", None])
def test_other_news_changes_nothing(status: str | None) -> None:
    assert read(*signed(newStatus=status))[1] is None


def test_a_repetition_has_the_same_id_whatever_its_headers_say() -> None:
    headers, body = signed()
    again = headers | {"X-Webhook-Id": "another", "X-Webhook-Timestamp": str(int(NOW.timestamp() * 1000))}
    assert read(headers, body)[0] == read(again, body)[0]
    assert read(*signed(workOrderId=43))[0] != read(headers, body)[0]


def test_either_secret_while_it_is_replaced() -> None:
    other = "whsec_ffffffffffffffffffff"
    assert read(*signed(other), secrets=f"{SECRET} {other}")[1] is not None
    with pytest.raises(Unauthenticated):
        read(*signed(other))


def test_a_body_that_was_changed_or_not_signed() -> None:
    headers, body = signed()
    with pytest.raises(Unauthenticated):
        read(headers, body.replace(b"42", b"43"))
    with pytest.raises(Unauthenticated):
        read({}, body)
    with pytest.raises(Unauthenticated):
        read(headers | {"X-Webhook-Signature": "é"}, body)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_replay_is_too_old(minutes: int) -> None:
    with pytest.raises(Unauthenticated):
        read(*signed(), now=NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    "changes",
    [{"workOrderId": None}, {"workOrderId": "42"}, {"workOrderId": True}, {"occurredAt": None}, {"occurredAt": "soon"}],
)
def test_what_cannot_be_read_is_invalid(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        read(*signed(**changes))


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"\xff", b"x" * 300_000])
def test_signed_nonsense_is_an_error_of_the_callers(body: bytes) -> None:
    headers = {"x-webhook-signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
    with pytest.raises(AppError) as caught:
        read(headers, body)
    assert 400 <= caught.value.status < 500


@pytest.mark.parametrize("secrets", ["", "short"])
def test_no_secret_is_refused_at_the_start(secrets: str) -> None:
    with pytest.raises(ArtefactRefused):
        AtlasCallbackReader(secrets)
