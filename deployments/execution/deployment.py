"""Execution on Ray Serve: a consumer of the queue that also answers questions about what it did."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from adapters import build
from core import tracing
from core.call_tracing import continues_traces
from core.correlation import configure_logging
from core.erasure import ErasureScope
from core.execution import Execution as ExecutionView
from core.execution import ExecutionCommand, WorkOrder
from core.execution_labels import NoticeKind
from core.messages import ServiceHealth
from core.metrics import UNMETERED, Meter
from core.notices import NotificationPreferences
from core.ports.execution import DeliveredNotification, SystemState
from core.ports.page import Page
from core.request import ExecutionId, RequestId
from core.settings import Settings
from deployments.execution.completions import CompletionNews, CompletionPoller
from deployments.execution.executor import utc_now
from deployments.execution.notices.adoption import InboxAdoption
from deployments.execution.notices.notifier import Notices
from deployments.execution.notices.on_call import home_zone_by_rules, on_call_by_rules
from deployments.execution.notices.pushing import NoticeSweeper
from deployments.execution.operations import ExecutionService


def open_notices(
    settings: Settings,
    clock: Callable[[], datetime] = utc_now,
    *,
    adoption: InboxAdoption | None = None,
    meter: Meter = UNMETERED,
) -> Notices:
    """The notifier with the channels that are configured; it holds documents of its own."""
    rules = build.rules_in_force(settings)
    return Notices(
        build.document_store(settings),
        build.channels(settings, meter),
        build.message_templates(),
        on_call_by_rules(rules, settings.time_zone),
        zone=settings.time_zone,
        public_url=settings.public_url,
        key=build.notice_key(settings),
        clock=clock,
        adoption=adoption,
        home_zone=home_zone_by_rules(rules),
        meter=meter,
    )


def open_service(
    settings: Settings, clock: Callable[[], datetime] = utc_now, meter: Meter = UNMETERED
) -> ExecutionService:
    """Everything that one replica does, with what the settings name; to be called on a running event loop."""
    desk, old_inbox = build.operations_desk(settings)
    systems, routes, readers = build.outside_systems(settings, desk, meter)
    documents = build.document_store(settings)
    adoption = InboxAdoption(old_inbox, documents)
    notices = open_notices(settings, clock, adoption=adoption, meter=meter)
    log, outcomes = build.execution_log(settings), build.outcome_queue(settings)
    poller = CompletionPoller(
        build.completion_sources(settings, meter), CompletionNews(log, outcomes, clock), documents, clock
    )
    return ExecutionService(
        log=log,
        desk=desk,
        systems=systems,
        routes=routes,
        notifier=notices,
        documents=documents,
        readers=poller.readers(readers),
        commands=build.execution_queue(settings),
        outcomes=outcomes,
        settings=settings,
        version=build.version(),
        call_limits=build.call_limits(settings),
        background=(NoticeSweeper(notices), adoption, poller),
        clock=clock,
        meter=meter,
    )


@continues_traces
class Execution:
    """One replica: the service and its consumer."""

    def __init__(self, settings: Settings) -> None:
        configure_logging()
        build.start_tracing(settings, "Execution")
        self._service = open_service(settings, meter=build.meter())
        self._service.start()

    async def enqueue(self, command: ExecutionCommand) -> ExecutionView:
        """Check, log and queue a command."""
        return await self._service.enqueue(command)

    async def describe(self, execution_id: ExecutionId) -> ExecutionView | None:
        """The log of an execution."""
        return await self._service.describe(execution_id)

    async def dead_lettered(self, *, limit: int, cursor: str | None) -> Page[ExecutionView]:
        """What waits for a person."""
        return await self._service.dead_lettered(limit=limit, cursor=cursor)

    async def retry(self, execution_id: ExecutionId, by: str) -> ExecutionView:
        """Try again what was given up."""
        return await self._service.retry(execution_id, by)

    async def systems(self) -> tuple[SystemState, ...]:
        """How the outside systems look from this replica."""
        return await self._service.systems()

    async def take_callback(self, system: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take an outside system's word that some work has ended."""
        return await self._service.take_callback(system, headers, body)

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """Jobs on the operations desk."""
        return await self._service.work_orders(open_only=open_only, buildings=buildings, limit=limit, cursor=cursor)

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """One job."""
        return await self._service.work_order(work_order_id)

    async def calendar(
        self, *, start: datetime, end: datetime, buildings: frozenset[str] | None, limit: int
    ) -> tuple[WorkOrder, ...]:
        """Open jobs within a span."""
        return await self._service.calendar(start=start, end=end, buildings=buildings, limit=limit)

    async def plan_work_order(
        self,
        work_order_id: str,
        *,
        by: str,
        expected_version: int,
        assigned_to: str | None,
        scheduled_start: datetime | None,
        scheduled_end: datetime | None,
    ) -> WorkOrder:
        """Say who does a job and when."""
        return await self._service.plan_work_order(
            work_order_id,
            by=by,
            expected_version=expected_version,
            assigned_to=assigned_to,
            scheduled_start=scheduled_start,
            scheduled_end=scheduled_end,
        )

    async def complete_work_order(
        self,
        work_order_id: str,
        *,
        by: str,
        notes: str,
        actual_cost_usd: float | None,
        actual_hours: float | None,
        correlation_id: str | None,
    ) -> WorkOrder:
        """Close a job."""
        return await self._service.complete_work_order(
            work_order_id,
            by=by,
            notes=notes,
            actual_cost_usd=actual_cost_usd,
            actual_hours=actual_hours,
            correlation_id=correlation_id,
        )

    async def cancel_work_orders(self, request_id: RequestId, *, by: str, reason: str) -> tuple[str, ...]:
        """Cancel the open jobs for a request."""
        return await self._service.cancel_work_orders(request_id, by=by, reason=reason)

    async def notifications(
        self, *, recipient: str | None, limit: int, cursor: str | None
    ) -> Page[DeliveredNotification]:
        """What was sent."""
        return await self._service.notifications(recipient=recipient, limit=limit, cursor=cursor)

    async def notification(self, notification_id: str) -> DeliveredNotification | None:
        """One notification."""
        return await self._service.notification(notification_id)

    async def acknowledge(self, notification_id: str, *, by: str) -> DeliveredNotification:
        """Take an alert."""
        return await self._service.acknowledge(notification_id, by=by)

    async def preferences(self, subject: str) -> NotificationPreferences:
        """How a person wishes to be told."""
        return await self._service.preferences(subject)

    async def choose_preferences(self, subject: str, preferences: NotificationPreferences) -> NotificationPreferences:
        """Store what a person chose."""
        return await self._service.choose_preferences(subject, preferences)

    async def unsubscribe(self, token: str) -> NoticeKind:
        """Switch a kind of message off."""
        return await self._service.unsubscribe(token)

    async def load(self) -> dict[str, float]:
        """What waits in the queue."""
        return await self._service.load()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What `scaling.QueueDepthPolicy` goes by; Serve asks now and then."""
        return await self._service.load()

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Take a resident's data out."""
        return await self._service.erase(scope)

    async def health(self) -> ServiceHealth:
        """How the queue and its consumer are."""
        return await self._service.health()

    async def __del__(self) -> None:
        """Stop polling first; what is in hand finishes."""
        await self._service.stop()
        await self._service.close()
        await asyncio.to_thread(tracing.flush)
