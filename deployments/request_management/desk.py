"""The operations desk as staff use it: who does a job and when, the calendar, and the end of a job."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from core.actions import NotifyParameters
from core.contract import rfc3339
from core.correlation import current_correlation
from core.errors import Invalid, NotFound
from core.execution import ActionCall, ExecutionCommand, WorkOrder
from core.execution_labels import ActionKind
from core.identity import Principal
from core.labels import Crew
from core.ports.page import Page
from core.ports.store import RequestStore
from core.request import ExecutionId
from deployments.request_management import access
from deployments.request_management.peers import ExecutionDesk
from deployments.request_management.schemas import JobCompletion, JobPlan

LONGEST_CALENDAR = timedelta(days=62)
MOST_IN_CALENDAR = 500
AT_HOME = frozenset({"work_order", "visit"})
OUTSIDE_HOMES = frozenset({Crew.OFFICE, Crew.CONCIERGE, Crew.SECURITY})


class Desk:
    """Jobs on the operations desk, in the caller's buildings."""

    def __init__(self, store: RequestStore, execution: ExecutionDesk, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._execution = execution
        self._clock = clock

    async def jobs(self, principal: Principal, open_only: bool, limit: int, cursor: str | None) -> Page[WorkOrder]:
        """Jobs, newest first."""
        access.require_role(principal, access.STAFF)
        return await self._execution.work_orders(
            open_only=open_only, buildings=principal.buildings, limit=limit, cursor=cursor
        )

    async def job(self, principal: Principal, work_order_id: str) -> WorkOrder:
        """One job. Raises `NotFound`."""
        access.require_role(principal, access.STAFF)
        found = await self._execution.work_order(work_order_id)
        if found is None or (found.building_id is not None and not principal.covers(found.building_id)):
            raise NotFound("There is no such work order.")
        return found

    async def calendar(self, principal: Principal, start: datetime, end: datetime) -> tuple[WorkOrder, ...]:
        """Open jobs that are to begin within the span, the earliest first; at most 500. Raises `Invalid`."""
        access.require_role(principal, access.STAFF)
        if not timedelta(0) < end - start <= LONGEST_CALENDAR:
            raise Invalid(f"Give an end after the start, at most {LONGEST_CALENDAR.days} days later.")
        return await self._execution.calendar(
            start=start, end=end, buildings=principal.buildings, limit=MOST_IN_CALENDAR
        )

    async def plan(
        self, principal: Principal, work_order_id: str, plan: JobPlan, expected_version: int | None
    ) -> WorkOrder:
        """Say who does a job and when; the resident is told when somebody comes to their home, or does not after all.

        Where telling fails the plan stands, and the call must be repeated: at the version that the job then has.
        Raises `NotFound`, `StaleVersion`, `WrongState`, `Invalid`, `ServiceUnavailable`.
        """
        job = await self.job(principal, work_order_id)
        planned = await self._execution.plan_work_order(
            work_order_id,
            by=principal.sub,
            expected_version=job.version if expected_version is None else expected_version,
            assigned_to=plan.assigned_to,
            scheduled_start=plan.scheduled_start,
            scheduled_end=plan.scheduled_end,
        )
        # Whether it changed just now or in a call that could not tell of it: to repeat a message is to send nothing.
        if planned.rescheduled:
            await self._tell_resident(planned, principal.sub)
        return planned

    async def complete(self, principal: Principal, work_order_id: str, completion: JobCompletion) -> WorkOrder:
        """Close a job; its request becomes resolved when the news has reached it. Raises `NotFound`, `WrongState`."""
        await self.job(principal, work_order_id)
        return await self._execution.complete_work_order(
            work_order_id,
            by=principal.sub,
            notes=completion.notes,
            actual_cost_usd=completion.actual_cost_usd,
            actual_hours=completion.actual_hours,
        )

    async def _tell_resident(self, job: WorkOrder, by: str) -> None:
        told = _message(job)
        if told is None or job.kind not in AT_HOME or job.unit is None or job.crew in OUTSIDE_HOMES:
            return
        record = await self._store.get(job.request_id) if job.request_id is not None else None
        if record is None:
            return
        event, fields = told
        message = NotifyParameters(
            recipient_kind="resident", recipient=record.request.resident_id, event=event, fields=fields
        )
        await self._execution.enqueue(
            ExecutionCommand(
                execution_id=_message_id(job),
                request_id=None,
                urgency=job.urgency,
                actions=(ActionCall(action=ActionKind.NOTIFY, parameters=message.model_dump(mode="json")),),
                correlation_id=current_correlation() or record.correlation_id,
                requested_by=by,
            )
        )


def _message(job: WorkOrder) -> tuple[str, dict[str, str]] | None:
    """The event that a job's last change of time is, and its fields; None where it had and has no time."""
    if job.scheduled_start is not None and job.scheduled_end is not None:
        starts, ends = rfc3339(job.scheduled_start), rfc3339(job.scheduled_end)
        return "visit_scheduled", {"title": job.title, "starts": starts, "ends": ends}
    if job.scheduled_before is not None:
        return "visit_cancelled", {"title": job.title, "starts": rfc3339(job.scheduled_before)}
    return None


def _message_id(job: WorkOrder) -> ExecutionId:
    """The same for the same change of time; a time that comes back after another one is told of again."""
    parts = (job.work_order_id, str(job.rescheduled), str(job.scheduled_start), str(job.scheduled_end))
    return ExecutionId(f"EXE_{hashlib.sha256(':'.join(parts).encode()).hexdigest()[:24]}")
