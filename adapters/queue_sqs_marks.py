"""What a message in SQS carries beside its text, as message attributes."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.queue_sqs_connection import Raw

Marks = Mapping[str, str]

ATTEMPTS, AT, REASON, MESSAGE_ID = "attempts", "at", "reason", "message_id"
"""Of a dead letter: how often it was delivered, when and why it was set aside, and its id."""
REDRIVEN_AT = "redriven_at"
ATTEMPTS_BEFORE, FIRST_SENT_AT = "attempts_before", "first_sent_at"
"""Of a message that was sent anew: how often it was delivered before, and when it was first sent."""


def attributes(marks: Marks) -> dict[str, dict[str, str]]:
    """As SendMessage takes them; none may be empty."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in marks.items()}


def marks_of(raw: Raw) -> dict[str, str]:
    """What came with a message; anybody who may send may have written it."""
    found: dict[str, Any] = raw.get("MessageAttributes", {})
    return {name: str(value["StringValue"]) for name, value in found.items() if value.get("StringValue")}


def count_of(marks: Marks, name: str) -> int | None:
    """A number that is at least 0; None where there is none."""
    value = marks.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def moment_of(marks: Marks, name: str) -> datetime | None:
    """A time with its zone; None where there is none."""
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(marks.get(name, ""))
        return found.astimezone(UTC) if found.tzinfo is not None else None
    return None


def sent_at(raw: Raw) -> datetime:
    """When SQS first got the message."""
    stamp = datetime.fromtimestamp(int(raw["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return moment_of(marks_of(raw), FIRST_SENT_AT) or stamp


def receipts_of(raw: Raw) -> int:
    """How often SQS has delivered this copy of the message."""
    return int(raw["Attributes"]["ApproximateReceiveCount"])


def attempts_of(raw: Raw) -> int:
    """How often the message was delivered, also as a copy before."""
    return receipts_of(raw) + (count_of(marks_of(raw), ATTEMPTS_BEFORE) or 0)
