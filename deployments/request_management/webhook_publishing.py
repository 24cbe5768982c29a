"""Puts each change's events into the queue of those who registered for them: a timer on the item, then the queue.

A change and the timer that has it published are one write. So what was stored is published, whatever becomes of the
process that stored it; and where nobody has registered, a change is written as it is.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from core import tracing
from core.correlation import detached_context, set_correlation
from core.errors import AppError
from core.ports.queue import Queue
from core.ports.store import RequestStore
from core.record import NextAction, RequestRecord
from core.request import Event, RequestId
from core.status import UNJUDGED
from deployments.request_management.change import SYSTEM, Change, Draft
from deployments.request_management.dispatch import change_record
from deployments.request_management.webhook_log import DeliveryLog, WebhookDelivery, message_of, new_delivery
from deployments.request_management.webhooks import Endpoint, Endpoints

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=5)
UNDECIDED_GRACE = timedelta(seconds=20)
"""While a message is being judged its story waits, so that publishing does not come between and have it judged anew."""

Start = Callable[[RequestRecord], "asyncio.Future[Any]"]


class PublishingStore:
    """A request store whose changes have their events published; everything else is the store's own."""

    def __init__(self, store: RequestStore, endpoints: Endpoints, start: Start, clock: Callable[[], datetime]) -> None:
        """`start` publishes at once what was just stored; where it fails, the sweeper does."""
        self._store = store
        self._endpoints = endpoints
        self._start = start
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def create(self, record: RequestRecord, events: Sequence[Event]) -> bool:
        """See `core.ports.store.RequestStore`."""
        prepared = await self._prepared(record, events)
        is_made = await self._store.create(prepared, events)
        if is_made:
            self._published_at_once(record, prepared)
        return is_made

    async def save(self, record: RequestRecord, *, expected_version: int, events: Sequence[Event]) -> None:
        """See `core.ports.store.RequestStore`."""
        prepared = await self._prepared(record, events)
        await self._store.save(prepared, expected_version=expected_version, events=events)
        self._published_at_once(record, prepared)

    async def _prepared(self, record: RequestRecord, events: Sequence[Event]) -> RequestRecord:
        if not events or not await self._is_followed(record.request.building_id):
            return record
        grace = UNDECIDED_GRACE if record.request.status in UNJUDGED else GRACE
        return with_timer(record, NextAction.PUBLISH, self._clock() + grace)

    async def _is_followed(self, building_id: str) -> bool:
        try:
            return any(endpoint.covers(building_id) for endpoint in await self._endpoints.known())
        except AppError:
            # Whoever publishes finds out; a change does not wait for the list of endpoints.
            return True

    def _published_at_once(self, record: RequestRecord, prepared: RequestRecord) -> None:
        if prepared is not record and record.request.status not in UNJUDGED:
            self._start(prepared)


def publishing(store: RequestStore, endpoints: Endpoints, start: Start, clock: Callable[[], datetime]) -> RequestStore:
    """The store as one whose changes are published."""
    return cast(RequestStore, PublishingStore(store, endpoints, start, clock))


def with_timer(record: RequestRecord, action: NextAction, at: datetime) -> RequestRecord:
    """The record with one more timer; what is claimed stays under its lease."""
    timers = dict(record.pending)
    if record.next_action is not None and record.next_action_at is not None:
        timers[record.next_action] = record.next_action_at
    timers[action] = at
    if record.next_action is not action and record.next_action_at is not None and record.next_action_at <= at:
        return record.model_copy(update={"timers": timers})
    first = min(timers, key=lambda kind: timers[kind])
    return record.model_copy(
        update={"timers": timers, "next_action": first, "next_action_at": timers[first], "attempts": 0}
    )


class Publisher:
    """Queues what an item's timeline holds beyond its `published`; several may do so at once."""

    def __init__(
        self,
        store: RequestStore,
        endpoints: Endpoints,
        deliveries: DeliveryLog,
        queue: Queue,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._queue = queue
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, record: RequestRecord) -> "asyncio.Task[None]":
        """Publish in the background; what fails here the sweeper does again."""
        task = asyncio.get_running_loop().create_task(self._attempt(record), context=detached_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settle(self) -> None:
        """Wait until all that was started has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _attempt(self, record: RequestRecord) -> None:
        set_correlation(record.correlation_id)
        try:
            with tracing.span("publish", attributes={"aam.request_id": record.request.request_id}):
                await self.publish(record.request.request_id)
        except AppError as error:
            log.warning("publishing of %s left for the sweeper: %s", record.request.request_id, error.code)
        except Exception:
            log.exception("publishing of %s left for the sweeper", record.request.request_id)

    async def publish(self, request_id: RequestId) -> None:
        """Queue all events that are new, then note on the item how far that went."""
        record = await self._store.get(request_id)
        if record is None or (record.published >= record.last_event and NextAction.PUBLISH not in record.pending):
            return
        deliveries = await self._new_deliveries(record)
        for delivery in deliveries:
            await self._deliveries.add(delivery)
        now = self._clock()
        await self._queue.send([message_of(delivery, now, record.correlation_id) for delivery in deliveries])
        await change_record(self._store, request_id, lambda current: published(current, record.last_event, now))

    async def _new_deliveries(self, record: RequestRecord) -> list[WebhookDelivery]:
        followers = [one for one in await self._endpoints.known() if one.covers(record.request.building_id)]
        if not followers or record.published >= record.last_event:
            return []
        events = await self._store.events(record.request.request_id)
        events = tuple(event for event in events if event.sequence <= record.last_event)
        found: list[WebhookDelivery] = []
        for endpoint in followers:
            found.extend(_for_endpoint(endpoint, record, events, self._clock()))
        return found


def _for_endpoint(
    endpoint: Endpoint, record: RequestRecord, events: Sequence[Event], now: datetime
) -> list[WebhookDelivery]:
    wanted = [event for event in events if endpoint.wants(event)]
    return [
        new_delivery(endpoint, record.request, event, previous, now)
        for previous, event in zip((None, *wanted), wanted, strict=False)
        if event.sequence > record.published
    ]


def published(record: RequestRecord, sequence: int, now: datetime) -> Change | None:
    """The events up to this one are queued; None where that was noted before."""
    reached = max(record.published, sequence)
    is_done = reached >= record.last_event
    if reached == record.published and (is_done is (NextAction.PUBLISH not in record.pending)):
        return None
    draft = Draft(record, now, SYSTEM)
    draft.record_fields["published"] = reached
    draft.schedule(NextAction.PUBLISH, None if is_done else now)
    return draft.done()
