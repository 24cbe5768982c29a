"""Durable queues in SQS: `core.ports.queue.Queue` for the processes of many machines.

Standard queues, not FIFO: in a FIFO queue a message that fails holds up everything behind it in its group, and SQS
forgets ids after five minutes anyway. A standard queue may deliver twice and out of order, and does not know an id that
was sent before; that is harmless, since a step is claimed in the execution log, news is taken once by its id, and who
consumes keeps the order within a request.

SQS counts in whole seconds: visibility and delays are rounded up, and end after twelve hours at the latest. A delivery
whose time is up by this process's clock is overtaken: of it, only `delete` still does something.

The age of the oldest message is told by SQS in CloudWatch alone (ApproximateAgeOfOldestMessage, which an alarm should
watch). `depth` gives what this process knows of what is due: for how long a message that it put off has been so, and
for the rest the age of what it received last, or the time since it first knew of a message that waits.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from adapters.queue_events import decode, encode, holds_any
from adapters.queue_sqs_batches import Batcher, Entry, in_batches, require_done, settle
from adapters.queue_sqs_connection import LONGEST_POLL_S, Raw, Sqs, hand_back_elsewhere
from adapters.queue_sqs_dead import DeadLetters
from adapters.queue_sqs_marks import (
    ATTEMPTS_BEFORE,
    FIRST_SENT_AT,
    REDRIVEN_AT,
    Marks,
    attempts_of,
    attributes,
    marks_of,
    moment_of,
    receipts_of,
    sent_at,
)
from adapters.queue_sqs_seen import SeenMessage, SeenMessages
from adapters.queue_sqs_walk import SYSTEM_ATTRIBUTES, glance, show_here
from core.errors import BrokenInvariant, QueueUnavailable, TooLarge
from core.ports.queue import DeadLetter, Delivery, QueueDepth, QueueMessage

LARGEST = 252 * 1024
"""Bytes of one message; 4 KB of SQS's 256 are for what a dead letter says of it."""
RENEWED_AFTER = 500
"""Receipts, half of those after which SQS would set a message aside without a word."""
LONGEST_DELAY_S = 900
"""Of a message that is sent."""
RECEIVED_AT_ONCE = 10
SHORT_OF_A_SECOND_S = 0.25
"""A poll may overshoot its time by so much, since SQS waits for whole seconds."""
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")

log = logging.getLogger(__name__)


class SqsQueue:
    """The queue `name`, with its dead letters in `<name>-dead`; `python -m aam queue create` makes both."""

    def __init__(self, sqs: Sqs, name: str) -> None:
        """The connection is closed with the queue."""
        self._sqs = sqs
        self._name = name
        self._seen = SeenMessages()
        self._urls: dict[str, str] = {}
        self._deletes = self._batcher("delete_message_batch")
        self._visibilities = self._batcher("change_message_visibility_batch")
        self._dead = DeadLetters(sqs, self._dead_url, self._put_back)

    async def send(self, messages: Sequence[QueueMessage]) -> None:
        """See the port. Within one call an id is sent once; what was sent before is not known."""
        bodies: dict[str, str] = {}
        for message in messages:
            bodies.setdefault(message.message_id, encode(message))
        for body in bodies.values():
            if len(body) > LARGEST:
                raise TooLarge(f"A message of {len(body):,} bytes is more than the {LARGEST:,} that the queue takes.")
        for batch in in_batches([*bodies.values()]):
            await self._send_bodies(batch)

    async def receive(
        self, *, max_messages: int, wait_s: float, visibility_s: float, stop: asyncio.Event | None = None
    ) -> tuple[Delivery, ...]:
        if stop is not None and stop.is_set():
            return ()
        deadline = time.monotonic() + wait_s
        found = await self._poll(max_messages, wait_s, visibility_s)
        while not found:
            left_s = deadline - time.monotonic()
            if left_s <= 0.01 or self._sqs.closed or (stop is not None and stop.is_set()):
                return ()
            if left_s < 1 - SHORT_OF_A_SECOND_S:
                await asyncio.sleep(left_s)
                left_s = 0.0
            found = await self._poll(max_messages, left_s, visibility_s)
        found += await self._rest(found, max_messages, visibility_s)
        self._seen.note_received([raw["MessageId"] for _, raw in found])
        return tuple(delivery for delivery, _ in found)

    async def extend(self, delivery: Delivery, *, visibility_s: float) -> None:
        await self._hide(delivery, visibility_s, stays_in_hand=True)

    async def retry_later(self, delivery: Delivery, *, delay_s: float) -> None:
        """See the port. It comes earlier where SQS can't hide it for so long.

        One that was put off very often is sent anew with its attempts, before SQS sets it aside by its redrive policy.
        """
        seen = self._seen.held(*_parts(delivery))
        if seen is not None and seen.receipts >= RENEWED_AFTER:
            await self._renew(delivery, seen, delay_s)
            return
        await self._hide(delivery, delay_s, stays_in_hand=False)

    async def delete(self, delivery: Delivery) -> None:
        """See the port. By a delivery whose time is up, SQS may not delete; then the message comes once more."""
        sqs_id, handle = _parts(delivery)
        entry = {"ReceiptHandle": self._seen.latest_handle(sqs_id) or handle}
        refused = await self._deletes.add(entry)
        self._seen.forget(sqs_id)
        if refused is not None:
            log.warning("message %s was not deleted: %s", delivery.message.message_id, refused.get("Code"))

    async def dead_letter(self, delivery: Delivery, *, reason: str) -> None:
        """See the port. It is sent to the dead letters first: a kill in between leaves it in both."""
        sqs_id, handle = _parts(delivery)
        if self._seen.held(sqs_id, handle) is None:
            return
        await self._dead.put(delivery.message, reason=reason, attempts=delivery.attempts)
        await self.delete(delivery)

    async def dead_letters(self, limit: int) -> tuple[DeadLetter, ...]:
        """See the port. SQS shows a message by delivering it: for the while, nobody else sees the letters."""
        return await self._dead.latest(limit)

    async def redrive(self, message_id: str) -> bool:
        return bool(await self._dead.redrive(message_id))

    async def redrive_all(self) -> int:
        return await self._dead.redrive(None)

    async def erase(self, needles: Collection[str]) -> int:
        """See the port: dead letters are deleted, and what SQS does with its copies is its own affair.

        Of the queue, a sample of what is visible (`queue_sqs_walk.glance`) and what this process has in hand is looked
        through. To be looked at, what is visible is delivered and shown again at once, which counts as one delivery
        more. Commands that are not in the sample, in the hands of other processes or resting before another try are
        not seen: for them the caller has to ask the execution log, whose `unfinished` names all that has not ended.
        """
        _, waiting = await asyncio.gather(self._dead.erase(needles), self._visible_with(needles))
        in_hand = {sqs_id for sqs_id, message in self._seen.in_hand() if holds_any(message, needles)}
        return len(waiting | in_hand)

    async def depth(self, *, now: datetime) -> QueueDepth:
        """See the port, and this module's head for the age. SQS's counts lag behind by some seconds."""
        (visible, hidden, delayed), dead = await asyncio.gather(
            self._counts(await self._url()), self._counts(await self._dead_url())
        )
        oldest = self._seen.oldest(visible=visible, in_flight=hidden + delayed)
        age_s = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        return QueueDepth(visible=visible, in_flight=hidden + delayed, dead=sum(dead), oldest_age_s=age_s)

    async def close(self) -> None:
        """See the port. Who waits for messages is answered that there are none."""
        await self._sqs.close()

    async def _poll(self, limit: int, wait_s: float, visibility_s: float) -> list[tuple[Delivery, Raw]]:
        hidden_s = max(1, math.ceil(visibility_s))
        url = await self._url()
        began_s = time.monotonic()
        found = await self._sqs.poll(
            self._show_at_once,
            QueueUrl=url,
            MaxNumberOfMessages=max(1, min(limit, RECEIVED_AT_ONCE)),
            WaitTimeSeconds=min(int(wait_s + SHORT_OF_A_SECOND_S), LONGEST_POLL_S),
            VisibilityTimeout=hidden_s,
            MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            MessageAttributeNames=["All"],
        )
        return [(self._take(raw, began_s, hidden_s), raw) for raw in found]

    async def _rest(
        self, first: Sequence[tuple[Delivery, Raw]], max_messages: int, visibility_s: float
    ) -> list[tuple[Delivery, Raw]]:
        """What is there beyond a full answer; it is given out even where SQS fails meanwhile."""
        found: list[tuple[Delivery, Raw]] = []
        try:
            while len(first) + len(found) < max_messages and (len(first) + len(found)) % RECEIVED_AT_ONCE == 0:
                more = await self._poll(max_messages - len(first) - len(found), 0, visibility_s)
                if not more:
                    break
                found += more
        except QueueUnavailable as error:
            log.warning("%s: %d messages are taken without the rest: %s", self._name, len(first), error.detail)
        except asyncio.CancelledError:
            hand_back_elsewhere(self._show_at_once, [raw for _, raw in [*first, *found]])
            raise
        return found

    def _take(self, raw: Raw, began_s: float, hidden_s: float) -> Delivery:
        sqs_id, handle, at = raw["MessageId"], raw["ReceiptHandle"], sent_at(raw)
        message = decode(raw["Body"], fallback_id=sqs_id, received_at=at)
        due_at = self._seen.due_at(sqs_id, at, is_first=attempts_of(raw) == 1)
        seen = SeenMessage(handle, at, due_at, began_s, began_s + hidden_s, message, receipts_of(raw))
        self._seen.take(sqs_id, seen)
        return Delivery(message, f"{sqs_id} {handle}", attempts_of(raw), moment_of(marks_of(raw), REDRIVEN_AT))

    def _show_at_once(self, found: Sequence[Raw]) -> None:
        show_here(self._sqs, self._urls[self._name], [raw["ReceiptHandle"] for raw in found])

    async def _hide(self, delivery: Delivery, seconds: float, *, stays_in_hand: bool) -> None:
        sqs_id, handle = _parts(delivery)
        seen = self._seen.held(sqs_id, handle)
        if seen is None:
            return
        hidden_s = min(math.ceil(max(seconds, 0)), self._seen.longest_hide_s(seen))
        began_s = time.monotonic()
        refused = await self._visibilities.add({"ReceiptHandle": handle, "VisibilityTimeout": hidden_s})
        if refused is not None:
            log.info("message %s is not in hand any more: %s", delivery.message.message_id, refused.get("Code"))
            self._seen.forget(sqs_id)
            return
        seen.hidden_until_s = began_s + hidden_s
        if not stays_in_hand:
            seen.message = None

    async def _renew(self, delivery: Delivery, seen: SeenMessage, delay_s: float) -> None:
        marks = {ATTEMPTS_BEFORE: str(delivery.attempts), FIRST_SENT_AT: seen.sent_at.isoformat()}
        if delivery.redriven_at is not None:
            marks[REDRIVEN_AT] = delivery.redriven_at.isoformat()
        body, after_s = encode(delivery.message), min(math.ceil(max(delay_s, 0)), LONGEST_DELAY_S)
        await self._send_marked(body, marks, DelaySeconds=after_s)
        await self.delete(delivery)

    async def _visible_with(self, needles: Collection[str]) -> set[str]:
        found: set[str] = set()
        async with aclosing(glance(self._sqs, await self._url())) as messages:
            async for raw in messages:
                sqs_id: str = raw["MessageId"]
                if holds_any(decode(raw["Body"], fallback_id=sqs_id, received_at=sent_at(raw)), needles):
                    found.add(sqs_id)
        return found

    async def _put_back(self, body: str) -> None:
        await self._send_marked(body, {REDRIVEN_AT: datetime.now(UTC).isoformat()})

    async def _send_marked(self, body: str, marks: Marks, **options: Any) -> None:
        url = await self._url()
        await self._sqs.call(
            "send_message", QueueUrl=url, MessageBody=body, MessageAttributes=attributes(marks), **options
        )
        self._seen.note_sent()

    async def _send_bodies(self, bodies: Sequence[str]) -> None:
        url = await self._url()
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        failed = await self._sqs.run(
            lambda: settle(lambda left: self._sqs.call_here("send_message_batch", QueueUrl=url, Entries=left), entries)
        )
        for failure in failed.values():
            require_done("send_message_batch", failure)
            raise BrokenInvariant(f"SQS refused a message ({failure.get('Code')}): {failure.get('Message')}")
        self._seen.note_sent()

    async def _counts(self, url: str) -> tuple[int, ...]:
        found = await self._sqs.call("get_queue_attributes", QueueUrl=url, AttributeNames=_COUNTS)
        known: dict[str, Any] = found.get("Attributes", {})
        return tuple(int(known.get(name, 0)) for name in _COUNTS)

    async def _url(self) -> str:
        return await self._url_of(self._name)

    async def _dead_url(self) -> str:
        return await self._url_of(f"{self._name}-dead")

    async def _url_of(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = (await self._sqs.call("get_queue_url", QueueName=name))["QueueUrl"]
        return self._urls[name]

    def _batcher(self, operation: str) -> Batcher:
        return Batcher(operation, self._batch_call(operation), self._sqs.submit)

    def _batch_call(self, operation: str) -> Callable[[Sequence[Entry]], dict[str, Any]]:
        """The call on the queue that a delivery came from, whose address is therefore known."""

        def call(entries: Sequence[Entry]) -> dict[str, Any]:
            url = self._urls.get(self._name) or self._sqs.call_here("get_queue_url", QueueName=self._name)["QueueUrl"]
            return self._sqs.call_here(operation, QueueUrl=url, Entries=entries)

        return call


def _parts(delivery: Delivery) -> tuple[str, str]:
    """SQS's id of the message, and the receipt handle."""
    sqs_id, _, handle = delivery.receipt.partition(" ")
    return sqs_id, handle
