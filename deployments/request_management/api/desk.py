"""Routes to the operations desk: jobs, who does them and when, the calendar, and their end."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from core.contract import Contract, SentTime
from core.execution import WorkOrder
from deployments.request_management.api.context import (
    Caller,
    Cursor,
    Limit,
    OnceOnly,
    Reply,
    Service,
    expected_version,
    send,
)
from deployments.request_management.api.problems import documented
from deployments.request_management.schemas import JobCompletion, JobPlan

router = APIRouter(tags=["operations desk"], responses=documented(401, 403, 413, 422, 429, 500, 503))
ONE = "/operations/work-orders/{work_order_id}"


class WorkOrderList(Contract):
    """A page of jobs, newest first."""

    items: tuple[WorkOrder, ...]
    next_cursor: str | None


class WorkOrderCalendar(Contract):
    """Open jobs in the order of their begin."""

    items: tuple[WorkOrder, ...]


def _of_job(job: WorkOrder) -> Response:
    return send(Reply(job, headers={"ETag": f'"{job.version}"'}))


@router.get("/operations/work-orders", response_model=WorkOrderList)
async def list_work_orders(
    service: Service,
    caller: Caller,
    open_only: Annotated[bool, Query(alias="open")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The operations desk's jobs."""
    page = await service.desk.jobs(caller, open_only, limit, cursor)
    return send(Reply(WorkOrderList(items=page.items, next_cursor=page.next_cursor)))


@router.get("/operations/calendar", response_model=WorkOrderCalendar)
async def work_order_calendar(service: Service, caller: Caller, start: SentTime, end: SentTime) -> Response:
    """Open jobs that are to begin within a span of at most 62 days; 500 of them at most."""
    return send(Reply(WorkOrderCalendar(items=await service.desk.calendar(caller, start, end))))


@router.get(ONE, response_model=WorkOrder, responses=documented(404))
async def get_work_order(work_order_id: str, service: Service, caller: Caller) -> Response:
    """One job."""
    return _of_job(await service.desk.job(caller, work_order_id))


@router.put(ONE, response_model=WorkOrder, responses=documented(404, 409, 412))
async def plan_work_order(
    work_order_id: str,
    plan: JobPlan,
    service: Service,
    caller: Caller,
    if_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Say who does a job and when; the resident is told of a visit to their home."""
    return _of_job(await service.desk.plan(caller, work_order_id, plan, expected_version(if_match)))


@router.post(f"{ONE}/complete", response_model=WorkOrder, responses=documented(404, 409))
async def complete_work_order(
    work_order_id: str, completion: JobCompletion, service: Service, caller: Caller, once: OnceOnly
) -> Response:
    """Close a job, with what it really took; its request becomes resolved."""

    async def work(_: str) -> Reply:
        return Reply(await service.desk.complete(caller, work_order_id, completion))

    return await once(work_order_id, work)
