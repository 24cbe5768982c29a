"""The bodies that clients send and the views that they get, where these are not the shared contracts themselves."""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, StrictBool, StringConstraints, WrapValidator, field_validator, model_validator

from core.contract import WHOLE, Contract, Dollars, Hours, Probability, SentTime
from core.execution_labels import ActionKind, ChannelName, ExecutionStatus
from core.labels import ApprovalTier, Category, Crew, Intent, RiskLevel, Status, Trade, Urgency
from core.messages import Backlog, BuildingFacts, DecisionTrace, PastRequest, Retrieved, ServiceHealth
from core.request import (
    MAX_MESSAGE_CHARACTERS,
    Attachment,
    Citation,
    Decision,
    Estimate,
    Event,
    FactorScores,
    OptionId,
    Preferences,
    Request,
    RequestId,
    ResolutionOption,
    Risk,
    RiskFactor,
)

MessageText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_MESSAGE_CHARACTERS)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,99}$")]
Comment = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


Shared = TypeVar("Shared", bound=Contract)
_ZERO = re.compile(r"^-?\d{1,15}\.0$")


def _strictly(contract: type[Shared]) -> WrapValidator:
    """Reads a client's object as the JSON that it was: a contract that services share takes `true` for 1 otherwise."""

    def read(value: Any, make: Callable[[Any], Shared]) -> Shared:
        if not isinstance(value, dict):
            return make(value)
        # 4.0 is a whole number in JSON Schema.
        sent = json.loads(
            json.dumps(value), parse_float=lambda text: int(float(text)) if _ZERO.search(text) else float(text)
        )
        return contract.model_validate_json(json.dumps(sent), strict=True)

    return WrapValidator(read)


class Submission(Contract):
    """`POST /requests`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"message_text": "The kitchen tap drips since yesterday."},
                {"message_text": "No heat in the whole flat.", "resident_id": "RES_A_101", "urgency": "High"},
            ]
        }
    )

    message_text: MessageText
    resident_id: Identifier | None = None
    """Needed from staff; a resident's is their own."""
    building_id: Identifier | None = None
    unit: Annotated[str, StringConstraints(max_length=40)] | None = None
    category: Category | None = None
    urgency: Urgency | None = None
    preferences: Preferences | None = None
    attachments: tuple[Attachment, ...] = Field(default=(), max_length=10)


class Amendment(Contract):
    """`PUT /requests/{request_id}`."""

    status: Status | None = None
    comment: Comment | None = None
    category: Category | None = None
    urgency: Urgency | None = None
    waiting_for_access: StrictBool | None = None
    """Whether the work waits for access to the home; while it does, the house's clock stands still."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self == Amendment.model_construct():
            raise ValueError("give at least one of status, comment, category, urgency and waiting_for_access")
        return self


class Selection(Contract):
    """`POST .../select-option`."""

    option_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Remark(Contract):
    """`POST .../approve`, `/reject`, `/confirm`, `/reopen`, `/cancel`, `/escalate`; the body may be left out."""

    comment: Comment | None = None


class ResolutionReport(Contract):
    """`POST .../resolve`."""

    resolution_notes: Comment
    actual_cost_usd: Dollars | None = None
    actual_hours: Hours | None = None


class FeedbackForm(Contract):
    """`POST .../feedback`."""

    rating: Annotated[int, Field(ge=1, le=5), WHOLE]
    comment: Comment | None = None


class ObjectionForm(Contract):
    """`POST .../objection`: what the message is about instead, in one word, in words of the resident's, or both."""

    category: Category | None = None
    comment: Comment | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.category is None and self.comment is None:
            raise ValueError("give at least one of category and comment")
        return self


class RequestList(Contract):
    """A page of requests."""

    items: tuple[Request, ...]
    next_cursor: str | None


class EventList(Contract):
    """A request's timeline, oldest first."""

    items: tuple[Event, ...]
    next_cursor: None = None


class ShortDecision(Contract):
    """`GET .../decision` for the resident."""

    request_id: RequestId
    recommended_option_id: OptionId | None
    selected_option_id: OptionId | None
    explanation: str
    escalation: str | None
    policy_version: str
    kb_version: str
    citations: tuple[Citation, ...]


class FullDecision(Contract):
    """`GET .../decision` for staff: everything needed to reach the decision again."""

    request_id: RequestId
    decision: Decision
    risk: Risk | None
    options: tuple[ResolutionOption, ...]
    retrieved: tuple[Retrieved, ...]
    trace: DecisionTrace


class Message(Contract):
    """`POST /classify`."""

    message_text: MessageText


class HistoryEntry(Contract):
    """An earlier request of the resident, as a caller tells it."""

    created_at: SentTime
    category: Category | None = None
    trade: Trade | None = None
    urgency: Urgency | None = None
    status: Status = Status.CLOSED
    resolved_at: SentTime | None = None
    breached: StrictBool = False
    escalated: StrictBool = False


class RiskQuestion(Contract):
    """`POST /predict-risk`."""

    message_text: MessageText
    category: Category | None = None
    urgency: Urgency | None = None
    intent: Intent | None = None
    resident_history: tuple[HistoryEntry, ...] = Field(default=(), max_length=200)
    building: Annotated[BuildingFacts, _strictly(BuildingFacts)] = BuildingFacts()
    backlog: Annotated[Backlog, _strictly(Backlog)] = Backlog()


class SupposedWorkload(Contract):
    """A backlog that a caller supposes; simulating each of its jobs takes time, so it has a bound."""

    open_by_crew: dict[Crew, dict[Urgency, Annotated[int, Field(ge=0, le=500), WHOLE]]]


class SimulationQuestion(Contract):
    """`POST /simulate`."""

    message_text: MessageText
    category: Category
    urgency: Urgency
    trade: Trade | None = None
    building_id: Identifier | None = None
    risk: Risk | Probability | None = None
    """As `POST /predict-risk` gave it, or its score alone; worked out from the message where it is left out."""
    workload: SupposedWorkload | None = None
    resident_history: tuple[HistoryEntry, ...] = Field(default=(), max_length=200)


class SimulationFacts(Contract):
    """How the options were simulated."""

    replications: int
    seed: int
    method: str


class SimulationAnswer(Contract):
    """Options with their distributions."""

    options: tuple[ResolutionOption, ...]
    retrieval: tuple[Retrieved, ...]
    simulation: SimulationFacts


class OptionInput(Contract):
    """An option to decide about; what `POST /simulate` gives fits, and so does the least that a decision needs."""

    option_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    title: str = ""
    action: ActionKind = ActionKind.CREATE_STAFF_TASK
    crew: Crew = Crew.GENERAL
    steps: tuple[str, ...] = ()
    estimated_cost_usd: Estimate
    estimated_time_hours: Estimate
    sla_breach_probability: Probability = 0.0
    resident_satisfaction_impact: float = Field(default=0.0, ge=-1.0, le=1.0, strict=True)
    approval: ApprovalTier | None = None
    """Ignored: the policy says which tier a cost needs."""
    reasoning: str = ""
    source: Literal["llm", "catalog"] = "catalog"
    citations: tuple[Citation, ...] = ()

    @field_validator(
        "estimated_cost_usd", "estimated_time_hours", mode="before", json_schema_input_type=Estimate | Dollars
    )
    @classmethod
    def _certain(cls, value: Any) -> Any:
        """A bare number stands for a figure that is certain."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"mean": value, "p50": value, "p90": value}
        return value

    def as_option(self) -> ResolutionOption:
        """The full form; its tier is set by policy before it is used."""
        return ResolutionOption.model_validate({**self.model_dump(), "approval": ApprovalTier.NONE})


class DecisionQuestion(Contract):
    """`POST /decide`."""

    options: tuple[OptionInput, ...] = Field(min_length=1, max_length=20)
    urgency: Urgency
    category: Category
    building_id: Identifier | None = None
    """Whose rules hold; left out, or where no document lists it, the general ones."""
    risk: Risk | Probability | None = None
    weights: FactorScores | None = None


def risk_of(value: Risk | float | None) -> Risk | None:
    """A bare score as a risk whose parts are unknown and taken to be the score itself."""
    if value is None or isinstance(value, Risk):
        return value
    level = RiskLevel.HIGH if value >= 2 / 3 else RiskLevel.MEDIUM if value >= 1 / 3 else RiskLevel.LOW
    factors: tuple[RiskFactor, ...] = ()
    return Risk(
        score=value,
        level=level,
        recurrence_probability=value,
        sla_breach_probability=value,
        escalation_probability=value,
        factors=factors,
        model_version="given",
    )


def past_requests(entries: tuple[HistoryEntry, ...]) -> tuple[PastRequest, ...]:
    """What a caller tells of the past, newest first, as if it came from the store."""
    ordered = sorted(entries, key=lambda entry: entry.created_at, reverse=True)
    return tuple(
        PastRequest(request_id=RequestId(f"given-{index}"), resident_id="given", **entry.model_dump())
        for index, entry in enumerate(ordered)
    )


class RetrievalQuestion(Contract):
    """`POST /rag/retrieve`."""

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    top_k: Annotated[int, Field(ge=1, le=50), WHOLE] = 5
    building_id: Identifier | None = None
    doc_type: str | None = None
    min_score: float | None = Field(default=None, ge=-1.0, le=1.0, strict=True)


class RetrievalAnswer(Contract):
    """The best passages, best first."""

    documents: tuple[Retrieved, ...]
    kb_version: str


class ExecutionOrder(Contract):
    """`POST /execute`."""

    request_id: str
    option_id: str | None = None
    action: ActionKind
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])


class ExecutionReceipt(Contract):
    """A command that waits in the queue."""

    execution_id: str
    status: ExecutionStatus


class NotificationOrder(Contract):
    """`POST /notify`."""

    resident_id: Identifier | None = None
    staff_role: Literal["staff", "manager"] | None = None
    channel: ChannelName | None = None
    """Only by this one, besides the inbox."""
    template: str | None = None
    message: Comment | None = None
    urgency: Urgency = Urgency.MEDIUM

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.resident_id is None) == (self.staff_role is None):
            raise ValueError("give either resident_id or staff_role")
        if (self.template is None) == (self.message is None):
            raise ValueError("give either template or message")
        return self


class JobPlan(Contract):
    """`PUT /operations/work-orders/{work_order_id}`: who does it and when; null takes that off."""

    assigned_to: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    scheduled_start: SentTime | None = None
    scheduled_end: SentTime | None = None

    @model_validator(mode="after")
    def _whole_time(self) -> Self:
        if (self.scheduled_start is None) != (self.scheduled_end is None):
            raise ValueError("give both scheduled_start and scheduled_end, or neither")
        if self.scheduled_start and self.scheduled_end and self.scheduled_end <= self.scheduled_start:
            raise ValueError("scheduled_end must be after scheduled_start")
        return self


class JobCompletion(Contract):
    """`POST /operations/work-orders/{work_order_id}/complete`."""

    notes: Comment
    actual_cost_usd: Dollars | None = None
    actual_hours: Hours | None = None


class Health(Contract):
    """`GET /health`."""

    status: Literal["healthy", "degraded", "unhealthy"]
    services: dict[str, ServiceHealth]
