"""Queue messages as CloudEvents 1.0 in structured JSON, plain ASCII."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from core import tracing
from core.ports.queue import MALFORMED, QueueMessage

SOURCE = "agentic-apartment-manager"
CORRELATION = "correlationid"
LONGEST_TEXT = 32_768
"""Characters that are kept of a text that can't be read."""


def encode(message: QueueMessage) -> str:
    """The text that `decode` makes this message of; of one that could not be read, the text that came.

    Raises `TypeError` or `ValueError` for data that JSON has no form for.
    """
    if message.type == MALFORMED:
        return str(message.data["text"])
    data_text(message.data)
    attributes = {
        "id": message.message_id,
        "source": SOURCE,
        "type": message.type,
        "time": message.time,
        "datacontenttype": "application/json",
        CORRELATION: message.correlation_id,
        # The names of CloudEvents' extension for distributed tracing.
        **tracing.valid_carrier(message.trace),
    }
    return JSONFormat().write(CloudEvent(attributes, dict(message.data))).decode("ascii")


def decode(text: str, *, fallback_id: str, received_at: datetime) -> QueueMessage:
    """The message of a text; one of the type `malformed` where it is no CloudEvent 1.0 with an object as its data.

    `fallback_id` is the id where the text has none, `received_at` the time.
    """
    try:
        # An event need not tell its time.
        return _message(JSONFormat().read(lambda stated, data: CloudEvent({"time": received_at} | stated, data), text))
    except (BaseCloudEventException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        stated = _stated(text)
        return QueueMessage(
            message_id=stated.get("id") or fallback_id,
            type=MALFORMED,
            data={"text": text[:LONGEST_TEXT], "why": type(error).__name__},
            time=received_at,
            correlation_id=stated.get(CORRELATION) or fallback_id,
        )


def data_text(data: Mapping[str, Any]) -> str:
    """The data as JSON. Raises as `encode`."""
    return json.dumps(dict(data), allow_nan=False, separators=(",", ":"))


def holds_any(message: QueueMessage, needles: Collection[str]) -> bool:
    """Whether the data hold one of these texts."""
    text = encode(message) if message.type == MALFORMED else data_text(message.data)
    return any(needle in text for needle in needles)


def _message(event: Any) -> QueueMessage:
    data, correlation = event.get_data(), event.get_extension(CORRELATION)
    if not isinstance(data, dict):
        raise TypeError("The data are not an object.")
    data_text(data)  # pyright: ignore[reportUnknownArgumentType]
    return QueueMessage(
        message_id=event.get_id(),
        type=event.get_type(),
        data=data,  # pyright: ignore[reportUnknownArgumentType]
        time=event.get_time(),
        correlation_id=correlation if isinstance(correlation, str) else event.get_id(),
        trace=tracing.valid_carrier({name: event.get_extension(name) for name in ("traceparent", "tracestate")}),
    )


def _stated(text: str) -> dict[str, str]:
    """The attributes of a text that is no event after all, as far as they are short texts."""
    try:
        found: Any = json.loads(text)
        return {name: value for name, value in found.items() if isinstance(value, str) and len(value) <= 256}
    except (ValueError, AttributeError, RecursionError):
        return {}
