"""Reads off each stored change of a request what metrics say of it: one place for all of them, and after the write.

What a change is, is seen beside how the request stood before. That is nearly always known from the record that this
replica read last; where it is not, the record is read once more before it is overwritten.
"""

import logging
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, cast

from core.labels import Category, Status, Urgency
from core.metrics import (
    AUTOMATION,
    CORRECTIONS,
    DECISIONS,
    REQUESTS,
    STAGES,
    STATUS_CHANGES,
    TARGETS,
    Meter,
    timed,
)
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import Classification, Decision, Event, RequestId
from core.status import ENDED, UNJUDGED
from deployments.request_management.change import SYSTEM
from deployments.request_management.commands import POLICY

log = logging.getLogger(__name__)

SERVICE = "request_management"
REMEMBERED = 4096
"""Requests of which it is known how they stood."""
UNKNOWN = "none"
"""The label's value where nobody knows the request's category, urgency or intent."""
MET = ENDED - {Status.CANCELLED}
"""Where a request's work is done: what was not missed until then was met."""


@dataclass(frozen=True)
class Standing:
    """What is remembered of a request to be compared with its next form: no words and no names."""

    version: int
    status: Status
    category: Category | None
    urgency: Urgency | None
    decision: tuple[object, ...] | None
    responded: bool
    """The response was made, or missed."""
    missed: bool
    """The target of the resolution was."""

    @classmethod
    def of(cls, record: RequestRecord) -> Self:
        """Of a record as it was stored."""
        request, sla = record.request, record.request.sla
        labels = request.classification
        return cls(
            request.version,
            request.status,
            labels and labels.category,
            labels and labels.urgency,
            _told_apart(request.decision),
            sla is not None and (sla.response_met_at is not None or sla.response_breached),
            sla is not None and sla.breached,
        )


def _told_apart(decision: Decision | None) -> tuple[object, ...] | None:
    return decision and (decision.recommended_option_id, decision.seed, decision.policy_version, decision.situation)


class MeasuredStore:
    """A request store whose changes are counted; everything else is the store's own."""

    def __init__(self, store: RequestStore, meter: Meter) -> None:
        self._store = store
        self._meter = meter
        self._known: OrderedDict[RequestId, Standing] = OrderedDict()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get(self, request_id: RequestId) -> RequestRecord | None:
        """See `core.ports.store.RequestStore`."""
        found = await self._store.get(request_id)
        if found is not None:
            self._remember(found)
        return found

    async def create(self, record: RequestRecord, events: Sequence[Event]) -> bool:
        """See `core.ports.store.RequestStore`."""
        with timed(self._meter, STAGES, service=SERVICE, stage="accept"):
            is_made = await self._store.create(record, events)
        if is_made:
            with _harmless():
                self._remember(record)
                count_status_changes(self._meter, record, events)
        return is_made

    async def save(self, record: RequestRecord, *, expected_version: int, events: Sequence[Event]) -> None:
        """See `core.ports.store.RequestStore`."""
        before: Standing | None = None
        with _harmless():
            before = await self._before(record.request.request_id, expected_version)
        with timed(self._meter, STAGES, service=SERVICE, stage="store"):
            await self._store.save(record, expected_version=expected_version, events=events)
        with _harmless():
            self._remember(record)
            if before is not None:
                count_change(self._meter, before, record, events)

    async def claim_due(self, *, now: datetime, lease_s: float, limit: int) -> tuple[RequestRecord, ...]:
        """See `core.ports.store.RequestStore`."""
        claimed = await self._store.claim_due(now=now, lease_s=lease_s, limit=limit)
        for record in claimed:
            self._remember(record)
        return claimed

    async def _before(self, request_id: RequestId, version: int) -> Standing | None:
        """How it stands at this version; None where another write came first, so that this one fails."""
        known = self._known.get(request_id)
        if known is None or known.version != version:
            found = await self._store.get(request_id)
            known = found and Standing.of(found)
        return known if known is not None and known.version == version else None

    def _remember(self, record: RequestRecord) -> None:
        self._known[record.request.request_id] = Standing.of(record)
        self._known.move_to_end(record.request.request_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


@contextmanager
def _harmless() -> Generator[None]:
    """What counts must neither keep a change from being stored nor say that a stored one failed."""
    try:
        yield
    except Exception:
        log.exception("a change can't be counted")


def measured(store: RequestStore, meter: Meter) -> RequestStore:
    """The store as one whose changes are counted."""
    return cast(RequestStore, MeasuredStore(store, meter))


def count_change(meter: Meter, before: Standing, after: RequestRecord, events: Sequence[Event]) -> None:
    """Count everything that this change made so."""
    count_status_changes(meter, after, events)
    if before.status in UNJUDGED and after.request.status not in UNJUDGED:
        _count_judgement(meter, after, events)
    stands = Standing.of(after)
    if stands.decision not in (None, before.decision):
        _count_decision(meter, after)
    _count_selections(meter, after, events)
    if any(event.kind == "labels_corrected" for event in events):
        _count_corrections(meter, before, stands)
    _count_targets(meter, before, stands, after)


def count_status_changes(meter: Meter, after: RequestRecord, events: Sequence[Event]) -> None:
    """Count the statuses that the request was moved to, and by whom."""
    for event in events:
        if event.kind == "status_changed":
            meter.add(STATUS_CHANGES, status=str(event.details["to"]), by=_whose(event.actor, after))


def _count_judgement(meter: Meter, after: RequestRecord, events: Sequence[Event]) -> None:
    labels, request = after.request.classification, after.request
    moved = (str(event.details["to"]) for event in events if event.kind == "status_changed")
    meter.add(
        REQUESTS,
        category=str(labels.category) if labels else UNKNOWN,
        urgency=_urgency(labels),
        intent=str(labels.intent) if labels else UNKNOWN,
        # Policy may have selected in the very same change; what the judgement gave is the first status.
        status=next(moved, str(request.status)),
    )
    took_s = max(0.0, (request.updated_at - request.created_at).total_seconds())
    meter.observe(STAGES, took_s, service=SERVICE, stage="until_judged")


def _count_decision(meter: Meter, after: RequestRecord) -> None:
    decision, labels = after.request.decision, after.request.classification
    recommended = decision and decision.recommended_option_id
    option = after.request.option(recommended) if recommended else None
    if option is not None:
        category = str(labels.category) if labels else UNKNOWN
        meter.add(DECISIONS, category=category, approval=str(option.approval))


def _count_selections(meter: Meter, after: RequestRecord, events: Sequence[Event]) -> None:
    labels, decision = after.request.classification, after.request.decision
    for event in events:
        if event.kind not in ("option_selected", "emergency_action"):
            continue
        recommended = decision is not None and event.details.get("option_id") == decision.recommended_option_id
        meter.add(
            AUTOMATION,
            category=str(labels.category) if labels else UNKNOWN,
            by=_whose(event.actor, after),
            recommended=_shown(recommended),
        )


def _count_corrections(meter: Meter, before: Standing, after: Standing) -> None:
    if before.category is not after.category:
        meter.add(CORRECTIONS, label="category")
    if before.urgency is not after.urgency:
        meter.add(CORRECTIONS, label="urgency")


def _count_targets(meter: Meter, before: Standing, after: Standing, record: RequestRecord) -> None:
    request = record.request
    # What is missed after a reopening was counted when the work was done first.
    if request.sla is None or request.reopened > 0:
        return
    urgency = _urgency(request.classification)
    if after.responded and not before.responded:
        meter.add(TARGETS, target="response", urgency=urgency, met=_shown(not request.sla.response_breached))
    was_decided, is_decided = (each.missed or each.status in MET for each in (before, after))
    if is_decided and not was_decided:
        meter.add(TARGETS, target="resolution", urgency=urgency, met=_shown(not after.missed))


def _urgency(labels: Classification | None) -> str:
    return UNKNOWN if labels is None else str(Urgency.EMERGENCY if labels.emergency else labels.urgency)


def _whose(actor: str, record: RequestRecord) -> str:
    if actor in (SYSTEM, POLICY):
        return "system"
    return "resident" if actor in (record.request.resident_id, *record.subscribers) else "staff"


def _shown(value: bool) -> str:
    return str(value).lower()
