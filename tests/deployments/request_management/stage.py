"""RequestManagement's parts on a real store and queue, with a standing clock and peers that say what they are told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.metrics_memory import MemoryMeter
from adapters.queue_sqlite import SqliteQueue
from adapters.store_sqlite import SqliteRequestStore
from core.business_calendar import BusinessCalendar
from core.entry import EntryTerms
from core.envelopes import unwrap_command
from core.errors import AppError
from core.execution import ExecutionCommand
from core.labels import ApprovalTier, Category, Role, Status, Trade, Urgency
from core.messages import AssessItem, Assessment, ItemFailure, Resolved, ResolveItem
from core.record import NextAction, RequestRecord
from core.request import ExecutionId, Sla
from core.service_terms import ServiceTerms
from core.settings import Settings
from deployments.request_management import decisions, lifecycle
from deployments.request_management.dispatch import Dispatcher
from deployments.request_management.due_work import Sweeper
from deployments.request_management.operations import Operations
from deployments.request_management.pipeline import Pipeline
from deployments.request_management.requests import Requests
from deployments.request_management.revision import Revision
from tests.builders import build_record, build_resolved
from tests.clock import ManualClock

MORNING = datetime(2026, 5, 4, 14, tzinfo=UTC)
"""A Monday, ten o'clock in New York."""
RESPONSE_HOURS = {Urgency.EMERGENCY: 1.0, Urgency.HIGH: 4.0, Urgency.MEDIUM: 24.0, Urgency.LOW: 48.0}
RESOLUTION_HOURS = {Urgency.EMERGENCY: 4.0, Urgency.HIGH: 24.0, Urgency.MEDIUM: 120.0, Urgency.LOW: 336.0}


def build_terms(
    created_at: datetime = MORNING, urgency: Urgency = Urgency.MEDIUM, **fields: Any
) -> tuple[Sla, ServiceTerms]:
    """Targets in hours of the calendar, a warning at 80 %, a week to confirm, a reminder after a day, quiet 22–7."""
    known: dict[str, Any] = {
        "created_at": created_at,
        "calendar": BusinessCalendar(),
        "clock": "calendar",
        "may_pause": urgency is not Urgency.EMERGENCY,
        "house_response_due_at": created_at + timedelta(hours=RESPONSE_HOURS[urgency]),
        "house_resolution_due_at": created_at + timedelta(hours=RESOLUTION_HOURS[urgency]),
        "basis": f"targets#{urgency}",
        "warn_at_share": 0.8,
        "confirm_within_hours": 168.0,
        "remind_after_hours": 24.0,
        "quiet_start": time(22),
        "quiet_end": time(7),
    }
    terms = ServiceTerms(**known | fields)
    due = terms.due()
    return Sla(response_due_at=due.response, resolution_due_at=due.resolution, basis=due.basis), terms


def build_decision(
    status: Any = Status.AWAITING_SELECTION,
    *,
    act_now: bool = False,
    urgency: Urgency = Urgency.MEDIUM,
    **resolved: Any,
) -> tuple[Assessment, Resolved]:
    """What both services say of a message that came at `MORNING`."""
    judged = build_resolved(status, act_now=act_now)
    labels = judged.classification.model_copy(
        update={"urgency": urgency, "emergency": urgency is Urgency.EMERGENCY, "trade": Trade.PLUMBING}
    )
    sla, terms = build_terms(MORNING, urgency)
    decided = judged.resolved.model_copy(update={"sla": sla, "terms": terms} | resolved)
    return Assessment(classification=labels, risk=judged.risk), decided


def build_open(**request: Any) -> RequestRecord:
    """A request that came at `MORNING` and is being looked at."""
    fields: dict[str, Any] = {
        "status": Status.PROCESSING,
        "created_at": MORNING,
        "updated_at": MORNING,
        "request_id": "REQ_20260504T140000000_abcdef",
    }
    lease = MORNING + timedelta(seconds=15)
    due = {"timers": {NextAction.PROCESS: lease}, "next_action": NextAction.PROCESS, "next_action_at": lease}
    return build_record(record=due, **fields | request)


def build_decided(assessment: Assessment, resolved: Resolved, at: datetime = MORNING, **request: Any) -> RequestRecord:
    """The same request after its decision."""
    record = build_open(**request)
    return decisions.apply_decision(record, assessment.classification, assessment.risk, resolved, at).record


def sent(record: RequestRecord) -> RequestRecord:
    """As if the queue held the outbox: without status changes or news."""
    timers = {kind: at for kind, at in record.timers.items() if kind is not NextAction.DISPATCH}
    first = min(timers, key=lambda kind: timers[kind], default=None)
    moment = timers[first] if first else None
    return record.model_copy(update={"outbox": (), "timers": timers, "next_action": first, "next_action_at": moment})


class Peers:
    """AIProcessing and DecisionSimulation as scripts; an error set here is raised instead of an answer."""

    def __init__(self) -> None:
        self.assessment, self.resolved = build_decision()
        self.assessing: AppError | ItemFailure | None = None
        self.resolving: AppError | ItemFailure | None = None
        self.promising: AppError | None = None
        self.before_answer: Callable[[], Any] | None = None
        self.before_promise: Callable[[], Any] | None = None
        self.items: list[ResolveItem] = []
        self.promised: list[tuple[Category, Urgency]] = []
        self.authorities = {Role.STAFF: ApprovalTier.NONE, Role.MANAGER: ApprovalTier.MANAGER}

    async def assess(self, item: AssessItem) -> Assessment | ItemFailure:
        if isinstance(self.assessing, AppError):
            raise self.assessing
        return self.assessing or self.assessment

    async def resolve(self, item: ResolveItem) -> Resolved | ItemFailure:
        self.items.append(item)
        if self.before_answer is not None:
            await self.before_answer()
        if isinstance(self.resolving, AppError):
            raise self.resolving
        return self.resolving or self.resolved

    async def terms(
        self,
        building_id: str | None,
        category: Category,
        trade: Trade | None,
        urgency: Urgency,
        message_text: str,
        created_at: datetime,
    ) -> tuple[Sla, ServiceTerms]:
        self.promised.append((category, urgency))
        if self.before_promise is not None:
            await self.before_promise()
        if self.promising is not None:
            raise self.promising
        return build_terms(created_at, urgency)

    async def entry_terms(
        self, building_id: str | None, urgency: Urgency, entry_consent: bool | None
    ) -> EntryTerms | None:
        return None

    async def authority(self, role: Role, building_id: str | None = None) -> ApprovalTier:
        return self.authorities[role]

    async def required_tier(
        self,
        urgency: Urgency,
        cost_usd: float,
        building_id: str | None = None,
        category: Category | None = None,
        spent_usd: dict[Category, float] | None = None,
    ) -> ApprovalTier:
        return ApprovalTier.NONE if cost_usd <= 500 else ApprovalTier.MANAGER


class NoExecution:
    """Execution that has seen nothing yet."""

    async def describe(self, execution_id: ExecutionId) -> None:
        return None


class Stage:
    """One replica's parts over a store file; several may be opened on the same file."""

    def __init__(self, folder: Path, peers: Any, clock: ManualClock, store: Any = None) -> None:
        self.peers, self.clock = peers, clock
        self.store = store or SqliteRequestStore(folder / "requests.sqlite3")
        self.queue = SqliteQueue(folder / "queues.sqlite3", "executions", clock=lambda: clock().timestamp())
        settings = Settings(state_dir=folder)
        self.dispatcher = Dispatcher(self.store, self.queue, clock)
        self.pipeline = Pipeline(settings, self.store, peers, peers, self.dispatcher, clock)
        self.revision = Revision(settings, self.store, peers, peers, self.dispatcher, clock)
        self.requests = Requests(self.store, peers, self.dispatcher, self.revision, clock, ZoneInfo("UTC"))
        execution: Any = NoExecution()
        self.operations = Operations(self.store, peers, execution, self.dispatcher, clock, ZoneInfo("UTC"))
        self.meter = MemoryMeter()
        self.sweeper = Sweeper(settings, self.store, self.pipeline, self.dispatcher, self.revision, clock, self.meter)

    async def add(self, record: RequestRecord) -> RequestRecord:
        """Store a record as version 1, with as many events as it says it has."""
        request = record.request.model_copy(update={"version": 1})
        stored = record.model_copy(update={"request": request, "last_event": 0})
        assert await self.store.create(stored, ())
        return stored

    async def get(self, record: RequestRecord) -> RequestRecord:
        found = await self.store.get(record.request.request_id)
        assert found is not None
        return found

    async def kinds(self, record: RequestRecord) -> list[str]:
        return [event.kind for event in await self.store.events(record.request.request_id)]

    async def sweep(self) -> int:
        claimed = await self.sweeper.sweep()
        await self.sweeper.settle()
        return claimed

    async def commands(self) -> list[ExecutionCommand]:
        """What the queue holds, taken off."""
        found: list[ExecutionCommand] = []
        while deliveries := await self.queue.receive(max_messages=10, wait_s=0.0, visibility_s=1000.0):
            for delivery in deliveries:
                found.append(unwrap_command(delivery.message))
                await self.queue.delete(delivery)
        return found

    async def close(self) -> None:
        await self.store.close()
        await self.queue.close()


@asynccontextmanager
async def staged(folder: Path, peers: Peers | None = None, clock: ManualClock | None = None) -> AsyncIterator[Stage]:
    stage = Stage(folder, peers or Peers(), clock or ManualClock(MORNING))
    try:
        yield stage
    finally:
        await stage.sweeper.settle()
        await stage.close()


def choose_first(record: RequestRecord, at: datetime) -> RequestRecord:
    """The resident takes the first option."""
    return lifecycle.select_option(record, record.request.options[0].option_id, "RES_A_101", at).record
