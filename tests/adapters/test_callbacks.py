"""A callback counts only with a fresh signature of its own system, and only in numbers that can be true."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from adapters.callbacks import LARGEST_BYTES, SignedCallbackReader
from adapters.signatures import parse_secrets, sign
from core.errors import ArtefactRefused, Invalid, Unauthenticated
from core.ports.execution import Completion
from core.systems import CallbackMapping

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
SECRET = "whsec_" + "A" * 32
OLD_SECRET = "whsec_" + "B" * 32
MAPPING = CallbackMapping(
    external_id="data.id", is_done="type == 'closed'", notes="data.notes", actual_cost_usd="data.cost",
    actual_hours="data.hours",
)  # fmt: skip
READER = SignedCallbackReader((SECRET,), MAPPING, name="lockers")


def body(**data: Any) -> bytes:
    return json.dumps({"type": "closed", "data": {"id": "T-1", **data}}).encode()


def read(content: bytes, *, secret: str = SECRET, at: datetime = NOW, now: datetime = NOW) -> Any:
    return READER.read(sign("CB_1", content, (secret,), at), content, now)


def test_a_completion_is_read_with_the_callbacks_id() -> None:
    assert read(body(notes="Found", cost=12, hours=0.5)) == ("CB_1", Completion("T-1", "Found", 12.0, 0.5))
    assert read(body(id=7)) == ("CB_1", Completion("7"))


def test_headers_are_those_of_the_library_and_in_any_case() -> None:
    content = body()
    signature = Webhook(SECRET).sign("CB_2", NOW, content.decode())
    headers = {"Webhook-Id": "CB_2", "WEBHOOK-TIMESTAMP": str(int(NOW.timestamp())), "webhook-Signature": signature}
    assert READER.read(headers, content, NOW)[0] == "CB_2"
    assert READER.read({**headers, "webhook-Signature": f"v2,xx v1,eA== {signature}"}, content, NOW)[0] == "CB_2"


def test_what_has_not_ended_changes_nothing() -> None:
    for kind in ("opened", True, None, 1):
        content = json.dumps({"type": kind, "data": {}}).encode()
        assert read(content) == ("CB_1", None)
    # Only `true` itself is an end, and not everything that JMESPath takes for one.
    reader = SignedCallbackReader((SECRET,), MAPPING.model_copy(update={"is_done": "data.id"}), name="x")
    assert reader.read(sign("CB_1", body(), (SECRET,), NOW), body(), NOW) == ("CB_1", None)


def test_a_wrong_signature_is_refused() -> None:
    content = body()
    good = sign("CB_1", content, (SECRET,), NOW)
    with pytest.raises(Unauthenticated):
        read(content, secret=OLD_SECRET)
    with pytest.raises(Unauthenticated):
        READER.read(good, content.replace(b"T-1", b"T-2"), NOW)
    for name, value in {
        "webhook-id": "CB_9",
        "webhook-timestamp": str(int(NOW.timestamp()) + 1),
        "webhook-signature": "v1,",
    }.items():
        with pytest.raises(Unauthenticated):
            READER.read({**good, name: value}, content, NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize(
    "value", [None, "", "é", "\n", "nan", "-1", "1e9", "9" * 30, "²", "v1", "v1,%%%", ",", "x" * 999]
)
def test_headers_that_mean_nothing_are_refused(name: str, value: str | None) -> None:
    content = body()
    headers = sign("CB_1", content, (SECRET,), NOW)
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    with pytest.raises(Unauthenticated):
        READER.read(headers, content, NOW)


@pytest.mark.parametrize(("minutes", "is_taken"), [(-6, False), (-4, True), (0, True), (4, True), (6, False)])
def test_a_callback_is_fresh_for_five_minutes_either_way(minutes: int, is_taken: bool) -> None:
    at = NOW + timedelta(minutes=minutes)
    if is_taken:
        assert read(body(), at=at)[0] == "CB_1"
    else:
        with pytest.raises(Unauthenticated, match="time"):
            read(body(), at=at)


def test_the_time_is_the_same_in_every_zone() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=-5)))
    assert read(body(), at=there, now=there)[0] == "CB_1"


def test_two_secrets_while_one_is_replaced() -> None:
    content, reader = body(), SignedCallbackReader((SECRET, OLD_SECRET), MAPPING, name="lockers")
    for secret in (SECRET, OLD_SECRET):
        assert reader.read(sign("CB_1", content, (secret,), NOW), content, NOW)[0] == "CB_1"


@pytest.mark.parametrize(
    "data",
    [
        {"cost": -0.01}, {"cost": "12"}, {"cost": True}, {"cost": [1]}, {"cost": 1e7}, {"cost": 10**400},
        {"hours": -1}, {"hours": 1e5}, {"notes": 3}, {"notes": ["a"]}, {"id": None}, {"id": ""}, {"id": True},
        {"id": {"a": 1}}, {"id": "x" * 201},
    ],
)  # fmt: skip
def test_values_that_can_not_be_true_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        read(body(**data))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"null and void", b'{"type": "closed", "data": {"id": "a", "cost": NaN}}',
        b'{"type": "closed", "data": {"id": "a", "cost": Infinity}}',
        b'{"type": "closed", "data": {"id": "a", "cost": 1e999}}',
        b"[" * 200_000, b'{"a":' * 40 + b"1" + b"}" * 40, b'{"id": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_bodies_that_can_not_be_read_are_refused(content: bytes) -> None:
    try:
        headers = sign("CB_1", content, (SECRET,), NOW)
    except UnicodeDecodeError:
        headers = sign("CB_1", b"", (SECRET,), NOW)
    with pytest.raises((Invalid, Unauthenticated)):
        READER.read(headers, content, NOW)


def test_a_large_body_is_refused_before_anything_is_worked_out() -> None:
    with pytest.raises(Invalid, match="bytes"):
        READER.read({}, b"x" * (LARGEST_BYTES + 1), NOW)


def test_long_notes_are_cut_off() -> None:
    assert len(read(body(notes="x" * 5000))[1].notes) == 2000


def test_secrets_that_are_none_are_refused_without_being_told() -> None:
    assert parse_secrets(f"{SECRET} {OLD_SECRET}", "A_SECRET") == (SECRET, OLD_SECRET)
    for text in ("", "hunter2", "whsec_", "whsec_hunter2", "whsec_%%%%" + "A" * 40, "A" * 40, f"{SECRET} hunter2"):
        with pytest.raises(ArtefactRefused, match="A_SECRET") as caught:
            parse_secrets(text, "A_SECRET")
        assert "hunter2" not in caught.value.detail
