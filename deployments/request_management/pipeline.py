"""Carries one stored request from its message to its decision: assess, resolve, store."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from core import tracing
from core.correlation import detached_context, set_correlation
from core.errors import AppError, Unavailable, VersionConflict
from core.messages import Assessment, ItemFailure, Resolved
from core.metrics import STAGES, UNMETERED, Meter, timed
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import RequestId
from core.settings import Settings
from core.status import UNJUDGED
from deployments.request_management import decisions
from deployments.request_management.change import Change
from deployments.request_management.circumstances import Circumstances, History
from deployments.request_management.dispatch import Dispatcher
from deployments.request_management.peers import AIProcessing, DecisionSimulation

log = logging.getLogger(__name__)


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
        after_decision: Callable[[RequestRecord], object] = lambda _: None,
        meter: Meter = UNMETERED,
    ) -> None:
        self._meter = meter
        self._after_decision = after_decision
        self._settings = settings
        self._store = store
        self._ai = ai
        self._decision = decision
        self._dispatcher = dispatcher
        self._clock = clock
        self._circumstances = Circumstances(settings, store, clock)
        self._running: dict[RequestId, asyncio.Task[RequestRecord]] = {}

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
        elif not done.cancelled():
            self._after_decision(done.result())

    async def _run(self, record: RequestRecord) -> RequestRecord:
        set_correlation(record.correlation_id)
        if record.attempts > self._settings.pipeline_attempts:
            outage = ItemFailure(code="unavailable", detail="a part of the system does not answer.")
            return await self._give_to_person(record, outage)
        give_up_at = self._clock() + timedelta(seconds=self._settings.pipeline_lease_s * 0.8)
        pause_s = 0.5
        while True:
            try:
                with tracing.span("pipeline", attributes={"aam.request_id": record.request.request_id}):
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
                record = await self._current(record)
                if not is_waiting(record):
                    return record
            except AppError as error:
                log.exception("pipeline of %s failed", record.request.request_id)
                failure = ItemFailure(code=error.code, detail="the system could not judge it.")
                return await self._give_to_person(record, failure)

    async def _process(self, record: RequestRecord) -> RequestRecord:
        with tracing.span("assess", attributes={"aam.stage": "assess"}):
            with self._timed("history"):
                found = await self._circumstances.to_assess(record, record.chosen_category, record.chosen_urgency)
            item, history = found
            with self._timed("assess"):
                assessment = await self._ai.assess(item)
        if isinstance(assessment, ItemFailure):
            return await self._give_to_person(record, assessment)
        with tracing.span("resolve", attributes={"aam.stage": "resolve"}):
            resolved = await self._resolve(record, assessment, history)
        if isinstance(resolved, ItemFailure):
            return await self._give_to_person(record, resolved, assessment)
        labels, risk = assessment.classification, assessment.risk
        return await self._store_change(record, decisions.apply_decision(record, labels, risk, resolved, self._clock()))

    async def _resolve(self, record: RequestRecord, assessment: Assessment, history: History) -> Resolved | ItemFailure:
        """A decision. Where nothing can decide now, what was understood is kept: an emergency waits for nobody."""
        try:
            item = await self._circumstances.to_resolve(record, assessment.classification, assessment.risk, history)
            with self._timed("resolve"):
                return await self._decision.resolve(item)
        except Unavailable:
            kept = decisions.keep_assessment(record, assessment, self._clock())
            if kept is not None:
                await self._store_change(record, kept)
            raise
        except AppError as error:
            log.exception("nothing could be decided about %s", record.request.request_id)
            return ItemFailure(code=error.code, detail="the system could not decide about it.")

    async def _give_to_person(
        self, record: RequestRecord, failure: ItemFailure, assessment: Assessment | None = None
    ) -> RequestRecord:
        change = decisions.give_to_person(record, failure, self._clock(), assessment)
        return await self._store_change(record, change)

    async def _store_change(self, record: RequestRecord, change: Change) -> RequestRecord:
        with tracing.span("store", attributes={"aam.stage": "store"}):
            await self._store.save(change.record, expected_version=record.request.version, events=change.events)
        if change.record.outbox:
            self._dispatcher.start(change.record)
        return change.record

    def _timed(self, stage: str) -> AbstractContextManager[None]:
        return timed(self._meter, STAGES, service="request_management", stage=stage)

    async def _current(self, record: RequestRecord) -> RequestRecord:
        """The request as somebody else left it in the meantime."""
        return await self._store.get(record.request.request_id) or record


def detached(work: Coroutine[None, None, RequestRecord]) -> asyncio.Task[RequestRecord]:
    """A task that goes on when the caller's client leaves."""
    return asyncio.get_running_loop().create_task(work, context=detached_context())


def is_waiting(record: RequestRecord) -> bool:
    """Whether the pipeline has still to decide."""
    return record.request.status in UNJUDGED
