"""Routes to Execution: commands, their logs, the operations desk's jobs, and what people were told."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter

from core.contract import Contract, UtcTime
from core.messages import Execution, Notification, WorkOrder
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
    JobCompletion,
    NotificationOrder,
)

router = APIRouter(tags=["operations"], responses=documented(401, 403, 413, 422, 429, 500, 503))


class SentNotification(Contract):
    """A notification that a channel took."""

    notification_id: str
    channel: str
    notification: Notification
    at: UtcTime
    acknowledged_by: str | None = None
    acknowledged_at: UtcTime | None = None


class NotificationList(Contract):
    """A page of what was sent, newest first."""

    items: tuple[SentNotification, ...]
    next_cursor: str | None


class WorkOrderList(Contract):
    """A page of jobs, newest first."""

    items: tuple[WorkOrder, ...]
    next_cursor: str | None


_view = TypeAdapter(SentNotification)


def _shown(sent: DeliveredNotification) -> SentNotification:
    return _view.validate_python(vars(sent))


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


@router.get("/operations/work-orders", response_model=WorkOrderList)
async def list_work_orders(
    service: Service,
    caller: Caller,
    open_only: Annotated[bool, Query(alias="open")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The operations desk's jobs."""
    page = await service.operations.work_orders(caller, open_only, limit, cursor)
    return send(Reply(WorkOrderList(items=page.items, next_cursor=page.next_cursor)))


@router.post(
    "/operations/work-orders/{work_order_id}/complete", response_model=WorkOrder, responses=documented(404, 409)
)
async def complete_work_order(
    work_order_id: str, completion: JobCompletion, service: Service, caller: Caller, once: OnceOnly
) -> Response:
    """Close a job, with what it really took; its request becomes resolved."""

    async def work(_: str) -> Reply:
        return Reply(await service.operations.complete(caller, work_order_id, completion))

    return await once(work_order_id, work)


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
