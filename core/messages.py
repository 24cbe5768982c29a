"""What crosses handles and queues between the services.

Both handle calls take a list and answer with a list of the same length and order: the failure of one item is an
`ItemFailure` in its place, never the batch's.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from core.contract import Contract, Dollars, UtcTime
from core.labels import (
    Category,
    Crew,
    Intent,
    Status,
    Trade,
    Urgency,
)
from core.request import (
    Answer,
    Classification,
    Decision,
    OptionId,
    RequestId,
    ResolutionOption,
    Risk,
    Sla,
)
from core.service_terms import ServiceTerms

Count = Annotated[int, Field(ge=0, le=10_000_000)]


class ItemFailure(Contract):
    """Why one item of a batch has no result."""

    code: str
    """The stable code of an error in `core.errors`."""
    detail: str
    """One sentence that may be shown."""
    safety_rule: str | None = None
    """The life-safety rule that fires on the message, which is known although the rest is not."""
    safety_advice: str | None = None


class PastRequest(Contract):
    """What is remembered of an earlier request for judging a new one."""

    request_id: RequestId
    resident_id: str
    category: Category | None
    trade: Trade | None
    urgency: Urgency | None
    status: Status
    created_at: UtcTime
    resolved_at: UtcTime | None = None
    breached: bool = False
    escalated: bool = False
    """It was escalated or reopened."""


class BuildingFacts(Contract):
    """What the store knows of the building at this moment."""

    requests_180d: int = Field(default=0, ge=0)
    """Requests of the building in the last 180 days."""
    same_trade_180d: dict[str, int] = Field(default_factory=dict[str, int])
    """Of these, how many by trade, or by category where there is no trade."""
    open_requests: int = Field(default=0, ge=0)
    """Requests of the building that nobody has ended."""


class TopicWork(Contract):
    """How the work of one trade, or of one category where there is no trade, stands at this moment."""

    open: dict[Urgency, Count] = Field(default_factory=dict[Urgency, Count])
    """Decided requests that nobody has ended."""
    overdue: Count = 0
    """Of these, how many have missed their target."""
    ended: Count = 0
    """How many of the newest resolved requests the rest is told of; a store looks at a fixed number at most."""
    ended_since: UtcTime | None = None
    """When the oldest of them was resolved."""
    last_ended_at: UtcTime | None = None
    mean_days: float = Field(default=0.0, ge=0.0, le=100_000.0)
    """From their writing to their end."""
    breached: Count = 0
    """How many of them missed their target."""


class Backlog(Contract):
    """The present workload as requests show it, in all buildings of the store: they share the crews."""

    topics: dict[str, TopicWork] = Field(default_factory=dict[str, TopicWork])
    """By trade, or by category where there is no trade; without those of which nothing is known."""


class AssessItem(Contract):
    """One message to understand."""

    message_text: str
    at: UtcTime
    """When it was written."""
    category: Category | None = None
    """As chosen by the writer; takes the place of the model's."""
    urgency: Urgency | None = None
    """As chosen by the writer; it takes the place of the model's, but never lowers an Emergency."""
    intent: Intent | None = None
    history: tuple[PastRequest, ...] = ()
    """The resident's requests of the last 180 days, newest first, without this one."""
    building: BuildingFacts = BuildingFacts()
    backlog: Backlog = Backlog()
    cohort: int | None = Field(default=None, ge=0, lt=10_000)
    """The resident's share of a canary: the same for all their messages; None where no resident is known."""


class Assessment(Contract):
    """What AIProcessing makes of a message."""

    classification: Classification
    risk: Risk


class Workload(Contract):
    """Work that is approved or in progress and not done, by crew and urgency."""

    open_by_crew: dict[Crew, dict[Urgency, int]] = Field(default_factory=dict[Crew, dict[Urgency, int]])


class ResolveItem(Contract):
    """One assessed message to find and choose options for."""

    request_id: RequestId
    message_text: str
    at: UtcTime
    building_id: str | None = None
    classification: Classification
    risk: Risk
    history: tuple[PastRequest, ...] = ()
    workload: Workload = Workload()
    entry_consent: bool | None = None
    """Whether the home may be entered without the resident; None where nobody said."""
    spent_usd: dict[Category, Dollars] = Field(default_factory=dict[Category, Dollars])
    """What the building has spent this month, by category; without those of which nothing is known."""


class DecisionTrace(Contract):
    """Everything needed to reach the same decision again, byte for byte."""

    inputs: dict[str, Any]
    """The `ResolveItem` as JSON, the vector by which it was looked up as base64, and what came of a question."""
    seed: int
    replications: int
    method: str
    model_versions: dict[str, str]
    kb_version: str
    policy_version: str
    workforce_version: str
    """Hash of the waiting-time tables that were sampled."""
    waiting_hours: dict[str, list[float]] = Field(default_factory=dict[str, list[float]])
    """The quantiles of the waiting time that each option's crew had, as sampled."""
    gates: tuple[str, ...] = ()
    """Hard gates that applied, each with its clause."""
    document_versions: dict[str, int] = Field(default_factory=dict[str, int])
    """The version of each document whose rules the decision used, by its id."""
    rules_hash: str = ""
    """The hash of the compiled rules; empty in traces that are older than it."""


class Retrieved(Contract):
    """One passage of the knowledge base that a query found."""

    doc_id: str
    title: str
    section: str
    doc_type: str
    building_id: str
    """`all` for every building."""
    text: str
    score: float
    """Calibrated relevance, 0 to 1: how likely the text answers the query, by its meaning and its words."""
    asked_similarity: float = 0.0
    """Cosine similarity of the query and the nearest question kept for the text; 0 where there is none."""
    section_asked_similarity: float = 0.0
    """The same over the questions of its whole section."""


class KnowledgeFacts(Contract):
    """What is indexed and how it is searched; `GET /rag/config`."""

    embedding_model: str
    dimensions: int
    documents: int
    chunks: int
    kb_version: str
    top_k: int
    """How many passages a query gets when it names no number."""
    min_score: float
    """The calibrated relevance, 0 to 1, below which a passage does not count."""


class Resolved(Contract):
    """What DecisionSimulation makes of an assessed message."""

    status: Literal[Status.AWAITING_SELECTION, Status.ANSWERED, Status.ESCALATED, Status.NEEDS_REVIEW]
    """Where the request goes next."""
    options: tuple[ResolutionOption, ...]
    decision: Decision
    answer: Answer | None = None
    act_now: OptionId | None = None
    """The option that policy starts at once, without a selection: emergencies only."""
    carry_out: OptionId | None = None
    """The option that policy selects in the resident's place; None unless every condition of autonomy holds."""
    document_by: UtcTime | None = None
    """Until when what started at once must be documented and agreed to; emergencies only."""
    sla: Sla
    terms: ServiceTerms | None = None
    """What `sla` follows from."""
    retrieved: tuple[Retrieved, ...] = ()
    trace: DecisionTrace


class RetrieveQuery(Contract):
    """One query against the knowledge base."""

    text: str
    top_k: int = Field(default=5, ge=1, le=50)
    building_id: str | None = None
    doc_type: str | None = None
    min_score: float | None = None
    """None for the calibrated minimum."""


class ServiceHealth(Contract):
    """How one service is."""

    status: Literal["healthy", "degraded", "unhealthy"]
    detail: str
    version: str
