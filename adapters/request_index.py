"""What of a stored request is indexed, the same in every store."""

import base64
from dataclasses import dataclass
from datetime import datetime

from core.identity import POLICY
from core.labels import Category, Crew, Status, Trade, Urgency
from core.record import RequestRecord
from core.request import Request
from core.status import ENDED

UNKNOWN_URGENCY_ORDER = 1
"""What nobody could judge yet is looked at right after emergencies."""


@dataclass(frozen=True, slots=True)
class IndexedFacts:
    """The derived facts that lists, history and workload are read by."""

    category: Category | None
    """As classified; until then as its writer chose it."""
    trade: Trade | None
    urgency: Urgency | None
    """As classified; until then as its writer chose it."""
    topic: Trade | Category | None
    """The trade or, without one, the category."""
    is_open: bool
    """Somebody still has to act on it."""
    open_crew: Crew | None
    """The selected option's crew, while it is approved or in progress."""
    attention_order: int | None
    """0 for what a person has to look at first; None where nobody has to."""
    attention_at: datetime | None
    """Within one `attention_order`, the earliest comes first; None where nobody has to look at it."""
    escalated: bool
    """As it stands now; a store keeps it true for ever."""
    automated: bool
    """Answered, or carried out at policy's own selection."""
    corrected: bool
    """Staff changed a label."""
    vector: bytes
    """The message's unit vector as float32, little-endian; empty where there is none."""


def index_facts(record: RequestRecord) -> IndexedFacts:
    """The facts of a record."""
    request, labels = record.request, record.request.classification
    category = labels.category if labels else record.chosen_category
    urgency = labels.urgency if labels else record.chosen_urgency
    trade = labels.trade if labels else None
    return IndexedFacts(
        category=category,
        trade=trade,
        urgency=urgency,
        topic=trade or category,
        is_open=request.status not in ENDED,
        open_crew=_open_crew(request),
        attention_order=attention_order(urgency) if request.needs_attention else None,
        attention_at=attention_at(request) if request.needs_attention else None,
        escalated=_escalated(request),
        automated=request.status is Status.ANSWERED or record.selected_by == POLICY,
        corrected=bool(record.corrections),
        vector=_vector(record),
    )


def attention_at(request: Request) -> datetime:
    """The target's moment, brought forward by risk: at a risk of 1 by half of the time that the target gives.

    Without a target, the moment at which the request was made.
    """
    if request.sla is None:
        return request.created_at
    share = request.risk.score / 2 if request.risk else 0.0
    return request.sla.resolution_due_at - share * (request.sla.resolution_due_at - request.created_at)


def _vector(record: RequestRecord) -> bytes:
    encoded = record.trace.inputs.get("embedding") if record.trace else None
    return base64.b64decode(encoded) if isinstance(encoded, str) else b""


def attention_order(urgency: Urgency | None) -> int:
    """0 for Emergency, then what has no urgency yet, then High, Medium and Low."""
    if urgency is None:
        return UNKNOWN_URGENCY_ORDER
    steps = Urgency.EMERGENCY.rank - urgency.rank
    return steps if steps < UNKNOWN_URGENCY_ORDER else steps + 1


def _open_crew(request: Request) -> Crew | None:
    if request.status not in (Status.APPROVED, Status.IN_PROGRESS) or request.selected_option_id is None:
        return None
    option = request.option(request.selected_option_id)
    return option.crew if option else None


def _escalated(request: Request) -> bool:
    by_decision = request.decision is not None and request.decision.escalation is not None
    return by_decision or request.status in (Status.ESCALATED, Status.REOPENED)
