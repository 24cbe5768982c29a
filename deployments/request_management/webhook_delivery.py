"""Delivers queued events to their endpoints: in order within a request, again and again for five days."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from core.correlation import set_correlation
from core.errors import AppError, VersionConflict
from core.identity import Principal
from core.message_tracing import process_span
from core.ports.queue import Delivery, Queue
from core.ports.store import RequestStore
from core.ports.webhooks import OutgoingEvent, PostResult, WebhookSender
from core.request import Event, RequestId
from deployments.request_management.change import SYSTEM
from deployments.request_management.commands import POLICY
from deployments.request_management.webhook_log import (
    MESSAGE_TYPE,
    DeliveryList,
    DeliveryLog,
    WebhookDelivery,
    message_of,
)
from deployments.request_management.webhooks import CACHE_S, Endpoint, Endpoints

log = logging.getLogger(__name__)

RETRY_S = (60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""The pauses after the first tries; the last one is that of all further tries."""
GIVE_UP = timedelta(days=5)
"""So long an event is tried, and an endpoint may fail before it is disabled."""
HOLD_S = 30.0
"""How often it is looked whether a paused endpoint goes on."""
TURN_S = 0.2
LONGEST_TURN_S = 60.0
VISIBILITY_S = 120.0
"""Longer than all tries of one group take."""
BATCH = 10
CAPACITY = 50
"""So many events one process has in hand at most."""
GONE = 410


class WebhookCourier:
    """Takes deliveries from the queue and tries them. Any number of processes may do so."""

    def __init__(
        self,
        store: RequestStore,
        endpoints: Endpoints,
        deliveries: DeliveryLog,
        queue: Queue,
        sender: WebhookSender,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._queue = queue
        self._sender = sender
        self._clock = clock
        self._in_hand: set[asyncio.Task[None]] = set()
        self._count = 0

    async def deliveries(self, principal: Principal, endpoint_id: str, limit: int, cursor: str | None) -> DeliveryList:
        """The log of an endpoint, newest first. Raises `NotFound`, `InvalidCursor`."""
        await self._endpoints.get(principal, endpoint_id)
        return await self._deliveries.page(endpoint_id, limit, cursor)

    async def redeliver(self, principal: Principal, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
        """Have an event sent once more, under the same id. Raises `NotFound`."""
        await self._endpoints.get(principal, endpoint_id)
        delivery = await self._deliveries.begin_again(endpoint_id, delivery_id)
        await self._queue.send([message_of(delivery, self._clock(), delivery.delivery_id)])
        return delivery

    async def run(self) -> None:
        """Until cancelled; what is in hand then becomes visible to others again."""
        try:
            while True:
                try:
                    if not await self._endpoints.known():
                        await asyncio.sleep(CACHE_S)
                    else:
                        await self.take(wait_s=5.0)
                except Exception:
                    log.exception("taking webhook deliveries failed")
                    await asyncio.sleep(1.0)
        finally:
            for task in self._in_hand:
                task.cancel()

    async def take(self, *, wait_s: float = 0.0) -> int:
        """Take what is there, as much as there is room for, and begin to deliver it; returns how many."""
        while self._count >= CAPACITY:
            await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
        received = await self._queue.receive(max_messages=BATCH, wait_s=wait_s, visibility_s=VISIBILITY_S)
        groups: defaultdict[tuple[str, str], list[Delivery]] = defaultdict(list)
        for each in received:
            if each.message.type != MESSAGE_TYPE:
                # Grouped with others it would hold them up, again and again.
                await self._queue.dead_letter(each, reason="It is no webhook delivery.")
                continue
            groups[each.message.data["endpoint_id"], each.message.data["request_id"]].append(each)
        for group in groups.values():
            self._hold(sorted(group, key=lambda each: int(each.message.data["sequence"])))
        return len(received)

    async def settle(self) -> None:
        """Wait until all that was begun has ended."""
        while self._in_hand:
            await asyncio.wait(self._in_hand)

    def _hold(self, group: list[Delivery]) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver_in_turn(group))
        self._in_hand.add(task)
        self._count += len(group)

        def let_go(done: asyncio.Task[None]) -> None:
            self._in_hand.discard(done)
            self._count -= len(group)

        task.add_done_callback(let_go)

    async def _deliver_in_turn(self, group: Sequence[Delivery]) -> None:
        for each in group:
            set_correlation(each.message.correlation_id)
            try:
                with process_span(each.message, "webhooks"):
                    await self._deliver(each)
            except AppError as error:
                # It becomes visible again.
                log.warning("webhook delivery %s is tried again: %s", each.message.message_id, error.code)
            except Exception:
                log.exception("webhook delivery %s is tried again", each.message.message_id)

    async def _deliver(self, queued: Delivery) -> None:
        data: Any = queued.message.data
        found = await self._deliveries.find(data["endpoint_id"], data["delivery_id"])
        if found is None or found[0].result != "pending":
            await self._queue.delete(queued)
            return
        delivery, version = found
        endpoint = await self._endpoints.find(delivery.endpoint_id)
        reason = self._why_dropped(delivery, endpoint)
        event = await self._event(delivery) if reason is None else None
        if endpoint is None or event is None:
            await self._end(queued, delivery, version, "dropped", reason or "The event was erased.")
            return
        wait_s = await self._wait_s(delivery, endpoint)
        if wait_s > 0:
            await self._queue.retry_later(queued, delay_s=wait_s)
            return
        await self._try(queued, delivery, version, endpoint, event)

    def _why_dropped(self, delivery: WebhookDelivery, endpoint: Endpoint | None) -> str | None:
        if endpoint is None:
            return "The endpoint was deleted."
        if endpoint.state == "disabled":
            return "The endpoint is disabled."
        if endpoint.state == "paused" and self._clock() - delivery.created_at > GIVE_UP:
            return "The endpoint was paused for too long."
        return None

    async def _event(self, delivery: WebhookDelivery) -> Event | None:
        events = await self._store.events(RequestId(delivery.request_id), after=delivery.sequence - 1)
        return events[0] if events and events[0].sequence == delivery.sequence else None

    async def _wait_s(self, delivery: WebhookDelivery, endpoint: Endpoint) -> float:
        """For how long it is not this delivery's turn; 0 where it is."""
        if endpoint.state == "paused":
            return HOLD_S
        now = self._clock()
        if delivery.next_attempt_at is not None and delivery.next_attempt_at > now:
            return (delivery.next_attempt_at - now).total_seconds()
        before = await self._deliveries.find(delivery.endpoint_id, delivery.previous) if delivery.previous else None
        if before is None or before[0].result != "pending":
            return 0.0
        due = before[0].next_attempt_at or now
        return min(max((due - now).total_seconds(), TURN_S), LONGEST_TURN_S)

    async def _try(
        self, queued: Delivery, delivery: WebhookDelivery, version: int, endpoint: Endpoint, event: Event
    ) -> None:
        secrets = await self._endpoints.signing_secrets(endpoint.endpoint_id)
        now = self._clock()
        result = await self._sender.post(endpoint.url, outgoing(delivery, endpoint, event), secrets, now)
        began_at = delivery.began_at or now
        tried = {
            "attempts": delivery.attempts + 1,
            "began_at": began_at,
            "last_attempt_at": now,
            "last_status": result.status,
            "last_error": result.error,
        }
        if result.is_delivered:
            await self._end(queued, delivery, version, "delivered", None, **tried)
            await self._endpoints.note_result(endpoint, succeeded=True)
            return
        pause_s = RETRY_S[min(delivery.attempts, len(RETRY_S) - 1)]
        is_last = result.status == GONE or now + timedelta(seconds=pause_s) - began_at > GIVE_UP
        if is_last:
            await self._end(queued, delivery, version, "failed", result.error, **tried)
        else:
            next_attempt_at = now + timedelta(seconds=pause_s)
            try:
                await self._deliveries.note(delivery, version, next_attempt_at=next_attempt_at, **tried)
            except VersionConflict:
                return
            await self._queue.retry_later(queued, delay_s=pause_s)
        log.warning(
            "webhook delivery %s failed at try %d: %s", delivery.delivery_id, delivery.attempts + 1, _told(result)
        )
        await self._endpoints.note_result(endpoint, succeeded=False, disable=self._why_disabled(endpoint, result, now))

    @staticmethod
    def _why_disabled(endpoint: Endpoint, result: PostResult, now: datetime) -> str | None:
        if result.status == GONE:
            return "It answered that it is gone (410)."
        if endpoint.failing_since is not None and now - endpoint.failing_since >= GIVE_UP:
            return "Every try failed for five days."
        return None

    async def _end(
        self, queued: Delivery, delivery: WebhookDelivery, version: int, result: str, error: str | None, **tried: Any
    ) -> None:
        try:
            changes = {"last_error": error, "next_attempt_at": None, **tried}
            await self._deliveries.note(delivery, version, result=result, **changes)
        except VersionConflict:
            # Another process has tried the same at the same time; what it found decides.
            return
        if result == "delivered":
            await self._queue.delete(queued)
        else:
            await self._queue.dead_letter(queued, reason=error or result)


def outgoing(delivery: WebhookDelivery, endpoint: Endpoint, event: Event) -> OutgoingEvent:
    """The event as the endpoint gets it: words, and ids of people, only where it asked for text."""
    data: dict[str, Any] = {
        "request_id": delivery.request_id,
        "building_id": delivery.building_id,
        "sequence": event.sequence,
        "kind": event.kind,
        "internal": event.internal,
        "by_system": event.actor in (SYSTEM, POLICY),
        "details": {name: value for name, value in event.details.items() if _is_plain(value) or endpoint.include_text},
    }
    if endpoint.include_text:
        data |= {"actor": event.actor, "message": event.message}
    return OutgoingEvent(
        message_id=delivery.delivery_id,
        event_id=f"{delivery.request_id}:{event.sequence}",
        type=f"aam.request.{event.kind}.v1",
        source=f"urn:aam:building:{quote(delivery.building_id)}",
        subject=delivery.request_id,
        time=event.at,
        data=data,
    )


def _is_plain(value: object) -> bool:
    """Whether it is a number, a label or an id, and no sentence."""
    return not isinstance(value, str) or (len(value) <= 100 and " " not in value)


def _told(result: PostResult) -> str:
    return f"status {result.status}" if result.status is not None else result.error or "no answer"
