"""Queue messages as CloudEvents, and what becomes of texts that are none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.queue_events import LONGEST_TEXT, decode, encode
from core.envelopes import COMMAND_TYPE, unwrap_command, unwrap_outcome
from core.errors import Invalid
from core.ports.queue import MALFORMED, QueueMessage
from tests.builders import NOON, build_message

TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
NESTED = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
DATA = st.dictionaries(TEXTS, NESTED, max_size=4)


def read(text: str) -> QueueMessage:
    return decode(text, fallback_id="SQS-1", received_at=NOON)


@settings(max_examples=60, deadline=None)
@given(DATA, TEXTS.filter(bool), st.datetimes(timezones=st.just(UTC)), TEXTS)
def test_what_is_written_is_read(data: dict[str, Any], message_id: str, time: datetime, correlation_id: str) -> None:
    message = QueueMessage(message_id, COMMAND_TYPE, data, time, correlation_id)
    text = encode(message)
    assert text.isascii()
    assert read(text) == message


def test_it_is_a_cloudevent_1_0() -> None:
    written = json.loads(encode(build_message("EXE_1")))
    assert written == {
        "specversion": "1.0",
        "id": "EXE_1",
        "source": "agentic-apartment-manager",
        "type": "aam.execution.v1",
        "time": NOON.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "correlationid": "corr-1",
        "data": {"execution_id": "EXE_1", "attempt": 1},
    }


EVENT = {"specversion": "1.0", "id": "E", "source": "s", "type": COMMAND_TYPE, "data": {}}


@pytest.mark.parametrize(
    "text",
    [
        "", "no json", "[]", "7", "null", '{"id": ', "[" * 20_000,
        json.dumps(EVENT | {"specversion": "2.0"}),
        json.dumps(EVENT | {"data": [1]}),
        json.dumps({name: value for name, value in EVENT.items() if name != "data"}),
        json.dumps(EVENT | {"time": "yesterday"}),
        json.dumps(EVENT | {"time": "2026-03-01T12:00:00"}),
        json.dumps(EVENT | {"type": 3}),
        json.dumps(EVENT | {"id": ""}),
        json.dumps(EVENT | {"Correlation_ID": "c"}),
        json.dumps(EVENT | {"data": {"n": float("nan")}}),
    ],
)  # fmt: skip
def test_what_is_no_event_is_malformed_and_refused(text: str) -> None:
    message = read(text)
    assert (message.type, message.time) == (MALFORMED, NOON)
    assert message.message_id in ("SQS-1", "E")
    for unwrap in (unwrap_command, unwrap_outcome):
        with pytest.raises(Invalid, match="malformed"):
            unwrap(message)
    assert encode(message) == text, "it is set aside as it came"


def test_a_malformed_event_keeps_the_ids_that_it_states() -> None:
    message = read(json.dumps({"id": "EXE_7", "correlationid": "corr-7", "data": "x"}))
    assert (message.message_id, message.correlation_id) == ("EXE_7", "corr-7")
    assert read("?").correlation_id == "SQS-1"


def test_a_long_malformed_text_is_cut() -> None:
    assert len(read("x" * 300_000).data["text"]) == LONGEST_TEXT


def test_an_event_of_others_may_lack_what_is_optional() -> None:
    message = read(json.dumps(EVENT))
    assert message == QueueMessage("E", COMMAND_TYPE, {}, NOON, "E")
