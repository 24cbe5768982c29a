"""The rules that the knowledge base's documents state in their front matter, typed; there is no second copy in code.

A document's `rules` block holds one or more of the keys of `DocumentRules`. Compiling the documents gives one
`RuleBook`: each single key is stated by exactly one document in force for all buildings, and may be stated again by one
document for a single building, where it takes the other's place; lists (`options`, `crews`, …) add up.
"""

import hashlib
from datetime import date, datetime, time
from itertools import pairwise
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from core.business_calendar import BusinessCalendar
from core.contract import ClockTime, Contract, Dollars, Hours, Probability
from core.entry import EntryRules
from core.estate import MOST_AT_ONCE, Building, Jurisdiction, Part, Triangle, Vendor, WeeklyJobs
from core.execution_labels import ActionKind
from core.labels import ApprovalTier, Category, Crew, Role, Situation, Trade, Urgency
from core.request import FactorScores

Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
DAYS_OF_THE_WEEK: tuple[Weekday, ...] = get_args(Weekday)
DocumentKind = Literal["policy", "procedure", "sla", "statute", "catalogue", "workforce", "information"]


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


class AutonomyRules(Contract):
    """When an option may be carried out without a person; every condition must hold, and `enabled: false` is never."""

    enabled: bool
    urgencies: tuple[Urgency, ...]
    """Only these; none for never."""
    categories: tuple[Category, ...]
    actions: tuple[ActionKind, ...]
    highest_risk_score: Probability
    highest_tier: ApprovalTier
    """The highest tier of approval that the option may need; `none` for only what needs none."""
    least_confidence: Probability
    """Of the least certain label."""
    least_lead: Probability
    """How far the option's score must be ahead of the next one's."""
    citation_needed: bool
    """Whether the option must cite a document in force."""


class BudgetRules(Contract):
    """What a building may spend in one month before a higher tier must agree to more."""

    monthly_usd: dict[Category, Dollars]
    over_budget_tier: ApprovalTier
    """The least tier that agrees to an option which would exceed the month's budget; emergencies go ahead."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if set(self.monthly_usd) != set(Category):
            raise ValueError("a budget is needed for every category")
        return self


class Holiday(Contract):
    """A day that is no business day although its weekday would be one."""

    day: date
    """When it is kept, which may be another day than the feast's own."""
    name: str = Field(min_length=1)


class CalendarRules(Contract):
    """Which days are business days."""

    working_days: tuple[Weekday, ...] = Field(min_length=1)
    until: date
    """The last day whose holidays are known."""
    holidays: tuple[Holiday, ...] = ()
    """In the order of their days."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        days = [holiday.day for holiday in self.holidays]
        if any(second <= first for first, second in pairwise(days)):
            raise ValueError("holidays must be in the order of their days, each day once")
        if days and days[-1] > self.until:
            raise ValueError(f"{days[-1]} is after {self.until}, the last day of the calendar")
        return self

    def business_calendar(self, time_zone: str, since: date) -> BusinessCalendar:
        """The calendar in a zone, with the holidays from `since` on."""
        return BusinessCalendar(
            time_zone=time_zone,
            working_days=frozenset(map(DAYS_OF_THE_WEEK.index, self.working_days)),
            holidays=frozenset(holiday.day for holiday in self.holidays if holiday.day >= since),
        )


class FollowUpRules(Contract):
    """What happens by itself while a request waits."""

    warn_at_share: Probability
    """Staff are warned when this share of the time to the resolution target has passed."""
    confirm_within_hours: Hours
    """How long the resident may confirm or reopen before a resolved request closes by itself; calendar hours."""
    remind_after_hours: Hours
    """After so long without a selection, the resident is reminded; calendar hours."""


class EscalationStep(Contract):
    """Somebody who is told, and how long is waited for an acknowledgement."""

    who: str
    wait_minutes: float = Field(gt=0, allow_inf_nan=False)


class EscalationPath(Contract):
    """Who is told, in which order, of a request that a person must decide."""

    path_id: str = Field(pattern=r"^[a-z0-9-]+$")
    categories: tuple[Category, ...] = Field(min_length=1)
    urgencies: tuple[Urgency, ...] = Field(min_length=1)
    steps: tuple[EscalationStep, ...] = Field(min_length=1)


PersonId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@:-]*$", max_length=200)]
"""A person's subject, as in their token."""


class OnCallPost(Contract):
    """Who takes turns at one post, a week each."""

    days: tuple[PersonId, ...] = Field(min_length=1)
    """In the order of their weeks, from the first week of the rotation on, and then over again."""
    nights: tuple[PersonId, ...] = ()
    """The same for the nights; empty where whoever has the days has the nights, too."""


class Absence(Contract):
    """When somebody is away, and who stands in."""

    person: PersonId
    since: date
    """The first day and night that are the deputy's."""
    until: date
    """The last ones."""
    deputy: PersonId

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.until < self.since:
            raise ValueError(f"an absence can't end on {self.until}, before it begins on {self.since}")
        if self.deputy == self.person:
            raise ValueError(f"{self.person} can't be their own deputy")
        return self


class OnCallRules(Contract):
    """Who holds which post when, by the building's local time."""

    day_begins: ClockTime = time(8)
    night_begins: ClockTime = time(18)
    changes_on: Weekday = "Monday"
    """The rotation moves on with this day's first hand-over."""
    since: date
    """The day on which the rotation's first week begins."""
    posts: dict[str, OnCallPost]
    """By the post's name, as escalation paths call it."""
    absences: tuple[Absence, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.day_begins >= self.night_begins:
            raise ValueError("the day must begin before the night does")
        if DAYS_OF_THE_WEEK[self.since.weekday()] != self.changes_on:
            raise ValueError(f"{self.since}, on which the rotation begins, is no {self.changes_on}")
        return self


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
    licence: str | None = None
    """The licence that whoever does it must hold."""
    vendor: str | None = None
    """The vendor that does it in place of the crew, with a queue of its own."""
    parts: tuple[str, ...] = ()
    """Parts of the catalogue that it needs; the slowest of them adds to the lead time. Their cost is in `cost_usd`."""
    plan_step: Literal["diagnose", "coordinate", "verify"] | None = None
    """What it is in a plan for a complex request; such a template is never offered by itself."""
    section: str
    """The heading in the document that describes it; cited with the option."""


class ForbiddenPromise(Contract):
    """What no option may promise to a resident unless a reviewed document does."""

    promise_id: str = Field(pattern=r"^[a-z0-9-]+$")
    phrases: tuple[str, ...] = Field(min_length=1)
    """Words or word stems; up to three other words may stand between those of one phrase."""
    why: str
    """One sentence: what goes wrong when it is promised."""


class PlanPhase(Contract):
    """When the work on one kind of issue is done in a plan for a complex request."""

    phase_id: str = Field(pattern=r"^[a-z0-9-]+$")
    categories: tuple[Category, ...] = ()
    """For issues of these categories that have no trade."""
    trades: tuple[Trade, ...] = ()
    after: tuple[str, ...] = ()
    """Phases that must be done before; they are stated before this one."""
    at_once: bool = False
    """Urgent work of it does not wait for the diagnosis."""


class SharedSystem(Contract):
    """Something that several homes depend on, so that a fault of it needs a plan."""

    system_id: str = Field(pattern=r"^[a-z0-9-]+$")
    trades: tuple[Trade, ...] = ()
    """Every request of these trades is about it."""
    keywords: tuple[str, ...] = ()
    """Words or word stems of which the message of a maintenance request holds one."""


class CrewRules(Contract):
    """One crew of the workforce."""

    crew: Crew
    technicians: int = Field(ge=1, le=MOST_AT_ONCE)
    shift_start_hour: float = Field(ge=0, lt=24)
    shift_end_hour: float = Field(gt=0, le=24)
    weekdays_only: bool
    on_call_outside_shift: bool
    """Outside the shift, emergencies are still served."""
    travel_hours: Triangle
    jobs_per_week: dict[Urgency, WeeklyJobs]
    """Usual arrivals of jobs."""
    job_hours: Triangle
    """Hands-on time of a usual job."""
    licences: tuple[str, ...] = ()


class DocumentRules(Contract):
    """The `rules` block of one document."""

    response_targets: dict[Urgency, ResponseTarget] | None = None
    approvals: Approvals | None = None
    scoring: Scoring | None = None
    escalation: EscalationRules | None = None
    emergency: EmergencyRules | None = None
    entry: EntryRules | None = None
    autonomy: AutonomyRules | None = None
    budgets: BudgetRules | None = None
    calendar: CalendarRules | None = None
    follow_up: FollowUpRules | None = None
    on_call: OnCallRules | None = None
    options: tuple[OptionTemplate, ...] = ()
    crews: tuple[CrewRules, ...] = ()
    vendors: tuple[Vendor, ...] = ()
    parts: tuple[Part, ...] = ()
    buildings: tuple[Building, ...] = ()
    jurisdictions: tuple[Jurisdiction, ...] = ()
    escalation_paths: tuple[EscalationPath, ...] = ()
    forbidden_promises: tuple[ForbiddenPromise, ...] = ()
    plan_phases: tuple[PlanPhase, ...] = ()
    shared_systems: tuple[SharedSystem, ...] = ()
    figures: dict[str, float | str] = Field(default_factory=dict[str, float | str])
    """Figures that the text states and that no other key holds, by a dotted name that all documents share
    (`rent.late_fee_usd`); or a restated one, by its place in the rules (`entry.notice_hours`). Two documents in force
    for the same building that give one name different values contradict each other."""


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


SingleKey = Literal[
    "response_targets",
    "approvals",
    "scoring",
    "escalation",
    "emergency",
    "entry",
    "autonomy",
    "budgets",
    "calendar",
    "follow_up",
    "on_call",
]


SINGLE_KEYS: tuple[SingleKey, ...] = get_args(SingleKey)
"""The keys that exactly one document in force states for all buildings."""


class BuildingOverride(Contract):
    """What the documents of one building state in place of the general ones."""

    rules: DocumentRules
    options: tuple[CataloguedOption, ...] = ()
    """Offered in this building only; one with the id of a general option takes its place."""
    sources: dict[str, str]
    """The document that states each key, by the key's name."""


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
    autonomy: AutonomyRules
    budgets: BudgetRules
    calendar: CalendarRules = CalendarRules(working_days=DAYS_OF_THE_WEEK[:5], until=date.max)
    """The default is that of books that were compiled before documents stated it, so that they can be replayed."""
    follow_up: FollowUpRules = FollowUpRules(warn_at_share=0.8, confirm_within_hours=72, remind_after_hours=24)
    """The default is for such books, too; every newer one holds what its documents state."""
    on_call: OnCallRules = OnCallRules(since=date(2024, 1, 1), posts={})
    """The default, with no post held, is for such books, too."""
    options: tuple[CataloguedOption, ...] = Field(min_length=1)
    crews: dict[Crew, CrewRules]
    vendors: dict[str, Vendor] = Field(default_factory=dict[str, Vendor])
    """By vendor id."""
    parts: dict[str, Part] = Field(default_factory=dict[str, Part])
    """By part id."""
    buildings: dict[str, Building] = Field(default_factory=dict[str, Building])
    """By building id."""
    jurisdictions: dict[str, Jurisdiction] = Field(default_factory=dict[str, Jurisdiction])
    """By the jurisdiction's code."""
    escalation_paths: tuple[EscalationPath, ...] = ()
    forbidden_promises: dict[str, ForbiddenPromise] = Field(default_factory=dict[str, ForbiddenPromise])
    """By promise id."""
    plan_phases: dict[str, PlanPhase] = Field(default_factory=dict[str, PlanPhase])
    """By phase id, in the order of the work."""
    shared_systems: dict[str, SharedSystem] = Field(default_factory=dict[str, SharedSystem])
    """By system id."""
    overrides: dict[str, BuildingOverride] = Field(default_factory=dict[str, BuildingOverride])
    """By building id."""
    document_versions: dict[str, int] = Field(default_factory=dict[str, int])
    """The version of every document in force, by its id."""
    sources: dict[str, str]
    """The document that states each key, by the key's name; of an item of a list, by `key:id`."""
    holds_until: date | None = None
    """The last day on which just these documents are in force; None where no other one begins and none ends."""

    def of(self, building_id: str | None) -> "RuleBook":
        """The rules that hold in one building: the general ones, but for those that its own documents replace.

        A building that no document knows has the general rules.
        """
        override = self.overrides.get(building_id or "")
        if override is None:
            return self
        own = {key: value for key in SINGLE_KEYS if (value := getattr(override.rules, key)) is not None}
        replaced = {entry.template.option_id for entry in override.options}
        options = (*(e for e in self.options if e.template.option_id not in replaced), *override.options)
        return self.model_copy(
            update={**own, "options": options, "sources": {**self.sources, **override.sources}, "overrides": {}}
        )

    def jurisdiction_of(self, building_id: str | None) -> Jurisdiction | None:
        """Whose statutes hold in this building; None where no document says."""
        building = self.buildings.get(building_id or "")
        return self.jurisdictions.get(building.jurisdiction) if building else None

    def zone_of(self, building_id: str | None, default: str) -> str:
        """The time zone of a building; `default` where no document says."""
        building = self.buildings.get(building_id or "")
        return (building.time_zone if building else None) or default

    def business_calendar(self, building_id: str | None, default: str, at: datetime) -> BusinessCalendar:
        """The business days of a building, whose rules these are (`of`), from the local day of `at` on."""
        zone = self.zone_of(building_id, default)
        return self.calendar.business_calendar(zone, at.astimezone(ZoneInfo(zone)).date())

    def escalation_path(self, category: Category, urgency: Urgency) -> EscalationPath | None:
        """Who decides on such a request; None where no document says."""
        return next(
            (p for p in self.escalation_paths if category in p.categories and urgency in p.urgencies),
            None,
        )

    def states_own(self, building_id: str | None, key: SingleKey) -> bool:
        """Whether a document of this building alone states the key."""
        override = self.overrides.get(building_id or "")
        return override is not None and getattr(override.rules, key) is not None

    def clause(self, key: str) -> str:
        """`doc_id#key` for a decision to cite."""
        return f"{self.sources[key]}#{key}"


def rules_hash(rules: RuleBook) -> str:
    """The first 12 characters of the hash over all that was compiled, which tells two compilers' work apart."""
    return hashlib.sha256(rules.model_dump_json().encode()).hexdigest()[:12]
