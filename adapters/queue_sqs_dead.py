"""Dead letters in an SQS queue of their own: the text as it was sent, with reason, attempts and time as attributes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from datetime import UTC, datetime

from adapters.queue_events import decode, encode, holds_any
from adapters.queue_sqs_connection import Raw, Sqs
from adapters.queue_sqs_marks import (
    AT,
    ATTEMPTS,
    MESSAGE_ID,
    REASON,
    attempts_of,
    attributes,
    count_of,
    marks_of,
    moment_of,
    sent_at,
)
from adapters.queue_sqs_walk import Shown, walk
from core.ports.queue import DeadLetter, QueueMessage

LONGEST_REASON = 800
HIDDEN_S = 300
"""So long a walk may last at most before others see what it looks at."""
MOVED_BY_SQS = "It was received too often without an end, and SQS moved it."

Address = Callable[[], Awaitable[str]]


class DeadLetters:
    """The dead letters of one queue.

    Two walks of one process take turns; another process may see less meanwhile.
    """

    def __init__(self, sqs: Sqs, url: Address, put_back: Callable[[str], Awaitable[None]]) -> None:
        """`put_back` sends a text to the queue that the letters come from."""
        self._sqs = sqs
        self._url = url
        self._put_back = put_back
        self._turn = asyncio.Lock()

    async def put(self, message: QueueMessage, *, reason: str, attempts: int) -> None:
        """Returns once SQS has it."""
        marks = {
            MESSAGE_ID: message.message_id[:256],
            REASON: _sendable(reason),
            ATTEMPTS: str(attempts),
            AT: datetime.now(UTC).isoformat(),
        }
        await self._sqs.call(
            "send_message",
            QueueUrl=await self._url(),
            MessageBody=encode(message),
            MessageAttributes=attributes(marks),
        )

    async def latest(self, limit: int) -> tuple[DeadLetter, ...]:
        """The latest first, each id once."""
        letters: dict[str, DeadLetter] = {}
        async with self._turn, aclosing(self._walk()) as shown:
            async for each in shown:
                letter = _letter(each.raw)
                known = letters.get(letter.message.message_id)
                if known is None or known.at < letter.at:
                    letters[letter.message.message_id] = letter
        return tuple(sorted(letters.values(), key=lambda letter: letter.at, reverse=True)[:limit])

    async def redrive(self, message_id: str | None) -> int:
        """Put back the letter with this id, or all; each id once. Returns how many."""
        moved: set[str] = set()
        async with self._turn, aclosing(self._walk()) as shown:
            async for each in shown:
                found = _letter(each.raw).message.message_id
                if message_id not in (None, found):
                    continue
                if found not in moved:
                    await self._put_back(each.raw["Body"])
                    moved.add(found)
                await self._delete(each)
        return len(moved)

    async def erase(self, needles: Collection[str]) -> None:
        """Delete the letters whose data hold one of these texts."""
        async with self._turn, aclosing(self._walk()) as shown:
            async for each in shown:
                if holds_any(_letter(each.raw).message, needles):
                    await self._delete(each)

    async def _walk(self) -> AsyncGenerator[Shown]:
        async with aclosing(walk(self._sqs, await self._url(), hidden_s=HIDDEN_S)) as shown:
            async for each in shown:
                yield each

    async def _delete(self, shown: Shown) -> None:
        await self._sqs.call("delete_message", QueueUrl=await self._url(), ReceiptHandle=shown.raw["ReceiptHandle"])
        shown.is_deleted = True


def _letter(raw: Raw) -> DeadLetter:
    marks = marks_of(raw)
    return DeadLetter(
        message=decode(raw["Body"], fallback_id=marks.get(MESSAGE_ID) or raw["MessageId"], received_at=sent_at(raw)),
        reason=marks.get(REASON) or MOVED_BY_SQS,
        attempts=count_of(marks, ATTEMPTS) or attempts_of(raw),
        at=moment_of(marks, AT) or sent_at(raw),
    )


def _sendable(reason: str) -> str:
    """What SQS takes as a text: some, and no control characters."""
    allowed = "".join(character if character.isprintable() else " " for character in reason)
    return allowed[:LONGEST_REASON].strip() or "No reason was given."
