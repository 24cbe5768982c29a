"""Sending events to the systems of others over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class OutgoingEvent:
    """One event in the terms of CloudEvents 1.0."""

    message_id: str
    """The same at each try, so that a receiver can tell a repetition."""
    event_id: str
    """Unique within its source."""
    type: str
    source: str
    subject: str
    time: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True)
class PostResult:
    """What came of one try."""

    status: int | None
    """The HTTP status of the answer; None where none came."""
    error: str | None = None
    """Why none came, in words of this system's own."""

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver said that it has it."""
        return self.status is not None and 200 <= self.status < 300


class WebhookSender(Protocol):
    """Posts signed events, to addresses of the public network only."""

    def new_secret(self) -> str:
        """A fresh signing secret, `whsec_` with 32 random bytes in base64."""
        ...

    async def require_allowed(self, url: str) -> None:
        """Pass for an address that events may go to; else raise `Invalid`, which says why."""
        ...

    async def post(self, url: str, event: OutgoingEvent, secrets: Sequence[str], at: datetime) -> PostResult:
        """One try, signed at `at` with each of these secrets. Never raises for what the receiver or network does."""
        ...
