"""Asks policy again about a request: its labels were corrected, or nothing was promised on it yet."""

import logging
from collections.abc import Callable
from datetime import datetime

from core import tracing
from core.correlation import set_correlation
from core.errors import AppError, Unavailable
from core.labels import Category, Urgency
from core.messages import ItemFailure, Resolved
from core.ports.store import RequestStore
from core.record import NextAction, RequestRecord
from core.request import Classification
from core.settings import Settings
from deployments.request_management import decisions
from deployments.request_management.change import Change
from deployments.request_management.circumstances import Circumstances
from deployments.request_management.dispatch import Dispatcher, change_record
from deployments.request_management.peers import AIProcessing, DecisionSimulation

log = logging.getLogger(__name__)


class Revision:
    """Brings terms, clock and an emergency's action up to date. What fails for now is tried again by its timer."""

    def __init__(
        self,
        settings: Settings,
        store: RequestStore,
        ai: AIProcessing,
        decision: DecisionSimulation,
        dispatcher: Dispatcher,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._ai = ai
        self._decision = decision
        self._dispatcher = dispatcher
        self._clock = clock
        self._circumstances = Circumstances(settings, store, clock)

    async def attempt(self, record: RequestRecord) -> RequestRecord:
        """Revise, or leave it to the timer that stands; never raises what a peer or the store raises."""
        set_correlation(record.correlation_id)
        try:
            with tracing.span("revise", attributes={"aam.request_id": record.request.request_id}):
                return await self.revise(record)
        except AppError as error:
            log.warning("revision of %s left for the sweeper: %s", record.request.request_id, error.code)
            return record

    async def revise(self, record: RequestRecord) -> RequestRecord:
        """The record with what policy says of it now. Raises `Unavailable` where policy can't be asked."""
        if NextAction.REVISE not in record.pending:
            return record
        labels = record.request.classification
        if labels is not None and decisions.awaits_emergency_action(record, self._clock()):
            resolved = await self._resolve(record, labels)
            if isinstance(resolved, Resolved):
                return await self._change(
                    record, lambda current, now: decisions.start_emergency_action(current, labels, resolved, now)
                )
            failure = resolved
            record = await self._change(
                record, lambda current, now: decisions.leave_emergency_to_staff(current, failure, now)
            )
        return await self._renew_terms(record)

    async def _renew_terms(self, record: RequestRecord) -> RequestRecord:
        request, labels = record.request, record.request.classification
        category = (labels.category if labels else record.chosen_category) or Category.OTHER
        trade = labels.trade if labels else None
        sla, terms = await self._decision.terms(
            request.building_id, category, trade, _urgency(record), request.message_text, request.created_at
        )

        def step(current: RequestRecord, now: datetime) -> Change | None:
            # Labels that were corrected meanwhile have a timer of their own, which stands.
            same = current.request.classification == labels
            return decisions.apply_terms(current, sla, terms, now) if same else None

        return await self._change(record, step)

    async def _resolve(self, record: RequestRecord, labels: Classification) -> Resolved | ItemFailure:
        item, history = await self._circumstances.to_assess(record, labels.category, labels.urgency)
        risk = record.request.risk
        try:
            if risk is None:
                assessment = await self._ai.assess(item)
                if isinstance(assessment, ItemFailure):
                    return assessment
                risk = assessment.risk
            return await self._decision.resolve(await self._circumstances.to_resolve(record, labels, risk, history))
        except Unavailable:
            raise
        except AppError as error:
            log.exception("policy could not act on %s", record.request.request_id)
            return ItemFailure(code=error.code, detail="the system could not decide about it.")

    async def _change(
        self, record: RequestRecord, step: Callable[[RequestRecord, datetime], Change | None]
    ) -> RequestRecord:
        now = self._clock()
        changed = await change_record(self._store, record.request.request_id, lambda current: step(current, now))
        if changed.outbox:
            self._dispatcher.start(changed)
        return changed


def _urgency(record: RequestRecord) -> Urgency:
    """As labelled, or as its writer said; High where nobody knows, and an alarm stays one."""
    labels = record.request.classification
    if record.alarmed and labels is None:
        return Urgency.EMERGENCY
    if labels is None:
        return record.chosen_urgency or Urgency.HIGH
    return Urgency.EMERGENCY if labels.emergency else labels.urgency
