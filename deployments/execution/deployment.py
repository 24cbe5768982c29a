"""Execution on Ray Serve: a consumer of the queue that also answers questions about what it did."""

from adapters import build
from core.correlation import configure_logging
from core.erasure import ErasureScope
from core.messages import Execution as ExecutionView
from core.messages import ExecutionCommand, ServiceHealth, WorkOrder
from core.ports.execution import DeliveredNotification
from core.ports.page import Page
from core.request import ExecutionId
from core.settings import Settings
from deployments.execution.operations import ExecutionService


class Execution:
    """One replica: the service and its consumer."""

    def __init__(self, settings: Settings) -> None:
        configure_logging()
        desk, notifier = build.operations_desk(settings)
        self._service = ExecutionService(
            log=build.execution_log(settings),
            desk=desk,
            notifier=notifier,
            commands=build.execution_queue(settings),
            outcomes=build.outcome_queue(settings),
            settings=settings,
            version=build.version(),
        )
        self._service.start()

    async def enqueue(self, command: ExecutionCommand) -> ExecutionView:
        """Check, log and queue a command."""
        return await self._service.enqueue(command)

    async def describe(self, execution_id: ExecutionId) -> ExecutionView | None:
        """The log of an execution."""
        return await self._service.describe(execution_id)

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """Jobs on the operations desk."""
        return await self._service.work_orders(open_only=open_only, buildings=buildings, limit=limit, cursor=cursor)

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """One job."""
        return await self._service.work_order(work_order_id)

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
