"""Real SQLite logs, desks, inboxes and queues, with outside systems that fail on demand."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.desk_database import open_desk_database
from adapters.execution_log_sqlite import SqliteExecutionLog
from adapters.notify_inbox import InboxNotifier
from adapters.queue_sqlite import SqliteQueue
from adapters.sqlite import Database
from adapters.system_operations_desk import SqliteOperationsDesk
from core.envelopes import unwrap_outcome, wrap_command
from core.errors import ActionRejected, QueueUnavailable, SystemUnavailable
from core.labels import ActionKind, Crew, Role, Urgency
from core.messages import ActionCall, ExecutionCommand, ExecutionOutcome, Notification
from core.ports.execution import ActionContext
from core.request import ExecutionId, RequestId
from deployments.execution.consumer import Consumer, RetryPolicy
from deployments.execution.executor import Executor

FAULTS = ("ok", "down", "down_after", "crash", "crash_after", "reject", "hang", "hang_after")


@dataclass
class Faults:
    """What the coming calls meet, by idempotency key; `ok` once the list is used up. `*` is for any key."""

    coming: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    calls: list[str] = field(default_factory=list)
    active: int = 0
    most_active: int = 0
    pause_s: float = 0.0
    spans: list[tuple[str, str]] = field(default_factory=list)

    async def around(self, key: str, work: Callable[[], Any]) -> str:
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

    async def _meet(self, fault: str, work: Callable[[], Any]) -> str:
        if self.pause_s:
            await asyncio.sleep(self.pause_s)
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
    """The real desk behind a bad line."""

    def __init__(self, database: Database, faults: Faults, clock: Callable[[], datetime]) -> None:
        super().__init__(database, clock=clock)
        self.faults = faults

    async def perform(self, call: ActionCall, context: ActionContext) -> str:
        return await self.faults.around(context.idempotency_key, lambda: super(FaultyDesk, self).perform(call, context))


class ForgetfulDesk(FaultyDesk):
    """A system that opens a new job at each call, whatever the key; it can only be asked what it has."""

    opened: int = 0

    async def perform(self, call: ActionCall, context: ActionContext) -> str:
        async def work() -> str:
            self.opened += 1
            self.ids.setdefault(context.idempotency_key, f"EXT-{self.opened}")
            return f"EXT-{self.opened}"

        return await self.faults.around(context.idempotency_key, work)

    @property
    def ids(self) -> dict[str, str]:
        return self.__dict__.setdefault("_ids", {})

    async def find(self, idempotency_key: str) -> str | None:
        return self.ids.get(idempotency_key)


class FaultyInbox(InboxNotifier):
    """The real inbox behind a bad line."""

    def __init__(self, database: Database, faults: Faults) -> None:
        super().__init__(database)
        self.faults = faults

    async def send(self, notification: Notification, *, idempotency_key: str, now: datetime) -> str:
        send = super().send
        return await self.faults.around(
            idempotency_key, lambda: send(notification, idempotency_key=idempotency_key, now=now)
        )


class FaultyQueue(SqliteQueue):
    """The real queue, that does not answer for a while."""

    down: int = 0
    sends: int = 0

    async def send(self, messages_: Any) -> None:
        self.sends += 1
        if self.down > 0:
            self.down -= 1
            raise QueueUnavailable("The queue does not answer.")
        await super().send(messages_)


@dataclass
class World:
    """One machine: its files, its faults and its clock."""

    now: datetime
    database: Database
    faults: Faults
    log: SqliteExecutionLog
    desk: FaultyDesk
    inbox: FaultyInbox
    commands: SqliteQueue
    outcomes: FaultyQueue
    consumers: list[Consumer] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def executor(self, *, desk: FaultyDesk | None = None, call_timeout_s: float = 10.0) -> Executor:
        return Executor(
            self.log, desk or self.desk, self.inbox, self.outcomes, call_timeout_s=call_timeout_s, clock=self.clock
        )

    def consumer(self, executor: Executor | None = None, **settings: Any) -> Consumer:
        retries = RetryPolicy(settings.pop("attempts", 3), settings.pop("first_pause_s", 0.01))
        settings = {"visibility_s": 5.0, "poll_wait_s": 0.05} | settings
        made = Consumer(self.commands, executor or self.executor(), retries=retries, **settings)
        self.consumers.append(made)
        return made

    def forgetful_desk(self) -> "ForgetfulDesk":
        return ForgetfulDesk(self.database, self.faults, self.clock)

    async def close(self) -> None:
        for consumer in self.consumers:
            await consumer.stop(grace_s=0.0)
        for held in (self.log, self.desk, self.inbox, self.commands, self.outcomes):
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
    return World(
        now=now,
        database=database,
        faults=faults,
        log=SqliteExecutionLog(folder / "executions.sqlite3"),
        desk=FaultyDesk(database, faults, lambda: now),
        inbox=FaultyInbox(database, faults),
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


def job(title: str = "Fix the tap") -> ActionCall:
    return ActionCall(
        action=ActionKind.DISPATCH_WORK_ORDER,
        parameters={"title": title, "crew": Crew.PLUMBING, "building_id": "BLD_A", "unit": "101"},
    )


def alert(subject: str = "Gas") -> ActionCall:
    parameters = {"role": Role.STAFF, "building_id": "BLD_A", "subject": subject, "body": "Smell of gas"}
    return ActionCall(action=ActionKind.ALERT_ON_CALL, parameters=parameters)


def note(subject: str = "We are on it") -> ActionCall:
    parameters = {"recipient_kind": "resident", "recipient": "RES_1", "subject": subject, "body": "Soon."}
    return ActionCall(action=ActionKind.NOTIFY, parameters=parameters)


@pytest.fixture
def call() -> dict[str, Callable[..., ActionCall]]:
    """Makers of actions by name."""
    return {"job": job, "alert": alert, "note": note}


@pytest.fixture
def make_command() -> Callable[..., ExecutionCommand]:
    def make(*actions: ActionCall, execution_id: str = "EXE_1", request_id: str | None = "REQ_1") -> ExecutionCommand:
        return ExecutionCommand(
            execution_id=ExecutionId(execution_id),
            request_id=None if request_id is None else RequestId(request_id),
            urgency=Urgency.EMERGENCY,
            actions=actions or (alert(), job(), note()),
            correlation_id="corr-1",
            requested_by="policy",
        )

    return make
