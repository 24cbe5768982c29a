"""Looking through an SQS queue, which shows a message only by delivering it."""

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from adapters.queue_sqs_batches import ENTRIES, settle
from adapters.queue_sqs_connection import Raw, Sqs
from core.errors import AppError

SYSTEM_ATTRIBUTES = ["SentTimestamp", "ApproximateReceiveCount"]
GLANCES = 20
GLANCE_HIDES_S = 2
"""Where a page can't be shown again at once, it shows itself after so long."""
WAIT_S = 1
"""A poll that waits asks all of SQS's servers; one that does not may overlook messages."""

log = logging.getLogger(__name__)


@dataclass
class Shown:
    """A message that is looked at. Whoever deletes it says so, else it is made visible again."""

    raw: Raw
    is_deleted: bool = False

    @property
    def sqs_id(self) -> str:
        """SQS's own id of the message."""
        return self.raw["MessageId"]


async def walk(sqs: Sqs, url: str, *, hidden_s: int) -> AsyncGenerator[Shown]:
    """Every visible message once, hidden from others until the walk ends, for `hidden_s` at most."""
    handles: dict[str, tuple[Shown, str]] = {}
    try:
        while True:
            fresh: list[Shown] = []
            for raw in await _next(sqs, url, hidden_s):
                if raw["MessageId"] not in handles:
                    fresh.append(Shown(raw))
                known = handles.get(raw["MessageId"])
                handles[raw["MessageId"]] = known[0] if known else fresh[-1], raw["ReceiptHandle"]
            if not fresh:
                return
            for shown in fresh:
                yield shown
                # Only its id is kept: a queue may be larger than this process's memory.
                shown.raw = {"MessageId": shown.sqs_id}
    finally:
        await _show(sqs, url, [handle for shown, handle in handles.values() if not shown.is_deleted])


async def glance(sqs: Sqs, url: str) -> AsyncGenerator[Raw]:
    """Visible messages, each once and each page shown again at once, so that nobody waits for them.

    It is a sample: what is shown again may come again in the place of another, so that it ends with the first page
    that holds nothing new, and after `GLANCES` pages in any case.
    """
    seen: set[str] = set()
    for _ in range(GLANCES):
        page = await _next(sqs, url, GLANCE_HIDES_S)
        await _show(sqs, url, [raw["ReceiptHandle"] for raw in page])
        fresh = [raw for raw in page if raw["MessageId"] not in seen]
        if not fresh:
            return
        seen.update(raw["MessageId"] for raw in fresh)
        for raw in fresh:
            yield raw


async def _next(sqs: Sqs, url: str, hidden_s: int) -> list[Raw]:
    return await sqs.poll(
        lambda found: show_here(sqs, url, [raw["ReceiptHandle"] for raw in found]),
        QueueUrl=url,
        MaxNumberOfMessages=ENTRIES,
        WaitTimeSeconds=WAIT_S,
        VisibilityTimeout=hidden_s,
        MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
        MessageAttributeNames=["All"],
    )


async def _show(sqs: Sqs, url: str, handles: list[str]) -> None:
    try:
        await sqs.run(lambda: show_here(sqs, url, handles))
    except AppError as error:
        log.warning("%d messages that were looked at become visible only when their time ends: %s", len(handles), error)


def show_here(sqs: Sqs, url: str, handles: list[str]) -> None:
    """Make these deliveries visible again, on this thread; raises as `Sqs.call`."""
    for start in range(0, len(handles), ENTRIES):
        entries = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
            for number, handle in enumerate(handles[start : start + ENTRIES])
        ]
        settle(lambda left: sqs.call_here("change_message_visibility_batch", QueueUrl=url, Entries=left), entries)
