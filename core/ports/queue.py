"""A durable queue that delivers at least once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class QueueMessage:
    """A message for a queue, shaped like a CloudEvent."""

    message_id: str
    """Sending the same id again is the same message."""
    type: str
    """What it is and its schema's version, such as `aam.execution.v1`."""
    data: Mapping[str, Any]
    time: datetime
    correlation_id: str


@dataclass(frozen=True)
class Delivery:
    """A message that was received and is hidden from others until it is deleted or its visibility ends."""

    message: QueueMessage
    receipt: str
    attempts: int
    """1 at the first delivery."""


@dataclass(frozen=True)
class QueueDepth:
    """How much is waiting."""

    visible: int
    in_flight: int
    dead: int
    oldest_age_s: float
    """Age of the oldest message that is not deleted; 0 for an empty queue."""


class Queue(Protocol):
    """A durable queue, delivering at least once. Every method may raise `QueueUnavailable`."""

    async def send(self, messages: Sequence[QueueMessage]) -> None:
        """Store the messages durably; one whose id the queue holds or held in the last day is dropped."""
        ...

    async def receive(self, *, max_messages: int, wait_s: float, visibility_s: float) -> tuple[Delivery, ...]:
        """Up to `max_messages`, oldest first, waiting up to `wait_s` for the first."""
        ...

    async def extend(self, delivery: Delivery, *, visibility_s: float) -> None:
        """Keep a delivery hidden for `visibility_s` from now."""
        ...

    async def retry_later(self, delivery: Delivery, *, delay_s: float) -> None:
        """Make a delivery visible again after `delay_s`."""
        ...

    async def delete(self, delivery: Delivery) -> None:
        """The message is done with."""
        ...

    async def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Move the message aside for a person, with the reason."""
        ...

    async def erase(self, needles: Collection[str]) -> int:
        """Empty the messages set aside whose data hold one of these texts, and overwrite what was removed.

        Returns how many that hold one are not done with; they stay as they are.
        """
        ...

    async def depth(self, *, now: datetime) -> QueueDepth:
        """How much is waiting."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...
