"""The delivery log: one document for each event and endpoint, made before the event is queued."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from core.contract import Contract, UtcTime, rfc3339
from core.errors import NotFound, VersionConflict
from core.ports.documents import Document, DocumentStore
from core.ports.queue import QueueMessage
from core.request import Event, Request
from deployments.request_management.webhooks import Endpoint

KIND = "webhook-delivery"
MESSAGE_TYPE = "aam.webhook.v1"
Result = Literal["pending", "delivered", "failed", "dropped"]


class WebhookDelivery(Contract):
    """How one event came to one endpoint."""

    delivery_id: str
    """The `webhook-id` of every try."""
    endpoint_id: str
    request_id: str
    building_id: str
    sequence: int
    kind: str
    result: Result
    """`failed` after the last try, `dropped` where there was no endpoint or event any more to try with."""
    created_at: UtcTime
    attempts: int = Field(default=0, ge=0)
    redeliveries: int = Field(default=0, ge=0)
    """How often somebody asked for it again."""
    began_at: UtcTime | None = None
    """When this round of tries began."""
    last_attempt_at: UtcTime | None = None
    last_status: int | None = None
    """The HTTP status of the latest answer; null where none came."""
    last_error: str | None = None
    next_attempt_at: UtcTime | None = None
    previous: str | None = None
    """The delivery of the same request that must have ended before."""


class DeliveryList(Contract):
    """A page of an endpoint's deliveries, newest first."""

    items: tuple[WebhookDelivery, ...]
    next_cursor: str | None


def delivery_id_of(endpoint_id: str, request_id: str, sequence: int) -> str:
    """The same id for the same event and endpoint, whoever makes it."""
    digest = hashlib.sha256(f"{endpoint_id}:{request_id}:{sequence}".encode()).hexdigest()
    return f"DEL_{digest[:32]}"


def new_delivery(
    endpoint: Endpoint, request: Request, event: Event, previous: Event | None, now: datetime
) -> WebhookDelivery:
    """What is to be sent; after `previous` where the endpoint wanted an event of the request before."""
    request_id, endpoint_id = request.request_id, endpoint.endpoint_id
    return WebhookDelivery(
        delivery_id=delivery_id_of(endpoint_id, request_id, event.sequence),
        endpoint_id=endpoint_id,
        request_id=request_id,
        building_id=request.building_id,
        sequence=event.sequence,
        kind=event.kind,
        result="pending",
        created_at=now,
        previous=delivery_id_of(endpoint_id, request_id, previous.sequence) if previous else None,
    )


def message_of(delivery: WebhookDelivery, now: datetime, correlation_id: str) -> QueueMessage:
    """The message that has a delivery tried; the same one for the same round of tries."""
    again = f":{delivery.redeliveries}" if delivery.redeliveries else ""
    return QueueMessage(
        message_id=f"{delivery.endpoint_id}:{delivery.request_id}:{delivery.sequence}{again}",
        type=MESSAGE_TYPE,
        data={
            "endpoint_id": delivery.endpoint_id,
            "delivery_id": delivery.delivery_id,
            "request_id": delivery.request_id,
            "sequence": delivery.sequence,
        },
        time=now,
        correlation_id=correlation_id,
    )


class DeliveryLog:
    """Reads and writes the log. Every method may raise `StoreUnavailable`."""

    def __init__(self, documents: DocumentStore, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock

    async def add(self, delivery: WebhookDelivery) -> None:
        """Write it down, unless it is there."""
        try:
            await self._documents.put(_document(delivery, 1))
        except VersionConflict:
            return

    async def find(self, endpoint_id: str, delivery_id: str) -> tuple[WebhookDelivery, int] | None:
        """The delivery and the version that it is stored at."""
        document = await self._documents.get(KIND, f"{endpoint_id}/{delivery_id}")
        return (WebhookDelivery.model_validate(document.body), document.version) if document else None

    async def note(self, delivery: WebhookDelivery, version: int, **changes: Any) -> WebhookDelivery:
        """Store changes of a delivery that was read at `version`. Raises `VersionConflict`."""
        after = WebhookDelivery.model_validate(delivery.model_dump() | changes)
        await self._documents.put(_document(after, version + 1))
        return after

    async def page(self, endpoint_id: str, limit: int, cursor: str | None) -> DeliveryList:
        """An endpoint's deliveries, newest first. Raises `InvalidCursor`."""
        page = await self._documents.list(KIND, endpoint_id, limit=limit, cursor=cursor)
        items = tuple(WebhookDelivery.model_validate(document.body) for document in page.items)
        return DeliveryList(items=items, next_cursor=page.next_cursor)

    async def begin_again(self, endpoint_id: str, delivery_id: str) -> WebhookDelivery:
        """A delivery that has ended as a new round of tries; one that waits stays as it is. Raises `NotFound`."""
        found = await self.find(endpoint_id, delivery_id)
        if found is None:
            raise NotFound("There is no such delivery.")
        delivery, version = found
        if delivery.result == "pending":
            return delivery
        return await self.note(
            delivery,
            version,
            result="pending",
            attempts=0,
            redeliveries=delivery.redeliveries + 1,
            began_at=None,
            next_attempt_at=None,
            previous=None,
        )


def _document(delivery: WebhookDelivery, version: int) -> Document:
    return Document(
        KIND,
        f"{delivery.endpoint_id}/{delivery.delivery_id}",
        delivery.endpoint_id,
        f"{rfc3339(delivery.created_at)} {delivery.request_id} {delivery.sequence:06d}",
        version,
        delivery.model_dump(mode="json"),
    )
