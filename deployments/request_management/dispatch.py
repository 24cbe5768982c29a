"""Hands the commands of an item's outbox to the queue, and takes the news that comes back."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from core import tracing
from core.correlation import detached_context, set_correlation
from core.envelopes import unwrap_outcome, wrap_command
from core.errors import AppError, Invalid, NotFound, Unavailable, VersionConflict
from core.message_tracing import process_span
from core.ports.queue import Delivery, Queue
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import RequestId
from deployments.request_management import news
from deployments.request_management.change import Change

log = logging.getLogger(__name__)

CONFLICT_RETRIES = 8
OUTCOME_ATTEMPTS = 5


async def change_record(
    store: RequestStore, request_id: RequestId, change: Callable[[RequestRecord], Change | None]
) -> RequestRecord:
    """Read, change and write conditionally, again where another write came between; no change, no write.

    Raises `NotFound`.
    """
    for _ in range(CONFLICT_RETRIES):
        record = await store.get(request_id)
        if record is None:
            raise NotFound("There is no such request.")
        changed = change(record)
        if changed is None:
            return record
        try:
            await store.save(changed.record, expected_version=record.request.version, events=changed.events)
        except VersionConflict:
            continue
        return changed.record
    raise Unavailable("The request is being changed by many at once; please try again.")


class Dispatcher:
    """Sends outboxes. A command's id is its message id, so that sending twice is sending once."""

    def __init__(self, store: RequestStore, executions: Queue, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._executions = executions
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, record: RequestRecord) -> asyncio.Task[None]:
        """Send in the background; what fails here the sweeper does again."""
        task = asyncio.get_running_loop().create_task(self._attempt(record), context=detached_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _attempt(self, record: RequestRecord) -> None:
        set_correlation(record.correlation_id)
        try:
            with tracing.span("dispatch", attributes={"aam.request_id": record.request.request_id}):
                await self.dispatch(record)
        except AppError as error:
            log.warning("dispatch of %s left for the sweeper: %s", record.request.request_id, error.code)

    async def dispatch(self, record: RequestRecord) -> None:
        """Send the outbox to the queue, then note on the request that it was sent."""
        now = self._clock()
        sent = record.outbox
        await self._executions.send([wrap_command(command, now) for command in sent])
        await change_record(self._store, record.request.request_id, lambda current: news.dispatched(current, sent, now))


class OutcomeConsumer:
    """Takes news of executions from their queue into the requests' stories."""

    def __init__(self, store: RequestStore, outcomes: Queue, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._outcomes = outcomes
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                deliveries = await self._outcomes.receive(max_messages=50, wait_s=5.0, visibility_s=30.0)
                for delivery in deliveries:
                    await self._attempt(delivery)
            except Exception:
                # Whatever it is, what was not taken becomes visible again.
                log.exception("taking outcomes failed")
                await asyncio.sleep(1.0)

    async def _attempt(self, delivery: Delivery) -> None:
        """Take one message; where that fails, the others are not held up, and after some tries it is set aside."""
        set_correlation(delivery.message.correlation_id)
        try:
            with process_span(delivery.message, "outcomes"):
                await self._take(delivery)
        except Exception as error:
            log.exception("outcome %s was not taken", delivery.message.message_id)
            if not isinstance(error, Unavailable) and delivery.attempts >= OUTCOME_ATTEMPTS:
                await self._outcomes.dead_letter(delivery, reason=type(error).__name__)

    async def _take(self, delivery: Delivery) -> None:
        try:
            outcome = unwrap_outcome(delivery.message)
            await change_record(
                self._store,
                outcome.request_id,
                lambda current: news.apply_outcome(current, outcome, delivery.message.message_id, self._clock()),
            )
        except (Invalid, NotFound) as error:
            await self._outcomes.dead_letter(delivery, reason=error.detail)
            return
        await self._outcomes.delete(delivery)
