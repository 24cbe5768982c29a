"""Real SQLite logs, desks, notices and queues, with outside systems that fail on demand."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from adapters.desk_database import open_desk_database
from adapters.documents_sqlite import SqliteDocumentStore
from adapters.execution_log_sqlite import SqliteExecutionLog
from adapters.message_templates import JinjaTemplates
from adapters.queue_sqlite import SqliteQueue
from adapters.sqlite import Database
from adapters.system_operations_desk import SqliteOperationsDesk
from core.envelopes import unwrap_outcome, wrap_command
from core.errors import ActionRejected, QueueUnavailable, SystemBusy, SystemUnavailable
from core.execution import ActionCall, ExecutionCommand, ExecutionOutcome, Notification
from core.execution_labels import ActionKind
from core.labels import Crew, Role, Urgency
from core.ports.execution import ActionContext, Effect, OutsideSystem, SystemState
from core.ports.queue import QueueMessage
from core.request import ExecutionId, RequestId
from deployments.execution.consumer import Consumer
from deployments.execution.executor import Executor
from deployments.execution.notices.notifier import Notices
from deployments.execution.ordering import Ordering
from deployments.execution.retries import RetryPolicy

T = TypeVar("T")

FAULTS = ("ok", "down", "down_after", "crash", "crash_after", "reject", "hang", "hang_after", "busy")


@dataclass
class Faults:
    """What the coming calls meet, by idempotency key; `ok` once the list is used up. `*` is for any key."""

    coming: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    calls: list[str] = field(default_factory=list)
    active: int = 0
    most_active: int = 0
    pause_s: float = 0.0
    spans: list[tuple[str, str]] = field(default_factory=list)

    async def around(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(key)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        self.spans.append(("begin", key))
        try:
            return await self._meet(self._next(key), work)
        finally:
            self.active -= 1
            self.spans.append(("end", key))

    def _next(self, key: str) -> str:
        for name in (key, "*"):
            if self.coming[name]:
                return self.coming[name].pop(0)
        return "ok"

    async def _meet(self, fault: str, work: Callable[[], Awaitable[T]]) -> T:
        if self.pause_s:
            await asyncio.sleep(self.pause_s)
        if fault == "busy":
            raise SystemBusy("No room.", 0.01)
        if fault == "reject":
            raise ActionRejected("We don't do that here.")
        if fault in ("ok", "down_after", "crash_after", "hang_after"):
            result = await work()
            if fault == "ok":
                return result
        if fault.startswith("hang"):
            await asyncio.sleep(3600)
        if fault.startswith("crash"):
            raise RuntimeError("a bug in the adapter")
        raise SystemUnavailable("The desk does not answer.")


class FaultyDesk(SqliteOperationsDesk):
    """The real desk behind a bad line; undoing meets the faults of `undo:<key>`."""

    def __init__(self, database: Database, faults: Faults, clock: Callable[[], datetime]) -> None:
        super().__init__(database, clock=clock)
        self.faults = faults

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        return await self.faults.around(context.idempotency_key, lambda: super(FaultyDesk, self).perform(call, context))

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        return await self.faults.around(
            f"undo:{context.idempotency_key}", lambda: super(FaultyDesk, self).undo(call, context, external_id)
        )


@dataclass
class ForgetfulSystem:
    """A system that makes a new thing at each call, whatever the key; it can only be asked what it has.

    `made` counts what was performed and `undone` what was taken back, by key.
    """

    name: str
    faults: Faults
    is_done: bool = False
    can_undo: bool = True
    made: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    undone: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    standing: dict[str, str] = field(default_factory=dict[str, str])
    order: list[str] = field(default_factory=list[str])

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        async def work() -> Effect:
            key = context.idempotency_key
            self.made[key] += 1
            self.order.append(key)
            self.standing[key] = f"EXT-{sum(self.made.values())}"
            return Effect(self.standing[key], self.is_done)

        return await self.faults.around(context.idempotency_key, work)

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        found = self.standing.get(context.idempotency_key)
        return None if found is None else Effect(found, self.is_done)

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        async def work() -> bool:
            if self.can_undo and self.standing.pop(context.idempotency_key, None) is not None:
                self.undone[context.idempotency_key] += 1
                self.order.append(f"undo:{context.idempotency_key}")
            return self.can_undo

        return await self.faults.around(f"undo:{context.idempotency_key}", work)

    def state(self) -> SystemState:
        return SystemState(self.name, "ok", calls=sum(self.made.values()))

    async def close(self) -> None:
        return None


class FaultyNotices(Notices):
    """The real notices behind a bad line."""

    faults: Faults

    async def send(self, notification: Notification, *, idempotency_key: str, now: datetime) -> str:
        send = super().send
        return await self.faults.around(
            idempotency_key, lambda: send(notification, idempotency_key=idempotency_key, now=now)
        )


@dataclass(frozen=True)
class Post:
    """Somebody on call."""

    who: str = "maintenance supervisor"
    person: str = "ann"
    wait_minutes: float = 5


class FaultyQueue(SqliteQueue):
    """The real queue, that does not answer for a while."""

    down: int = 0
    sends: int = 0

    async def send(self, messages: Sequence[QueueMessage]) -> None:
        self.sends += 1
        if self.down > 0:
            self.down -= 1
            raise QueueUnavailable("The queue does not answer.")
        await super().send(messages)


@dataclass
class World:
    """One machine: its files, its faults and its clock."""

    now: datetime
    database: Database
    faults: Faults
    log: SqliteExecutionLog
    desk: FaultyDesk
    inbox: FaultyNotices
    documents: SqliteDocumentStore
    commands: SqliteQueue
    outcomes: FaultyQueue
    consumers: list[Consumer] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def executor(
        self,
        *,
        systems: Mapping[str, OutsideSystem] | None = None,
        routes: Mapping[ActionKind, str] | None = None,
        call_timeout_s: float = 10.0,
        **policy: Any,
    ) -> Executor:
        retries = RetryPolicy(**({"attempts": 3, "first_pause_s": 0.01} | policy))
        return Executor(
            self.log,
            {"operations_desk": self.desk} | dict(systems or {}),
            routes or {},
            self.inbox,
            self.outcomes,
            retries=retries,
            call_timeout_s=call_timeout_s,
            clock=self.clock,
        )

    def consumer(self, executor: Executor | None = None, **settings: Any) -> Consumer:
        policy = {"attempts": 3, "first_pause_s": 0.01}
        policy |= {name: settings.pop(name) for name in list(settings) if name in RetryPolicy.__dataclass_fields__}
        settings = {"visibility_s": 5.0, "poll_wait_s": 0.05} | settings
        made = Consumer(
            self.commands,
            executor or self.executor(**policy),
            Ordering(self.log, self.clock),
            retries=RetryPolicy(**policy),
            clock=self.clock,
            **settings,
        )
        self.consumers.append(made)
        return made

    def forgetful(self, name: str = "shop", **settings: Any) -> ForgetfulSystem:
        return ForgetfulSystem(name, self.faults, **settings)

    async def close(self) -> None:
        for consumer in self.consumers:
            await consumer.stop(grace_s=0.0)
        for held in (self.log, self.desk, self.documents, self.commands, self.outcomes):
            await held.close()

    async def send(self, *commands: ExecutionCommand) -> None:
        await self.commands.send([wrap_command(command, self.now) for command in commands])

    async def news(self) -> list[ExecutionOutcome]:
        """What the outcomes queue holds now; it is emptied."""
        taken: list[ExecutionOutcome] = []
        while deliveries := await self.outcomes.receive(max_messages=50, wait_s=0, visibility_s=30):
            for delivery in deliveries:
                taken.append(unwrap_outcome(delivery.message))
                await self.outcomes.delete(delivery)
        return taken

    async def inbox_subjects(self, recipient: str | None = None) -> list[str]:
        page = await self.inbox.sent(recipient=recipient, limit=200, cursor=None)
        return [delivered.notification.subject for delivered in page.items]

    async def jobs(self) -> list[str]:
        page = await self.desk.work_orders(open_only=False, buildings=None, limit=200, cursor=None)
        return [order.title for order in page.items]

    async def settled(self, seconds: float = 10.0) -> None:
        """Wait until the queue holds nothing but dead letters and no message is in hand."""
        async with asyncio.timeout(seconds):
            while True:
                depth = await self.commands.depth(now=datetime.now(UTC))
                if not depth.visible and not depth.in_flight and not any(c.in_hand for c in self.consumers):
                    return
                await asyncio.sleep(0.01)


def build_world(folder: Path) -> World:
    faults = Faults()
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    database = open_desk_database(folder / "desk.sqlite3")
    documents = SqliteDocumentStore(folder / "documents.sqlite3")
    inbox = FaultyNotices(
        documents, {}, JinjaTemplates(), lambda alert, at: (Post(),), zone="UTC", public_url=None, key=b"k" * 32
    )
    inbox.faults = faults
    return World(
        now=now,
        database=database,
        faults=faults,
        log=SqliteExecutionLog(folder / "executions.sqlite3"),
        desk=FaultyDesk(database, faults, lambda: now),
        inbox=inbox,
        documents=documents,
        commands=SqliteQueue(folder / "queues.sqlite3", "executions"),
        outcomes=FaultyQueue(folder / "queues.sqlite3", "outcomes"),
    )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = build_world(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def make_world() -> Callable[[Path], World]:
    return build_world


def job(title: str = "Fix the tap", *, needs: Sequence[int] = ()) -> ActionCall:
    return ActionCall(
        action=ActionKind.DISPATCH_WORK_ORDER,
        parameters={"title": title, "crew": Crew.PLUMBING, "building_id": "BLD_A", "unit": "101"},
        needs=tuple(needs),
    )


def task(title: str = "Ring the bell", *, needs: Sequence[int] = ()) -> ActionCall:
    parameters = {"title": title, "crew": Crew.CONCIERGE, "building_id": "BLD_A"}
    return ActionCall(action=ActionKind.CREATE_STAFF_TASK, parameters=parameters, needs=tuple(needs))


def alert(subject: str = "Gas") -> ActionCall:
    parameters = {"role": Role.STAFF, "building_id": "BLD_A", "subject": subject, "body": "Smell of gas"}
    return ActionCall(action=ActionKind.ALERT_ON_CALL, parameters=parameters)


def note(subject: str = "We are on it", *, needs: Sequence[int] = ()) -> ActionCall:
    parameters = {"recipient_kind": "resident", "recipient": "RES_1", "subject": subject, "body": "Soon."}
    return ActionCall(action=ActionKind.NOTIFY, parameters=parameters, needs=tuple(needs))


@pytest.fixture
def call() -> dict[str, Callable[..., ActionCall]]:
    """Makers of actions by name."""
    return {"job": job, "task": task, "alert": alert, "note": note}


@pytest.fixture
def make_command() -> Callable[..., ExecutionCommand]:
    def make(
        *actions: ActionCall,
        execution_id: str = "EXE_1",
        request_id: str | None = "REQ_1",
        urgency: Urgency = Urgency.MEDIUM,
        after: str | None = None,
    ) -> ExecutionCommand:
        return ExecutionCommand(
            execution_id=ExecutionId(execution_id),
            request_id=None if request_id is None else RequestId(request_id),
            urgency=urgency,
            actions=actions or (alert(), job(), note()),
            correlation_id="corr-1",
            requested_by="policy",
            after=None if after is None else ExecutionId(after),
        )

    return make
