"""A resident's request as the public contract shows it, with everything that was thought and done about it."""

from typing import Annotated, Literal, NewType, Self

from pydantic import Field, StrictBool, StrictFloat, model_validator

from core.contract import Contract, Dollars, Hours, Probability, UtcTime
from core.entry import EntryTerms
from core.execution_labels import ActionKind, ExecutionStatus, StepStatus
from core.labels import ApprovalTier, Category, Crew, Intent, RiskLevel, Situation, Status, Trade, Urgency

RequestId = NewType("RequestId", str)
ResidentId = NewType("ResidentId", str)
BuildingId = NewType("BuildingId", str)
OptionId = NewType("OptionId", str)
ExecutionId = NewType("ExecutionId", str)

MAX_MESSAGE_CHARACTERS = 4000


class Issue(Contract):
    """One thing that somebody must act on, where a message names several."""

    text: str
    """The part of the message that raises it."""
    category: Category
    urgency: Urgency
    trade: Trade | None = None


class Confidences(Contract):
    """Calibrated probabilities that each label is right; 1 for what a person said."""

    category: Probability
    urgency: Probability
    intent: Probability
    trade: Probability | None = None
    """Only where there is a trade; given that the category is right."""


class Classification(Contract):
    """What a message is about, how urgent it is and what its writer wants."""

    category: Category
    urgency: Urgency
    intent: Intent
    trade: Trade | None = None
    """Only with Maintenance."""
    confidence: Probability
    """Calibrated probability that the category is right."""
    confidences: Confidences | None = None
    """Of each label; None where nobody measured them."""
    source: Literal["rules", "model", "llm", "user"]
    """Who had the last word on the labels."""
    emergency: bool
    safety_rule: str | None = None
    """The id of the life-safety rule that fired."""
    safety_advice: str | None = None
    """What to do now, where life may be at risk."""
    issues: tuple[Issue, ...] = ()
    model_version: str

    @property
    def least_confidence(self) -> float:
        """The probability that the least certain of the labels is right, which is what caution goes by."""
        if self.confidences is None:
            return self.confidence
        return min(value for value in self.confidences.model_dump().values() if value is not None)


class RiskFactor(Contract):
    """What one feature added to the risk, in log-odds of the combined score's leading model."""

    feature: str
    value: StrictFloat
    contribution: StrictFloat
    label: str = ""
    """The feature in words."""


class Risk(Contract):
    """How likely the request is to go wrong."""

    score: Probability
    level: RiskLevel
    recurrence_probability: Probability
    """A similar request by the same home within 180 days."""
    sla_breach_probability: Probability
    """The resolution target is missed."""
    escalation_probability: Probability
    """The resident asks for a person or complains."""
    factors: tuple[RiskFactor, ...] = ()
    model_version: str


class Citation(Contract):
    """A sentence of the knowledge base that a statement rests on."""

    doc_id: str
    section: str
    quote: str


class Estimate(Contract):
    """A distribution in three numbers, and where it was simulated in its deciles."""

    mean: float = Field(ge=0.0, allow_inf_nan=False, strict=True)
    p50: float = Field(ge=0.0, allow_inf_nan=False, strict=True)
    p90: float = Field(ge=0.0, allow_inf_nan=False, strict=True)
    deciles: tuple[Annotated[float, Field(ge=0.0, allow_inf_nan=False, strict=True)], ...] = Field(
        default=(), max_length=9
    )
    """The 10th, 20th, ... 90th percentile; empty where nobody simulated it."""


class PlanStep(Contract):
    """One step of a plan for a complex request."""

    step_id: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: Literal["diagnose", "coordinate", "do", "verify"]
    title: str
    crew: Crew
    after: tuple[str, ...] = ()
    """The steps that must be done before it."""
    action: ActionKind = ActionKind.DISPATCH_WORK_ORDER
    vendor: str | None = None
    """The vendor that does it in place of the crew."""
    licence: str | None = None
    """The licence that whoever does it must hold."""
    cost_share: Probability = 0.0
    """Of the plan's expected cost."""
    entry: EntryTerms | None = None
    """As for an option."""


class ResolutionOption(Contract):
    """One way to deal with a request, simulated."""

    option_id: OptionId
    title: str
    action: ActionKind
    crew: Crew
    """Who carries it out."""
    steps: tuple[str, ...]
    estimated_cost_usd: Estimate
    estimated_time_hours: Estimate
    """From now until done, waiting for the crew included."""
    sla_breach_probability: Probability
    resident_satisfaction_impact: float = Field(ge=-1.0, le=1.0)
    """Expected change of the resident's satisfaction, from -1 to 1."""
    approval: ApprovalTier
    reasoning: str
    source: Literal["llm", "catalog"]
    citations: tuple[Citation, ...]
    share_addressed: float = Field(default=1.0, gt=0.0, le=1.0)
    """The share of the message's issues that it deals with."""
    plan: tuple[PlanStep, ...] = ()
    """For a complex request: its steps with what each waits for; empty where `steps` say it all."""
    vendor: str | None = None
    """The vendor that carries it out in place of the crew."""
    licence: str | None = None
    """The licence that whoever does it must hold."""
    entry: EntryTerms | None = None
    """What the visit waits for; None where it may begin at once, as in an emergency."""


class FactorScores(Contract):
    """The five factors of a decision, each from 0 (worst) to 1 (best) for a score, or as weights that sum to 1."""

    urgency: Probability
    time: Probability
    cost: Probability
    satisfaction: Probability
    compliance: Probability


class OptionScore(Contract):
    """An option's weighted total and what it is made of."""

    option_id: OptionId
    total: Probability
    factors: FactorScores


class Escalation(Contract):
    """Why a person decides, and the clause that says so."""

    reason: str
    rule: str
    """`doc_id#key` of the rule in the knowledge base, or the id of a life-safety rule."""


class Decision(Contract):
    """Which option is recommended, and why."""

    recommended_option_id: OptionId | None
    scores: tuple[OptionScore, ...]
    """Best first."""
    weights: FactorScores
    situation: Situation
    policy_version: str
    kb_version: str
    seed: int
    explanation: str
    counterfactuals: tuple[str, ...] = ()
    escalation: Escalation | None = None


class Answer(Contract):
    """The answer to a question, from the knowledge base only."""

    text: str
    confidence: Probability
    source: Literal["llm", "extract"]
    citations: tuple[Citation, ...]


class Approval(Contract):
    """Whose agreement a selected option needs, and who gave it."""

    required: ApprovalTier
    granted_by: str | None = None
    at: UtcTime | None = None


class ExecutionStep(Contract):
    """One outside call of an execution."""

    action: ActionKind
    system: str
    status: StepStatus
    external_id: str | None = None
    """The id that the outside system gave; null until it did."""
    attempts: int = 0
    attempts_before: int = 0
    """Of these, those of before it was given up last; they don't count against the limit of a retry."""
    round: int = 0
    """How often it was taken back; its next try carries a key of its own, since the old one is spent."""
    error: str | None = None
    is_work_done: bool = False
    """Nothing is left to be waited for: the work itself is done, not only ordered."""


class ExecutionSummary(Contract):
    """How the carrying-out of the selected option stands."""

    execution_id: ExecutionId
    status: ExecutionStatus
    steps: tuple[ExecutionStep, ...] = ()
    jobs: int = Field(default=1, ge=0)
    """How many jobs it opens; a plan has one for each of its steps."""
    jobs_done: int = Field(default=0, ge=0)
    actual_cost_usd: Dollars | None = None
    """What the jobs that are done have cost, as far as anybody said."""
    actual_hours: Hours | None = None


class Pause(Contract):
    """A time in which the house's clock stood still."""

    since: UtcTime
    until: UtcTime
    why: Literal["resident", "resolved"]
    """Whether the resident had something to do first, or the work seemed done until it was reopened."""


class Sla(Contract):
    """The promises on a request."""

    response_due_at: UtcTime
    resolution_due_at: UtcTime
    paused: bool = False
    """The house's clock stands still: the resident has something to do first. A statute's never does."""
    paused_at: UtcTime | None = None
    pauses: tuple[Pause, ...] = ()
    """Those that have ended, oldest first."""
    warned_at: UtcTime | None = None
    """When staff were told that the target is near."""
    response_met_at: UtcTime | None = None
    """When somebody first acted on it."""
    response_breached: bool = False
    """Nobody acted by `response_due_at`."""
    breached: bool = False
    """It was not done by `resolution_due_at`."""
    basis: str
    """`doc_id#key` of the target that applies."""
    time_zone: str | None = None
    """The building's (IANA), in which people are told the times; null where nobody has decided yet."""


class Preferences(Contract):
    """What the resident wishes for the visit."""

    allow_entry_when_absent: StrictBool | None = None
    preferred_time_slots: tuple[str, ...] = Field(default=(), max_length=20)
    preferred_days: tuple[str, ...] = Field(default=(), max_length=7)
    avoid_days: tuple[str, ...] = Field(default=(), max_length=7)
    special_instructions: str | None = Field(default=None, max_length=1000)
    contact_before_arrival: StrictBool | None = None
    emergency_contact: str | None = Field(default=None, max_length=200)


class Attachment(Contract):
    """A file that came with the message: one that was uploaded before, or one that lies elsewhere."""

    attachment_id: str | None = Field(default=None, pattern=r"^ATT_[0-9a-f]{24}$")
    """Of an uploaded file; `GET /attachments/{attachment_id}` says where it can be had."""
    name: str | None = Field(default=None, min_length=1, max_length=200)
    """Filled in for an uploaded file."""
    content_type: str | None = Field(default=None, min_length=3, max_length=100)
    """Filled in for an uploaded file."""
    url: str | None = Field(default=None, pattern=r"^https://", max_length=2000)
    """Of a file that lies elsewhere; nobody has checked it."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.attachment_id is None) == (self.url is None):
            raise ValueError("give either the attachment_id of an uploaded file or a url")
        if self.url is not None and (self.name is None or self.content_type is None):
            raise ValueError("a url needs a name and a content_type")
        return self


class Feedback(Contract):
    """How the resident found it."""

    rating: int = Field(ge=1, le=5)
    comment: str | None = Field(default=None, max_length=2000)
    at: UtcTime


class ResolutionNote(Contract):
    """How it ended."""

    resolution_notes: str
    actual_cost_usd: Dollars | None = None
    actual_hours: Hours | None = None
    resolved_by: str
    resolved_at: UtcTime


class Request(Contract):
    """A resident's message and its whole story; the public form."""

    request_id: RequestId
    resident_id: ResidentId
    building_id: BuildingId
    unit: str | None = None
    message_text: str = Field(min_length=1, max_length=MAX_MESSAGE_CHARACTERS)
    status: Status
    version: int = Field(ge=1)
    """Grows by one with every change; the ETag."""
    created_at: UtcTime
    updated_at: UtcTime
    classification: Classification | None = None
    risk: Risk | None = None
    options: tuple[ResolutionOption, ...] = ()
    decision: Decision | None = None
    answer: Answer | None = None
    selected_option_id: OptionId | None = None
    approval: Approval | None = None
    execution: ExecutionSummary | None = None
    sla: Sla | None = None
    preferences: Preferences | None = None
    attachments: tuple[Attachment, ...] = ()
    incident_id: str | None = None
    duplicate_of: RequestId | None = None
    feedback: Feedback | None = None
    resolution: ResolutionNote | None = None
    needs_attention: bool = False
    """A person has to look at it now."""
    reopened: int = Field(default=0, ge=0)
    """How often it was reopened."""
    possible_duplicates: tuple[RequestId, ...] = ()
    """Open requests of the same resident that seem to say the same."""

    def option(self, option_id: str) -> ResolutionOption | None:
        """The option with this id, or None."""
        return next((option for option in self.options if option.option_id == option_id), None)


class Event(Contract):
    """One line of a request's timeline."""

    sequence: int = Field(ge=1)
    """1 for the first event of a request, without gaps."""
    at: UtcTime
    kind: str
    """A stable word, such as `submitted`, `decided`, `status_changed`, `execution_succeeded`."""
    actor: str
    """Who caused it: a subject, or `system`."""
    message: str
    """One sentence for people."""
    internal: bool = False
    """For staff only."""
    details: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict[str, str | int | float | bool | None]
    )
