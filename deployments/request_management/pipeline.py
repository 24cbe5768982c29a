"""Carries one stored request from its message to its decision: assess, resolve, store."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.correlation import detached_context, set_correlation
from core.errors import AppError, Unavailable, VersionConflict
from core.labels import Category, Status
from core.messages import (
    AssessItem,
    Assessment,
    Backlog,
    BuildingFacts,
    ItemFailure,
    PastRequest,
    Resolved,
    ResolveItem,
    Workload,
)
from core.ports.store import RequestStore
from core.record import NextAction, RequestRecord
from core.request import BuildingId, RequestId
from core.settings import Settings
from deployments.request_management import lifecycle
from deployments.request_management.change import Change
from deployments.request_management.cohort import cohort_of
from deployments.request_management.commands import POLICY
from deployments.request_management.dispatch import Dispatcher
from deployments.request_management.peers import AIProcessing, DecisionSimulation

log = logging.getLogger(__name__)

HISTORY_DAYS = 180
WORKLOAD_SECONDS = 5.0
AUTONOMY = "Autonomy:"
"""How the trace's line begins that says why policy selects."""


class Pipeline:
    """Runs requests in tasks of its own, so that a client that leaves stops nothing.

    A run that fails for now is tried again after a pause until its lease is nearly over; then the sweeper has it.
    """

    def __init__(
        self,
        settings: Settings,
        store: RequestStore,
        ai: AIProcessing,
        decision: DecisionSimulation,
        dispatcher: Dispatcher,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._store = store
        self._ai = ai
        self._decision = decision
        self._dispatcher = dispatcher
        self._clock = clock
        self._zone = ZoneInfo(settings.time_zone)
        self._running: dict[RequestId, asyncio.Task[RequestRecord]] = {}
        self._workload: tuple[datetime, Workload] | None = None
        self._backlog: tuple[datetime, Backlog] | None = None

    def start(self, record: RequestRecord) -> asyncio.Task[RequestRecord]:
        """Process the record in the background; a request that is running already is not started twice."""
        request_id = record.request.request_id
        running = self._running.get(request_id)
        if running is not None:
            return running
        task = detached(self._run(record))
        self._running[request_id] = task
        task.add_done_callback(lambda done: self._forget(request_id, done))
        return task

    def _forget(self, request_id: RequestId, done: asyncio.Task[RequestRecord]) -> None:
        self._running.pop(request_id, None)
        if not done.cancelled() and done.exception() is not None:
            log.warning("pipeline of %s left for the sweeper: %s", request_id, type(done.exception()).__name__)

    async def _run(self, record: RequestRecord) -> RequestRecord:
        set_correlation(record.correlation_id)
        if record.attempts > self._settings.pipeline_attempts:
            outage = ItemFailure(code="unavailable", detail="a part of the system does not answer.")
            return await self._give_to_person(record, outage)
        give_up_at = self._clock() + timedelta(seconds=self._settings.pipeline_lease_s * 0.8)
        pause_s = 0.5
        while True:
            try:
                return await self._process(record)
            except VersionConflict:
                record = await self._current(record)
                if not is_waiting(record):
                    return record
            except Unavailable:
                if self._clock() + timedelta(seconds=pause_s) > give_up_at:
                    raise
                await asyncio.sleep(pause_s)
                pause_s *= 2
            except AppError as error:
                log.exception("pipeline of %s failed", record.request.request_id)
                failure = ItemFailure(code=error.code, detail="the system could not judge it.")
                return await self._give_to_person(record, failure)

    async def _process(self, record: RequestRecord) -> RequestRecord:
        request = record.request
        history, building = await self._store.history(
            request.resident_id,
            request.building_id,
            since=request.created_at - timedelta(days=HISTORY_DAYS),
            before=request.created_at,
        )
        item = _assess_item(record, history, building, await self._current_backlog())
        assessment = await self._ai.assess(item)
        if isinstance(assessment, ItemFailure):
            return await self._give_to_person(record, assessment)
        resolved = await self._decision.resolve(
            _resolve_item(record, assessment, history, await self._current_workload(), await self._spent(record))
        )
        if isinstance(resolved, ItemFailure):
            labels = assessment.classification
            known = {"safety_rule": labels.safety_rule, "safety_advice": labels.safety_advice}
            return await self._give_to_person(record, resolved.model_copy(update=known))
        change = lifecycle.apply_decision(record, assessment.classification, assessment.risk, resolved, self._clock())
        stored = await self._store_change(record, change)
        return stored if resolved.carry_out is None else await self._carry_out(stored, resolved)

    async def _carry_out(self, record: RequestRecord, resolved: Resolved) -> RequestRecord:
        """Select in the resident's place, as the resident would; where this fails, the resident still can."""
        line = next((gate for gate in resolved.trace.gates if gate.startswith(AUTONOMY)), None)
        selected = lifecycle.select_option(record, str(resolved.carry_out), POLICY, self._clock(), reason=line)
        return await self._store_change(record, selected)

    async def _spent(self, record: RequestRecord) -> dict[Category, float]:
        """What the building has spent since the month began there."""
        return await spent_this_month(self._store, record.request.building_id, self._zone, self._clock())

    async def _give_to_person(self, record: RequestRecord, failure: ItemFailure) -> RequestRecord:
        return await self._store_change(record, lifecycle.give_to_person(record, failure, self._clock()))

    async def _store_change(self, record: RequestRecord, change: Change) -> RequestRecord:
        await self._store.save(change.record, expected_version=record.request.version, events=change.events)
        if change.record.next_action is NextAction.DISPATCH:
            self._dispatcher.start(change.record)
        return change.record

    async def _current(self, record: RequestRecord) -> RequestRecord:
        """The request as somebody else left it in the meantime."""
        return await self._store.get(record.request.request_id) or record

    async def _current_workload(self) -> Workload:
        now = self._clock()
        if self._workload is None or (now - self._workload[0]).total_seconds() > WORKLOAD_SECONDS:
            self._workload = (now, await self._store.workload())
        return self._workload[1]

    async def _current_backlog(self) -> Backlog:
        now = self._clock()
        if self._backlog is None or (now - self._backlog[0]).total_seconds() > WORKLOAD_SECONDS:
            self._backlog = (now, await self._store.backlog())
        return self._backlog[1]


async def spent_this_month(
    store: RequestStore, building_id: BuildingId, zone: ZoneInfo, now: datetime
) -> dict[Category, float]:
    """US dollars by category since the month began in this time zone."""
    month = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return await store.spent(building_id, since=month, before=now)


def detached(work: Coroutine[None, None, RequestRecord]) -> asyncio.Task[RequestRecord]:
    """A task that goes on when the caller's client leaves."""
    return asyncio.get_running_loop().create_task(work, context=detached_context())


def is_waiting(record: RequestRecord) -> bool:
    """Whether the pipeline has still to decide."""
    return record.request.status in (Status.SUBMITTED, Status.PROCESSING)


def _assess_item(
    record: RequestRecord, history: tuple[PastRequest, ...], building: BuildingFacts, backlog: Backlog
) -> AssessItem:
    request = record.request
    return AssessItem(
        message_text=request.message_text,
        at=request.created_at,
        category=record.chosen_category,
        urgency=record.chosen_urgency,
        history=history,
        building=building,
        backlog=backlog,
        cohort=cohort_of(request.resident_id),
    )


def _resolve_item(
    record: RequestRecord,
    assessment: Assessment,
    history: tuple[PastRequest, ...],
    workload: Workload,
    spent_usd: dict[Category, float],
) -> ResolveItem:
    request = record.request
    return ResolveItem(
        request_id=request.request_id,
        message_text=request.message_text,
        at=request.created_at,
        building_id=request.building_id,
        classification=assessment.classification,
        risk=assessment.risk,
        history=history,
        workload=workload,
        entry_consent=request.preferences.allow_entry_when_absent if request.preferences else None,
        spent_usd=spent_usd,
    )
