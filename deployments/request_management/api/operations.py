"""Routes to Execution: commands, their logs, outside systems, and what people were told."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter

from core.contract import Contract, UtcTime
from core.execution import Execution, Notification
from core.execution_labels import ChannelName, ExecutionStatus
from core.ports.execution import DeliveredNotification
from deployments.request_management.api.context import (
    Caller,
    Correlation,
    Cursor,
    Limit,
    OnceOnly,
    Reply,
    Service,
    send,
)
from deployments.request_management.api.problems import documented
from deployments.request_management.operations import new_execution_id
from deployments.request_management.orders import order_execution_id
from deployments.request_management.schemas import (
    ExecutionOrder,
    ExecutionReceipt,
    NotificationOrder,
)

router = APIRouter(tags=["operations"], responses=documented(401, 403, 413, 422, 429, 500, 503))


class SentDelivery(Contract):
    """How one push of a notification went."""

    channel: ChannelName
    recipient: str
    status: Literal["waiting", "sent", "failed", "suppressed"]
    due_at: UtcTime
    """When it is, or was, to go out."""
    attempts: int = 0
    external_id: str | None = None
    reason: str | None = None
    at: UtcTime | None = None


class ToldPerson(Contract):
    """A person who was told of an alert."""

    who: str
    """The post, such as `maintenance supervisor`."""
    person: str
    at: UtcTime


class SentNotification(Contract):
    """A notification that a channel took."""

    notification_id: str
    channel: str
    notification: Notification
    at: UtcTime
    acknowledged_by: str | None = None
    acknowledged_at: UtcTime | None = None
    deliveries: tuple[SentDelivery, ...] = ()
    """How its pushes went; the inbox holds it in any case."""
    ladder: tuple[ToldPerson, ...] = ()
    """Of an alert: who was told so far."""


class NotificationList(Contract):
    """A page of what was sent, newest first."""

    items: tuple[SentNotification, ...]
    next_cursor: str | None


class ExecutionList(Contract):
    """A page of executions, newest first."""

    items: tuple[Execution, ...]
    next_cursor: str | None


class OutsideSystem(Contract):
    """How an outside system looks from one replica."""

    name: str
    status: Literal["ok", "failing", "left_alone"]
    """`failing`: its newest call failed; `left_alone`: it failed so often that it is not called for a while."""
    in_flight: int
    calls: int
    failures: int
    last_error: str | None


class SystemList(Contract):
    """All outside systems."""

    items: tuple[OutsideSystem, ...]


_system = TypeAdapter(OutsideSystem)
_view = TypeAdapter(SentNotification)


def _shown(sent: DeliveredNotification) -> SentNotification:
    fields = vars(sent) | {
        "deliveries": tuple(vars(each) for each in sent.deliveries),
        "ladder": tuple(vars(each) for each in sent.ladder),
    }
    return _view.validate_python(fields)


@router.post("/execute", response_model=ExecutionReceipt, status_code=202, responses=documented(404, 409))
async def execute(
    order: ExecutionOrder, service: Service, caller: Caller, correlation: Correlation, once: OnceOnly
) -> Response:
    """Queue one action for a request."""

    async def work(execution_id: str) -> Reply:
        execution = await service.operations.execute(caller, order, execution_id, correlation)
        return _receipt(execution)

    return await once(order_execution_id(order.request_id), work)


@router.post("/notify", response_model=ExecutionReceipt, status_code=202, responses=documented(409))
async def notify(
    order: NotificationOrder, service: Service, caller: Caller, correlation: Correlation, once: OnceOnly
) -> Response:
    """Queue a message to a resident or a staff role."""

    async def work(execution_id: str) -> Reply:
        return _receipt(await service.operations.notify(caller, order, execution_id, correlation))

    return await once(new_execution_id(service.clock()), work)


def _receipt(execution: Execution) -> Reply:
    receipt = ExecutionReceipt(execution_id=execution.execution_id, status=execution.status)
    return Reply(receipt, 202, {"Location": f"/api/v1/executions/{execution.execution_id}"})


@router.get("/executions/{execution_id}", response_model=Execution, responses=documented(404))
async def get_execution(execution_id: str, service: Service, caller: Caller) -> Response:
    """How an execution stands, step by step."""
    return send(Reply(await service.operations.describe(caller, execution_id)))


@router.get("/executions", response_model=ExecutionList)
async def list_executions(
    service: Service,
    caller: Caller,
    status: Literal[ExecutionStatus.DEAD_LETTERED] = ExecutionStatus.DEAD_LETTERED,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Executions that could not be carried out and wait for a person, the newest first."""
    page = await service.executions.dead_lettered(caller, limit, cursor)
    return send(Reply(ExecutionList(items=page.items, next_cursor=page.next_cursor)))


@router.post(
    "/executions/{execution_id}/retry", response_model=Execution, status_code=202, responses=documented(404, 409)
)
async def retry_execution(execution_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Try again what was given up: what has been done is not repeated."""

    async def work(_: str) -> Reply:
        return Reply(await service.executions.retry(caller, execution_id), 202)

    return await once(execution_id, work)


@router.get("/operations/systems", response_model=SystemList)
async def list_systems(service: Service, caller: Caller) -> Response:
    """How the outside systems look from the replica that answers."""
    states = await service.executions.systems(caller)
    return send(Reply(SystemList(items=tuple(_system.validate_python(vars(state)) for state in states))))


@router.get("/notifications", response_model=NotificationList)
async def list_notifications(
    service: Service,
    caller: Caller,
    recipient: Annotated[str | None, Query(max_length=200)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What was sent: to themselves for residents, to anybody for staff."""
    page = await service.operations.notifications(caller, recipient, limit, cursor)
    items = tuple(_shown(sent) for sent in page.items)
    return send(Reply(NotificationList(items=items, next_cursor=page.next_cursor)))


@router.post(
    "/notifications/{notification_id}/acknowledge", response_model=SentNotification, responses=documented(404, 409)
)
async def acknowledge(notification_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Take an alert as the person on call."""

    async def work(_: str) -> Reply:
        return Reply(_shown(await service.operations.acknowledge(caller, notification_id)))

    return await once(notification_id, work)
