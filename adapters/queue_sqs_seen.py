"""What one process knows of an SQS queue's messages: which it holds, and for how long one may have been due."""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.ports.queue import QueueMessage

LONGEST_HOLD_S = 43_200
"""SQS hides a message for at most twelve hours from its receipt."""
FORGET_AFTER_S = 60.0
"""A message that did not come back so long after it became visible again went to another process."""


@dataclass
class SeenMessage:
    """A message that this process received and that was not settled, as far as it knows."""

    receipt_handle: str
    sent_at: datetime
    due_at: datetime
    """Since when it could have been received."""
    received_s: float
    hidden_until_s: float
    message: QueueMessage | None
    """None once it is not in hand any more."""
    receipts: int
    """How often SQS has delivered this copy of it."""


class SeenMessages:
    """By SQS's own id of the message. Times in seconds are those of `monotonic`."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[str, SeenMessage] = {}
        self._waiting_since: datetime | None = None

    def take(self, sqs_id: str, message: SeenMessage) -> None:
        """It was received, once more or for the first time."""
        self._seen[sqs_id] = message

    def note_sent(self) -> None:
        """Something waits in the queue from now on, if nothing did."""
        self._waiting_since = self._waiting_since or datetime.now(UTC)

    def due_at(self, sqs_id: str, sent_at: datetime, *, is_first: bool) -> datetime:
        """Since when a message that comes now could have been received; now, where only another process knows."""
        if is_first:
            return sent_at
        seen = self._seen.get(sqs_id)
        return datetime.now(UTC) if seen is None else self._shown_at(seen)

    def note_received(self, sqs_ids: Collection[str]) -> None:
        """What still waits became due about when the last of these did, or later."""
        self._waiting_since = max(self._seen[sqs_id].due_at for sqs_id in sqs_ids)

    def held(self, sqs_id: str, receipt_handle: str) -> SeenMessage | None:
        """The message, while it is hidden from others by this very receipt."""
        seen = self._seen.get(sqs_id)
        if seen is None or seen.message is None or seen.receipt_handle != receipt_handle:
            return None
        return seen if self._monotonic() < seen.hidden_until_s else None

    def latest_handle(self, sqs_id: str) -> str | None:
        """The receipt handle that SQS is sure to take."""
        seen = self._seen.get(sqs_id)
        return seen and seen.receipt_handle

    def longest_hide_s(self, seen: SeenMessage) -> int:
        """For how long from now SQS can hide it still."""
        return max(0, int(LONGEST_HOLD_S - 1 - (self._monotonic() - seen.received_s)))

    def forget(self, sqs_id: str) -> None:
        """It was settled, or somebody else has it."""
        self._seen.pop(sqs_id, None)

    def in_hand(self) -> Iterator[tuple[str, QueueMessage]]:
        """Each message that this process holds, by SQS's id."""
        now_s = self._monotonic()
        for sqs_id, seen in [*self._seen.items()]:
            if seen.message is not None and now_s < seen.hidden_until_s:
                yield sqs_id, seen.message

    def oldest(self, *, visible: int, in_flight: int) -> datetime | None:
        """Since when a message has been due and was not received, as far as this process can know; None where none is.

        What is in hand, here or elsewhere, or was put off, is not due.
        """
        now_s = self._monotonic()
        for sqs_id, seen in [*self._seen.items()]:
            # What is in hand stays known even where SQS, whose counts lag, says that nothing is there.
            is_elsewhere = now_s > seen.hidden_until_s + FORGET_AFTER_S
            if is_elsewhere or (seen.message is None and not visible + in_flight):
                self.forget(sqs_id)
        if not visible:
            self._waiting_since = None
            return None
        self.note_sent()
        shown = [self._shown_at(seen) for seen in self._seen.values() if seen.hidden_until_s <= now_s]
        waiting = [self._waiting_since] if self._waiting_since else []
        return min(shown + waiting, default=None)

    def _shown_at(self, seen: SeenMessage) -> datetime:
        """When a message that was received before became visible again."""
        return datetime.now(UTC) - timedelta(seconds=max(0.0, self._monotonic() - seen.hidden_until_s))
