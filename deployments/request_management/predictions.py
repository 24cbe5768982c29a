"""Compares what was predicted of the requests that are done with what became of them."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.contract import Contract, UtcTime
from core.identity import Principal
from core.labels import Status
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import Event, Request, RequestId
from core.status import ENDED
from deployments.request_management import access
from deployments.request_management.calibration import (
    EstimateCheck,
    EstimateTally,
    Reliability,
    ReliabilityTally,
)
from deployments.request_management.outcome_statistics import DONE, period_of, scope_of

MOST_READ = 2_000
"""Requests of one answer: each of them is read whole."""
AT_ONCE = 16
RECURRENCE = timedelta(days=180)
"""As `Risk.recurrence_probability` says."""
HOUR = timedelta(hours=1)
CHOICES = frozenset({"option_selected", "emergency_action"})
"""The events from which an option's estimate counts: somebody chose it, or policy started it."""


class PredictionsAnswer(Contract):
    """`GET /statistics/predictions`: the requests made in `[since, before)` that are done.

    Those that are still open are not in it, and with them the slowest of the period: a period that ended long ago
    tells more. A category that nobody corrected counts as right, though nobody may have looked at it.
    """

    since: UtcTime
    before: UtcTime
    building_id: str | None
    done: int
    still_open: int
    """Of the same period; they are in none of the figures."""
    left_out: int
    """Of those that are done, the oldest, beyond the number that one answer reads."""
    hours: EstimateCheck
    """Of the selected option, from when it was chosen until it was done, as its estimate counts, without the times in
    which the house's clock stood still: while the resident had something to do first, and between the end of the work
    and a reopening. From the report where no event tells of the choice."""
    cost_usd: EstimateCheck
    """Of the selected option, where somebody said what it really cost."""
    category: Reliability
    """The classification's confidence; it happened where nobody corrected the category."""
    sla_breach: Reliability
    """It happened where the resolution target was missed."""
    escalation: Reliability
    """It happened where the resident asked for a person or reopened the request."""
    recurrence: Reliability
    """Only of requests made 180 days ago or earlier. It happened where the resident then reported something of the
    same trade, or of the same category where there is no trade, within 180 days."""


@dataclass
class _Tally:
    hours: EstimateTally = field(default_factory=EstimateTally)
    cost_usd: EstimateTally = field(default_factory=EstimateTally)
    category: ReliabilityTally = field(default_factory=ReliabilityTally)
    sla_breach: ReliabilityTally = field(default_factory=ReliabilityTally)
    escalation: ReliabilityTally = field(default_factory=ReliabilityTally)
    recurrence: ReliabilityTally = field(default_factory=ReliabilityTally)

    def add(self, record: RequestRecord, events: Sequence[Event], recurred: bool | None) -> None:
        request = record.request
        self._add_estimates(request, events)
        judged = judged_category(record)
        if judged is not None:
            self.category.add(*judged)
        if request.risk is None:
            return
        if request.sla is not None:
            self.sla_breach.add(request.risk.sla_breach_probability, request.sla.breached)
        self.escalation.add(request.risk.escalation_probability, was_escalated(request, events))
        if recurred is not None:
            self.recurrence.add(request.risk.recurrence_probability, recurred)

    def _add_estimates(self, request: Request, events: Sequence[Event]) -> None:
        option = request.option(request.selected_option_id or "")
        # A duplicate is done when the request is that it repeats.
        if option is None or request.resolution is None or request.duplicate_of is not None:
            return
        self.hours.add(option.estimated_time_hours, hours_taken(request, events))
        if request.resolution.actual_cost_usd is not None:
            self.cost_usd.add(option.estimated_cost_usd, request.resolution.actual_cost_usd)


class Predictions:
    """Checks the predictions on the requests of a caller's buildings."""

    def __init__(self, store: RequestStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def answer(
        self, principal: Principal, since: datetime | None, before: datetime | None, building_id: str | None
    ) -> PredictionsAnswer:
        """Of the requests made in `[since, before)`, by default the last 30 days. Raises `NotFound`, `Invalid`."""
        access.require_role(principal, access.STAFF)
        buildings = scope_of(principal, building_id)
        since, before = period_of(since, before, self._clock())
        newest, done, still_open = deque[RequestId](maxlen=MOST_READ), 0, 0
        async for one in self._store.outcomes(buildings, since=since, before=before):
            still_open += one.status not in ENDED
            if one.status in DONE:
                done += 1
                newest.append(one.request_id)
        found = await self._tally(list(newest))
        return PredictionsAnswer(
            since=since,
            before=before,
            building_id=building_id,
            done=done,
            still_open=still_open,
            left_out=done - len(newest),
            hours=found.hours.check(),
            cost_usd=found.cost_usd.check(),
            category=found.category.reliability(),
            sla_breach=found.sla_breach.reliability(),
            escalation=found.escalation.reliability(),
            recurrence=found.recurrence.reliability(),
        )

    async def _tally(self, ids: Sequence[RequestId]) -> _Tally:
        found = _Tally()
        for start in range(0, len(ids), AT_ONCE):
            for seen in await asyncio.gather(*map(self._seen, ids[start : start + AT_ONCE])):
                if seen is not None:
                    found.add(*seen)
            # The embedded store reads on the loop, which others wait for.
            await asyncio.sleep(0)
        return found

    async def _seen(self, request_id: RequestId) -> tuple[RequestRecord, Sequence[Event], bool | None] | None:
        record = await self._store.get(request_id)
        # It may have been reopened since it was counted.
        if record is None or record.request.status not in DONE:
            return None
        return record, await self._store.events(request_id), await self._recurred(record.request)

    async def _recurred(self, request: Request) -> bool | None:
        """None where it is too early to tell, or where there is nothing to compare by."""
        labels, until = request.classification, request.created_at + RECURRENCE
        if labels is None or request.risk is None or until > self._clock():
            return None
        later, _ = await self._store.history(
            request.resident_id, request.building_id, since=request.created_at, before=until
        )
        topic = labels.trade or labels.category
        return any(
            (one.trade or one.category) == topic
            for one in later
            if one.request_id != request.request_id and one.status is not Status.CANCELLED
        )


def hours_taken(request: Request, events: Sequence[Event]) -> float:
    """From the choice of the option until it was done, without the times in which the house's clock stood still."""
    assert request.resolution is not None
    begin, end = _chosen_at(request, events), request.resolution.resolved_at
    pauses = request.sla.pauses if request.sla else ()
    still = sum((max(min(one.until, end) - max(one.since, begin), timedelta()) for one in pauses), timedelta())
    return max(end - begin - still, timedelta()) / HOUR


def _chosen_at(request: Request, events: Sequence[Event]) -> datetime:
    """When the selected option was chosen, the last time before it was done; the report's time where nothing tells."""
    assert request.resolution is not None
    chosen = (
        event.at
        for event in events
        if event.kind in CHOICES
        and event.details.get("option_id") == request.selected_option_id
        and event.at <= request.resolution.resolved_at
    )
    return max(chosen, default=request.created_at)


def judged_category(record: RequestRecord) -> tuple[float, bool] | None:
    """How sure the system was of the category, and whether it still stands; None where a person gave it."""
    labels = record.request.classification
    if labels is None:
        return None
    if record.corrections:
        first = record.corrections[0]
        if first.confidence is None or first.category_before is None:
            return None
        return first.confidence, labels.category is first.category_before
    return (labels.confidence, True) if labels.source != "user" else None


def was_escalated(request: Request, events: Sequence[Event]) -> bool:
    """Whether the resident asked for a person, or said that it was not done."""
    wanted = (Status.ESCALATED, Status.REOPENED)
    return any(
        one.kind == "status_changed" and one.actor == request.resident_id and one.details.get("to") in wanted
        for one in events
    )
