"""A durable queue that delivers at least once."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class QueueMessage:
    """A message for a queue, shaped like a CloudEvent."""

    message_id: str
    """Sending the same id again is the same message: a queue that knows it drops it, and who receives it twice does
    what it asks for once."""
    type: str
    """What it is and its schema's version, such as `aam.execution.v1`."""
    data: Mapping[str, Any]
    time: datetime
    correlation_id: str
    trace: Mapping[str, str] = field(default_factory=dict[str, str])
    """The W3C trace context of whoever sent it (`core.tracing.Carrier`); empty where it was not traced."""


@dataclass(frozen=True)
class Delivery:
    """A message that was received and is hidden from others until it is deleted or its visibility ends.

    One that can't be read is delivered under the type `malformed`, so that a person is told of it.
    """

    message: QueueMessage
    receipt: str
    attempts: int
    """1 at the first delivery."""
    redriven_at: datetime | None = None
    """When a person put it back from the dead letters; None where nobody did."""


@dataclass(frozen=True)
class QueueDepth:
    """How much is waiting."""

    visible: int
    in_flight: int
    dead: int
    oldest_age_s: float
    """How long the message that was due first has waited to be received, as far as this process can know.

    0 where none is due: what is in hand, or was put off, does not count.
    """


MALFORMED = "malformed"
"""The type of a message that could not be read; its data are its `text`, at most 32,768 characters, and `why`."""


@dataclass(frozen=True)
class DeadLetter:
    """A message that was moved aside for a person."""

    message: QueueMessage
    reason: str
    attempts: int
    at: datetime


class Queue(Protocol):
    """A durable queue, delivering at least once. Every method may raise `QueueUnavailable`."""

    async def send(self, messages: Sequence[QueueMessage]) -> None:
        """Store the messages durably; one whose id the queue knows of the last day may be dropped.

        Raises `TypeError` or `ValueError` for data that JSON has no form for, `TooLarge` where the queue has a limit;
        then nothing was sent.
        """
        ...

    async def receive(
        self, *, max_messages: int, wait_s: float, visibility_s: float, stop: asyncio.Event | None = None
    ) -> tuple[Delivery, ...]:
        """Up to `max_messages`, waiting up to `wait_s` for the first; about the oldest first.

        Once `stop` is set nothing more is asked for, and a waiting that is under way ends as soon as the queue allows,
        with what it has given until then.
        """
        ...

    async def extend(self, delivery: Delivery, *, visibility_s: float) -> None:
        """Keep a delivery hidden for `visibility_s` from now, unless it was overtaken by another one."""
        ...

    async def retry_later(self, delivery: Delivery, *, delay_s: float) -> None:
        """Make a delivery visible again after `delay_s`, unless it was overtaken by another one."""
        ...

    async def delete(self, delivery: Delivery) -> None:
        """The message is done with; returns once the queue has confirmed it."""
        ...

    async def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """Move the message aside for a person, with the reason, unless the delivery was overtaken by another one."""
        ...

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """What was moved aside, the latest first, each id once."""
        ...

    async def redrive(self, message_id: str) -> bool:
        """Put a dead letter back into the queue as if it were new; False where there is none with this id."""
        ...

    async def redrive_all(self) -> int:
        """Put back every dead letter; returns how many."""
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
