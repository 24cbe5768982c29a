"""The rules that the knowledge base's documents state in their front matter, typed; there is no second copy in code.

A document's `rules` block holds one or more of the keys of `DocumentRules`. Compiling the documents gives one
`RuleBook`: each key is stated by exactly one document in force, but for `options` and `crews`, which add up.
"""

from datetime import date, time
from typing import Literal, Self

from pydantic import Field, model_validator

from core.contract import Contract, Dollars, Hours, Probability
from core.labels import ActionKind, ApprovalTier, Category, Crew, Role, Situation, Trade, Urgency
from core.request import FactorScores

DocumentKind = Literal["policy", "procedure", "sla", "catalogue", "workforce", "information"]


class Triangle(Contract):
    """A triangular distribution."""

    low: float = Field(ge=0.0, allow_inf_nan=False)
    mode: float = Field(ge=0.0, allow_inf_nan=False)
    high: float = Field(ge=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.mode <= self.high:
            raise ValueError("low, mode and high must be in ascending order")
        return self


class ResponseTarget(Contract):
    """How soon somebody must act on a request of one urgency, and when it must be done."""

    response_hours: Hours
    resolution_hours: Hours
    clock: Literal["calendar", "business"]
    """`business`: only hours of business days count; 24 of them make one day."""


class ApprovalLimits(Contract):
    """The most that may be spent on one incident with each tier's agreement; above `regional`: executive."""

    automatic: Dollars
    supervisor: Dollars
    manager: Dollars
    regional: Dollars

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        limits = [self.automatic, self.supervisor, self.manager, self.regional]
        if limits != sorted(limits):
            raise ValueError("limits must not fall from one tier to the next")
        return self

    def tier(self, cost_usd: float) -> ApprovalTier:
        """The lowest tier that may agree to this cost."""
        steps = (
            (self.automatic, ApprovalTier.NONE),
            (self.supervisor, ApprovalTier.SUPERVISOR),
            (self.manager, ApprovalTier.MANAGER),
            (self.regional, ApprovalTier.REGIONAL),
        )
        return next((tier for limit, tier in steps if cost_usd <= limit), ApprovalTier.EXECUTIVE)


class Approvals(Contract):
    """Who may agree to what."""

    limits: dict[Urgency, ApprovalLimits]
    authority: dict[Role, ApprovalTier]
    """The highest tier that a role may stand for."""
    basis: Literal["p90"] = "p90"
    """The figure of an option's cost that a limit is compared with."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.limits) != set(Urgency):
            raise ValueError("limits are needed for every urgency")
        return self


class Scoring(Contract):
    """The scales that bring the five factors to 0..1."""

    weights: dict[Situation, FactorScores]
    cost_half_usd: dict[Urgency, Dollars]
    """The cost at which the cost factor is one half."""
    risk_half_life_hours: dict[Urgency, Hours]
    """How long it takes until half of the risk that is left has come true."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.weights) != set(Situation):
            raise ValueError("weights are needed for every situation")
        for situation, weights in self.weights.items():
            total = sum(weights.model_dump().values())
            if abs(total - 1.0) > 1e-9:
                raise ValueError(f"the weights of {situation} sum to {total}, not 1")
        if set(self.cost_half_usd) != set(Urgency) or set(self.risk_half_life_hours) != set(Urgency):
            raise ValueError("scales are needed for every urgency")
        return self


class EscalationRules(Contract):
    """When a person decides in place of the system."""

    recurrence_window_days: int = Field(ge=1)
    similar_requests: int = Field(ge=1)
    """So many similar earlier requests in the window make it recurring."""
    similar_requests_with_words: int = Field(ge=0)
    """As `similar_requests`, where the message also holds one of `recurrence_words`."""
    recurrence_words: tuple[str, ...]
    escalation_probability: Probability
    """From this predicted probability on, a person decides."""
    minimum_confidence: Probability
    """Below this confidence of the labels, a person looks first."""


class EmergencyRules(Contract):
    """What is done at once, without a selection."""

    default_option: str
    """The option template for an emergency that no other rule names."""
    options: dict[str, str]
    """Option template by safety rule id, or by trade, or by category, looked up in that order."""
    on_call_role: Role
    document_within_hours: Hours
    advice: dict[str, str]
    """What the resident is told to do now, by safety rule id; `default` for the rest."""


class EntryRules(Contract):
    """When a home may be entered and noise made."""

    notice_hours: Hours
    quiet_start: time
    quiet_end: time
    weekend_start: time
    weekend_end: time


class OptionTemplate(Contract):
    """One way to deal with a kind of request, from a procedure or cost document."""

    option_id: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    action: ActionKind
    crew: Crew
    categories: tuple[Category, ...] = Field(min_length=1)
    trades: tuple[Trade, ...] = ()
    """Only for these trades; empty for any."""
    urgencies: tuple[Urgency, ...] = Field(default=tuple(Urgency), min_length=1)
    keywords: tuple[str, ...] = ()
    """Words or word stems that make it fit a message better; empty for a template that always fits."""
    steps: tuple[str, ...] = Field(min_length=1)
    reasoning: str
    """One sentence: when and why this is the right thing."""
    cost_usd: Triangle
    work_hours: Triangle
    """Hands-on time."""
    lead_hours: Triangle = Triangle(low=0, mode=0, high=0)
    """Waiting for parts, a vendor, a courier or a bank, on top of waiting for the crew."""
    effectiveness: Probability
    """The share of the problem that it removes for good."""
    satisfaction_impact: float = Field(ge=-1.0, le=1.0)
    emergency_only: bool = False
    """An emergency action; never offered for a selection."""
    section: str
    """The heading in the document that describes it; cited with the option."""


class CrewRules(Contract):
    """One crew of the workforce."""

    crew: Crew
    technicians: int = Field(ge=1)
    shift_start_hour: float = Field(ge=0, lt=24)
    shift_end_hour: float = Field(gt=0, le=24)
    weekdays_only: bool
    on_call_outside_shift: bool
    """Outside the shift, emergencies are still served."""
    travel_hours: Triangle
    jobs_per_week: dict[Urgency, float]
    """Usual arrivals of jobs."""
    job_hours: Triangle
    """Hands-on time of a usual job."""


class DocumentRules(Contract):
    """The `rules` block of one document."""

    response_targets: dict[Urgency, ResponseTarget] | None = None
    approvals: Approvals | None = None
    scoring: Scoring | None = None
    escalation: EscalationRules | None = None
    emergency: EmergencyRules | None = None
    entry: EntryRules | None = None
    options: tuple[OptionTemplate, ...] = ()
    crews: tuple[CrewRules, ...] = ()


class FrontMatter(Contract):
    """The typed head of a document of the knowledge base."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    kind: DocumentKind
    building: str = "all"
    """A building id, or `all`."""
    version: int = Field(ge=1)
    effective_from: date
    effective_to: date | None = None
    owner: str
    supersedes: tuple[str, ...] = ()
    rules: DocumentRules = DocumentRules()


class CataloguedOption(Contract):
    """An option template with the document that states it."""

    doc_id: str
    template: OptionTemplate
    quote: str
    """The first sentence of the section that describes it."""


class RuleBook(Contract):
    """Every rule in force, each with the document that states it."""

    kb_version: str
    """Hash of all documents: text and rules."""
    policy_version: str
    """Hash of the rules alone."""
    response_targets: dict[Urgency, ResponseTarget]
    approvals: Approvals
    scoring: Scoring
    escalation: EscalationRules
    emergency: EmergencyRules
    entry: EntryRules
    options: tuple[CataloguedOption, ...] = Field(min_length=1)
    crews: dict[Crew, CrewRules]
    sources: dict[str, str]
    """The document that states each key, by the key's name."""

    def clause(self, key: str) -> str:
        """`doc_id#key` for a decision to cite."""
        return f"{self.sources[key]}#{key}"
