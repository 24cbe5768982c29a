"""The Execution service as its callers see it: queue a command, ask what became of it, and do the jobs it opened."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from core.actions import parse_parameters
from core.envelopes import wrap_command, wrap_outcome
from core.erasure import ErasureScope, StillAtWork
from core.errors import NotFound, Unavailable, WrongState
from core.execution import Execution, ExecutionCommand, ExecutionOutcome, WorkOrder
from core.execution_labels import ActionKind, ExecutionStatus, NoticeKind
from core.messages import ServiceHealth
from core.metrics import UNMETERED, Meter
from core.notices import NotificationPreferences
from core.ports.documents import DocumentStore
from core.ports.execution import (
    CallbackReader,
    DeliveredNotification,
    ExecutionLog,
    Notifier,
    OperationsDesk,
    OutsideSystem,
    SystemState,
)
from core.ports.page import Page
from core.ports.queue import Queue, QueueMessage
from core.request import ExecutionId, RequestId
from core.settings import Settings
from deployments.execution.callbacks import Callbacks
from deployments.execution.consumer import Consumer, retry_id
from deployments.execution.desk_announcements import DeskAnnouncements
from deployments.execution.executor import Executor, utc_now
from deployments.execution.load import QueueGauges, QueueLoad
from deployments.execution.ordering import Ordering
from deployments.execution.retries import RetryPolicy


class Inbox(Notifier, Protocol):
    """A notifier that asks people how they wish to be told."""

    async def preferences(self, subject: str) -> NotificationPreferences:
        """How a person wishes to be told; the defaults, at version 0, where they chose nothing."""
        ...

    async def choose_preferences(self, subject: str, preferences: NotificationPreferences) -> NotificationPreferences:
        """Store what a person chose over what they read. Raises `StaleVersion`."""
        ...

    async def unsubscribe(self, token: str) -> NoticeKind:
        """Switch off the kind that the link named. Raises `NotFound` for a token that is none."""
        ...


class Background(Protocol):
    """Something else that works while the service does, such as the sweeper of pushes."""

    async def run(self) -> None:
        """Work until it is cancelled, or until there is nothing left to do."""
        ...


class ExecutionService:
    """Everything that one replica of Execution does; `start` makes it take work from the queue."""

    def __init__(
        self,
        *,
        log: ExecutionLog,
        desk: OperationsDesk,
        systems: Mapping[str, OutsideSystem],
        routes: Mapping[ActionKind, str],
        notifier: Inbox,
        documents: DocumentStore,
        readers: Mapping[str, CallbackReader],
        commands: Queue,
        outcomes: Queue,
        settings: Settings,
        version: str,
        background: Sequence[Background] = (),
        call_timeout_s: float = 30.0,
        call_limits: Mapping[str, float] | None = None,
        oldest_age_limit_s: float = 300.0,
        clock: Callable[[], datetime] = utc_now,
        meter: Meter = UNMETERED,
    ) -> None:
        """To be called on a running event loop.

        `systems` holds the desk, too. `call_limits` bounds each call of a system by its name, `call_timeout_s` those of
        others; `health` is degraded once the oldest command has waited for more than `oldest_age_limit_s`.
        """
        self._log = log
        self._desk = desk
        self._systems = systems
        self._notifier = notifier
        self._documents = documents
        self._commands = commands
        self._outcomes = outcomes
        self._version = version
        gauges = QueueGauges(commands, meter, clock, systems.values())
        self._background = (*background, DeskAnnouncements(desk, self.tell_completion, clock), gauges)
        self._tasks: set[asyncio.Task[None]] = set()
        self._oldest_age_limit_s = oldest_age_limit_s
        self._clock = clock
        retries = RetryPolicy.of(settings)
        self._executor = Executor(
            log,
            systems,
            routes,
            notifier,
            outcomes,
            retries=retries,
            call_timeout_s=call_timeout_s,
            call_limits=call_limits,
            clock=clock,
            meter=meter,
        )
        self._consumer = Consumer(
            commands,
            self._executor,
            Ordering(log, clock),
            retries=retries,
            visibility_s=settings.queue_visibility_s,
            clock=clock,
            meter=meter,
        )
        self._callbacks = Callbacks(readers, log, outcomes, documents, clock)
        self._load = QueueLoad(commands, clock)
        self._started = False

    def start(self) -> None:
        """Begin to carry out commands."""
        self._consumer.start()
        if not self._tasks:
            self._tasks = {asyncio.create_task(each.run()) for each in self._background}
        self._started = True

    async def stop(self, *, grace_s: float = 20.0) -> None:
        """Take no more commands and let those in hand finish for `grace_s`."""
        self._started = False
        await self._consumer.stop(grace_s=grace_s)
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Give back connections and threads; after `stop`."""
        held = [*self._systems.values(), self._desk, self._notifier, self._log, self._commands, self._outcomes]
        for each in {id(each): each for each in (*held, self._documents)}.values():
            await each.close()

    async def enqueue(self, command: ExecutionCommand) -> Execution:
        """Check, log and queue a command; a repetition changes nothing.

        Raises `Invalid` on parameters and needs that do not fit, `Conflict` where the id was used for other actions,
        `StoreUnavailable`, `QueueUnavailable`.
        """
        for call in command.actions:
            parse_parameters(call.action, call.parameters)
        now, plan = self._clock(), self._executor.plan(command)
        if await self._log.get(command.execution_id) is not None:
            # It refuses an id that was used for other actions before these are sent.
            await self._log.register(command, plan, now=now)
        # Sent first: what is logged as unfinished and was never sent would never end.
        await self._commands.send([wrap_command(command, now)])
        return await self._log.register(command, plan, now=now)

    async def describe(self, execution_id: ExecutionId) -> Execution | None:
        """The log of an execution, or None."""
        return await self._log.get(execution_id)

    async def dead_lettered(self, *, limit: int, cursor: str | None) -> Page[Execution]:
        """Executions that wait for a person, the newest first. Raises `InvalidCursor`."""
        return await self._log.dead_lettered(limit=limit, cursor=cursor)

    async def retry(self, execution_id: ExecutionId, by: str) -> Execution:
        """Have what was given up tried again; the log as it stands now.

        A repetition sends nothing twice: the message's id is of this one end of the execution. Raises `NotFound`,
        `WrongState` for one that is not dead-lettered, `StoreUnavailable`, `QueueUnavailable`.
        """
        execution, command = await self._log.get(execution_id), await self._log.command(execution_id)
        if execution is None or command is None:
            raise NotFound("There is no such execution.")
        if execution.status is not ExecutionStatus.DEAD_LETTERED:
            raise WrongState(f"The execution is {execution.status}; only one that was given up can be tried again.")
        # Who asked is in the request's timeline; the log holds what was to be done.
        if not await self._commands.redrive(execution_id):
            await self._commands.send([_retry_message(command, execution.attempts, self._clock())])
        return execution

    async def systems(self) -> tuple[SystemState, ...]:
        """How the outside systems look from this replica, by name."""
        return tuple(system.state() for _, system in sorted(self._systems.items()))

    async def take_callback(self, system: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take an outside system's word that some work has ended; False for one that was taken before.

        Raises `Unauthenticated`, `Invalid`, `NotFound` for an unknown system or work, `StoreUnavailable` and
        `QueueUnavailable`; after the last three the sender tries again.
        """
        return await self._callbacks.take(system, headers, body)

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """Jobs on the operations desk, newest first. Raises `InvalidCursor`."""
        return await self._desk.work_orders(open_only=open_only, buildings=buildings, limit=limit, cursor=cursor)

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """One job, or None."""
        return await self._desk.work_order(work_order_id)

    async def calendar(
        self, *, start: datetime, end: datetime, buildings: frozenset[str] | None, limit: int
    ) -> tuple[WorkOrder, ...]:
        """Open jobs that are scheduled to begin within the span, the earliest first."""
        return await self._desk.calendar(start=start, end=end, buildings=buildings, limit=limit)

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
        """Say who does an open job and when. Raises `NotFound`, `StaleVersion`, `WrongState`, `Invalid`."""
        return await self._desk.plan(
            work_order_id,
            by=by,
            expected_version=expected_version,
            assigned_to=assigned_to,
            scheduled_start=scheduled_start,
            scheduled_end=scheduled_end,
            now=self._clock(),
        )

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

        Raises `NotFound`, `WrongState` for one that waits for others, `SystemUnavailable`, `QueueUnavailable`; after
        the last the call must be repeated.
        """
        order = await self._desk.complete(
            work_order_id,
            by=by,
            notes=notes,
            actual_cost_usd=actual_cost_usd,
            actual_hours=actual_hours,
            now=self._clock(),
        )
        if order.status == "Done":
            await self.tell_completion(order, correlation_id)
            await self._desk.announced(order.work_order_id)
        return order

    async def cancel_work_orders(self, request_id: RequestId, *, by: str, reason: str) -> tuple[str, ...]:
        """Cancel the desk's open jobs for a request that is settled without them; their ids. May be repeated.

        The request is told nothing: whoever asks for it is about to change it. Raises `SystemUnavailable`.
        """
        return await self._desk.cancel(request_id, by=by, reason=reason, now=self._clock())

    async def tell_completion(self, order: WorkOrder, correlation_id: str | None = None) -> None:
        """Put the end of a job into the queue of news, under the same id at each repetition. Raises `Unavailable`."""
        if order.request_id is None:
            return
        outcome = ExecutionOutcome(
            execution_id=order.execution_id,
            request_id=order.request_id,
            kind="work_completed",
            at=order.closed_at or self._clock(),
            notes=order.notes,
            actor=order.closed_by or "system",
            actual_cost_usd=order.actual_cost_usd,
            actual_hours=order.actual_hours,
            job=order.work_order_id,
        )
        message = wrap_outcome(outcome, correlation_id=correlation_id or order.execution_id, job=order.work_order_id)
        await self._outcomes.send([message])

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

    async def preferences(self, subject: str) -> NotificationPreferences:
        """How a person wishes to be told; version 0 where they never said."""
        return await self._notifier.preferences(subject)

    async def choose_preferences(self, subject: str, preferences: NotificationPreferences) -> NotificationPreferences:
        """Store them over those of the same version. Raises `StaleVersion`."""
        return await self._notifier.choose_preferences(subject, preferences)

    async def unsubscribe(self, token: str) -> NoticeKind:
        """Switch a kind of message off. Raises `NotFound` for a token that is none."""
        return await self._notifier.unsubscribe(token)

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

    async def load(self) -> dict[str, float]:
        """`queue_depth` and `oldest_age_s` of the commands, for autoscaling; never raises."""
        return await self._load.measure()

    async def health(self) -> ServiceHealth:
        """How the service is: degraded where commands wait too long, unhealthy where they can't be read."""
        if self._started and not self._consumer.running:
            return ServiceHealth(status="unhealthy", detail="Commands are not being taken.", version=self._version)
        if any(task.done() and not task.cancelled() and task.exception() is not None for task in self._tasks):
            return ServiceHealth(status="unhealthy", detail="Work in the background has failed.", version=self._version)
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

    async def _require_idle(self, scope: ErasureScope) -> None:
        # A queue may not be able to say what waits in it; the log knows what has not ended.
        waiting = [await queue.erase(scope.needles) for queue in (self._commands, self._outcomes)]
        if any(waiting) or await self._log.unfinished(scope):
            raise StillAtWork("Work for this resident is still being carried out; it is erased when that has ended.")


def _retry_message(command: ExecutionCommand, attempts: int, now: datetime) -> QueueMessage:
    return QueueMessage(
        message_id=retry_id(command, attempts),
        type=wrap_command(command, now).type,
        data=command.model_dump(mode="json"),
        time=now,
        correlation_id=command.correlation_id,
    )
