"""The Execution service as its callers see it: queue a command, ask what became of it, and do the jobs it opened."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from core.actions import parse_parameters
from core.envelopes import wrap_command, wrap_outcome
from core.erasure import ErasureScope, StillAtWork
from core.errors import Unavailable
from core.messages import Execution, ExecutionCommand, ExecutionOutcome, ServiceHealth, WorkOrder
from core.ports.execution import DeliveredNotification, ExecutionLog, Notifier, OperationsDesk
from core.ports.page import Page
from core.ports.queue import Queue
from core.request import ExecutionId
from core.settings import Settings
from deployments.execution.consumer import Consumer, RetryPolicy
from deployments.execution.executor import Executor, utc_now


class Inbox(Notifier, Protocol):
    """A notifier that keeps what it sent until somebody takes it."""

    async def find_sent(self, notification_id: str) -> DeliveredNotification | None:
        """One message that was sent, or None."""
        ...

    async def acknowledge(self, notification_id: str, *, by: str, now: datetime) -> DeliveredNotification:
        """Note who took an alert; the first one stays. Raises `NotFound`."""
        ...


class ExecutionService:
    """Everything that one replica of Execution does; `start` makes it take work from the queue."""

    def __init__(
        self,
        *,
        log: ExecutionLog,
        desk: OperationsDesk,
        notifier: Inbox,
        commands: Queue,
        outcomes: Queue,
        settings: Settings,
        version: str,
        call_timeout_s: float = 10.0,
        oldest_age_limit_s: float = 300.0,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """To be called on a running event loop.

        `call_timeout_s` bounds each call of an outside system; `health` is degraded once the oldest command has waited
        for more than `oldest_age_limit_s`.
        """
        self._log = log
        self._desk = desk
        self._notifier = notifier
        self._commands = commands
        self._outcomes = outcomes
        self._version = version
        self._oldest_age_limit_s = oldest_age_limit_s
        self._clock = clock
        self._executor = Executor(log, desk, notifier, outcomes, call_timeout_s=call_timeout_s, clock=clock)
        self._consumer = Consumer(
            commands,
            self._executor,
            retries=RetryPolicy(settings.execution_attempts, settings.execution_retry_s),
            visibility_s=settings.queue_visibility_s,
        )
        self._started = False

    def start(self) -> None:
        """Begin to carry out commands."""
        self._consumer.start()
        self._started = True

    async def stop(self, *, grace_s: float = 20.0) -> None:
        """Take no more commands and let those in hand finish for `grace_s`."""
        self._started = False
        await self._consumer.stop(grace_s=grace_s)

    async def close(self) -> None:
        """Give back connections and threads; after `stop`."""
        for held in (self._desk, self._notifier, self._log, self._commands, self._outcomes):
            await held.close()

    async def enqueue(self, command: ExecutionCommand) -> Execution:
        """Check, log and queue a command; a repetition changes nothing.

        Raises `Invalid` on parameters that do not fit, `Conflict` where the id was used for other actions,
        `StoreUnavailable`, `QueueUnavailable`.
        """
        for call in command.actions:
            parse_parameters(call.action, call.parameters)
        now = self._clock()
        execution = await self._log.register(command, self._executor.plan(command), now=now)
        await self._commands.send([wrap_command(command, now)])
        return execution

    async def describe(self, execution_id: ExecutionId) -> Execution | None:
        """The log of an execution, or None."""
        return await self._log.get(execution_id)

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """Jobs on the operations desk, newest first. Raises `InvalidCursor`."""
        return await self._desk.work_orders(open_only=open_only, buildings=buildings, limit=limit, cursor=cursor)

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """One job, or None."""
        return await self._desk.work_order(work_order_id)

    async def complete_work_order(
        self,
        work_order_id: str,
        *,
        by: str,
        notes: str,
        actual_cost_usd: float | None,
        actual_hours: float | None,
        correlation_id: str | None = None,
    ) -> WorkOrder:
        """Close a job and tell its request; a repetition returns the job as it was closed.

        Raises `NotFound`, `SystemUnavailable`, `QueueUnavailable`; after the last the call must be repeated.
        """
        order = await self._desk.complete(
            work_order_id,
            by=by,
            notes=notes,
            actual_cost_usd=actual_cost_usd,
            actual_hours=actual_hours,
            now=self._clock(),
        )
        if order.request_id is not None:
            outcome = ExecutionOutcome(
                execution_id=order.execution_id,
                request_id=order.request_id,
                kind="work_completed",
                at=order.closed_at or self._clock(),
                notes=order.notes,
                actor=order.closed_by or by,
                actual_cost_usd=order.actual_cost_usd,
                actual_hours=order.actual_hours,
            )
            message = wrap_outcome(
                outcome, correlation_id=correlation_id or order.execution_id, job=order.work_order_id
            )
            await self._outcomes.send([message])
        return order

    async def notifications(
        self, *, recipient: str | None, limit: int, cursor: str | None
    ) -> Page[DeliveredNotification]:
        """What was sent, newest first. Raises `InvalidCursor`."""
        return await self._notifier.sent(recipient=recipient, limit=limit, cursor=cursor)

    async def notification(self, notification_id: str) -> DeliveredNotification | None:
        """One notification, or None."""
        return await self._notifier.find_sent(notification_id)

    async def acknowledge(self, notification_id: str, by: str) -> DeliveredNotification:
        """Somebody has taken an alert; the first one stays. Raises `NotFound`."""
        return await self._notifier.acknowledge(notification_id, by=by, now=self._clock())

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Take a resident's data out of the jobs, the inbox, the log and the queues, for good; may be repeated.

        Returns the ids of all that is about them, erased before or now. Raises `StillAtWork` while a command or news
        about them waits: what comes of it would hold the words again. Then nothing, or only a part, is erased.
        """
        await self._require_idle(scope)
        found = [
            *await self._desk.erase(scope, now=self._clock()),
            *await self._notifier.erase(scope),
            *await self._log.erase(scope),
        ]
        await self._require_idle(scope)
        return tuple(found)

    async def _require_idle(self, scope: ErasureScope) -> None:
        waiting = [await queue.erase(scope.needles) for queue in (self._commands, self._outcomes)]
        if any(waiting):
            raise StillAtWork("Work for this resident is still being carried out; it is erased when that has ended.")

    async def health(self) -> ServiceHealth:
        """How the service is: degraded where commands wait too long, unhealthy where they can't be read."""
        if self._started and not self._consumer.running:
            return ServiceHealth(status="unhealthy", detail="Commands are not being taken.", version=self._version)
        try:
            depth = await self._commands.depth(now=self._clock())
        except Unavailable as error:
            return ServiceHealth(status="unhealthy", detail=error.detail, version=self._version)
        detail = (
            f"{depth.visible} waiting, {depth.in_flight} in flight, {depth.dead} dead letters,"
            f" oldest {depth.oldest_age_s:.0f} s"
        )
        late = depth.oldest_age_s > self._oldest_age_limit_s
        return ServiceHealth(status="degraded" if late else "healthy", detail=detail, version=self._version)
