"""What is asked for in a replay, and who does it in the present and in the changed system."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import AppError
from core.estate import Triangle
from core.labels import Category, Crew, Intent, RiskLevel, Trade, Urgency
from core.messages import ResolveItem, Workload
from core.request import Classification, RequestId, Risk
from core.rules import SINGLE_KEYS, OptionTemplate, RuleBook
from core.what_if import ReplayedRequest, Work
from deployments.decision_simulation.decision import UNKNOWN_RISK
from deployments.decision_simulation.engine import Case, DecisionEngine, Settled
from deployments.decision_simulation.waiting import TableSettings, WaitingTimes

REPLICATIONS = 256
BATCH = 32
ROUGH = TableSettings(replications=8, quantiles=32)
"""A recommendation needs the waits roughly; the replay itself simulates every queue in full."""


@dataclass(frozen=True)
class Kind:
    """A request, or a kind of request of a synthetic replay, with what is done about it in each system."""

    item: ResolveItem
    counted: bool
    present: OptionTemplate
    changed: OptionTemplate
    agreed: bool = False
    """Whoever must approve has agreed already."""
    rate_per_week: float = 0.0
    """Of a synthetic kind."""
    work_scale: float = 1.0
    """Of a synthetic kind: by how much the options' hands-on times are stretched, so that they have the mean of the
    crew's usual job."""


@dataclass(frozen=True)
class Kinds:
    """All of a replay."""

    kinds: tuple[Kind, ...]
    skipped: int
    """Requests without anything to be done."""
    unknown_options: int
    """Requests whose chosen option is in no document; the recommended one took its place."""

    @property
    def switched(self) -> int:
        """How many get another option by the change."""
        return sum(kind.present.option_id != kind.changed.option_id for kind in self.kinds if kind.counted)


def kinds_of(work: Work, present: RuleBook, changed: RuleBook, zone: ZoneInfo, seed: int) -> Kinds:
    """What is done about each request.

    In the present system the option that was chosen, or the recommended one where nobody chose. In the changed one
    the same, but for requests for which the change withdraws it or alters the recommendation: these get the new
    recommendation. Only the policy and the options are looked at for that; a change of staff, shifts or vendors
    leaves every choice as it was.
    """
    if work.source == "synthetic":
        drafts = list(_synthetic(work, present))
    else:
        drafts = [_Draft(one) for one in sorted(work.requests, key=lambda one: one.item.at)]
    asking = policy_of(present) != policy_of(changed)
    offered, then_offered = _Offered(present), _Offered(changed)
    before, after = _Advice(present, work, zone, seed), _Advice(changed, work, zone, seed)
    chosen = [offered.named(draft.one, draft.one.option_id) for draft in drafts]
    unknown = sum(
        template is None and draft.one.option_id is not None for template, draft in zip(chosen, drafts, strict=True)
    )
    unclear = [draft.one for template, draft in zip(chosen, drafts, strict=True) if asking or template is None]
    before.ask(unclear)
    first = [
        template or offered.named(draft.one, before.of(draft.one))
        for template, draft in zip(chosen, drafts, strict=True)
    ]
    pairs = [(template, draft) for template, draft in zip(first, drafts, strict=True) if template is not None]
    withdrawn = [draft.one for template, draft in pairs if then_offered.named(draft.one, template.option_id) is None]
    after.ask([*(unclear if asking else ()), *withdrawn])
    kinds: list[Kind] = []
    for template, draft in pairs:
        kept = then_offered.named(draft.one, template.option_id)
        altered = asking and after.of(draft.one) != before.of(draft.one)
        advised = then_offered.named(draft.one, after.of(draft.one)) if altered or kept is None else kept
        if (then := advised or kept) is not None:
            kinds.append(draft.kind(template, then))
    return Kinds(tuple(kinds), skipped=len(drafts) - len(kinds), unknown_options=unknown)


@dataclass(frozen=True)
class _Draft:
    """A request before anything is chosen for it."""

    one: ReplayedRequest
    rate_per_week: float = 0.0
    work_scale: float = 1.0

    def kind(self, present: OptionTemplate, changed: OptionTemplate) -> Kind:
        """With what is done about it."""
        one = self.one
        return Kind(one.item, one.counted, present, changed, one.agreed, self.rate_per_week, self.work_scale)


def policy_of(rules: RuleBook) -> tuple[Any, ...]:
    """Everything of the rules that a choice rests on besides who works when."""
    own = [
        (name, override.rules, _without_vendors(rule.template for rule in override.options))
        for name, override in sorted(rules.overrides.items())
    ]
    return (
        [getattr(rules, key) for key in SINGLE_KEYS],
        _without_vendors(entry.template for entry in rules.options),
        own,
    )


def _without_vendors(templates: Iterator[OptionTemplate]) -> list[OptionTemplate]:
    return [template.model_copy(update={"vendor": None}) for template in templates]


class _Offered:
    """The options of one rule book, by building."""

    def __init__(self, rules: RuleBook) -> None:
        self._rules = rules
        self._by_building: dict[str | None, dict[str, OptionTemplate]] = {}

    def named(self, one: ReplayedRequest, option_id: str | None) -> OptionTemplate | None:
        """The option with this id in the request's building, or None."""
        building = one.item.building_id
        if building not in self._by_building:
            options = self._rules.of(building).options
            self._by_building[building] = {entry.template.option_id: entry.template for entry in options}
        return self._by_building[building].get(option_id or "")


class _Advice:
    """What the engine recommends under one rule book."""

    def __init__(self, rules: RuleBook, work: Work, zone: ZoneInfo, seed: int) -> None:
        self._rules, self._work, self._zone, self._seed = rules, work, zone, seed
        self._advised: dict[RequestId, str | None] = {}

    def ask(self, requests: Sequence[ReplayedRequest]) -> None:
        """Have these decided."""
        items = list({one.item.request_id: one.item for one in requests}.values())
        if not items:
            return
        engine = DecisionEngine(self._rules, self._zone)
        waiting = WaitingTimes(self._rules, self._zone, ROUGH)
        tables = waiting.refresh(Workload(), self._work.begin, self._seed)
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            cases = [Case(item, self._seed, REPLICATIONS, tables.quantiles) for item in batch]
            for item, settled in zip(batch, engine.settle(cases), strict=True):
                self._advised[item.request_id] = _recommended(settled)

    def of(self, one: ReplayedRequest) -> str | None:
        """The recommended option's id; None where there is none."""
        return self._advised.get(one.item.request_id)


def _recommended(settled: Settled | AppError) -> str | None:
    return None if isinstance(settled, AppError) else settled.decision.recommended_option_id


def _synthetic(work: Work, rules: RuleBook) -> Iterator[_Draft]:
    """One kind for each crew, urgency and option, sharing the crew's usual arrivals."""
    for crew, crew_rules in rules.crews.items():
        rows = [
            (urgency, template, per_week / len(fitting))
            for urgency, per_week in crew_rules.jobs_per_week.items()
            if per_week > 0
            for fitting in (_fitting(rules, crew, urgency),)
            for template in fitting
        ]
        usual = sum(rate for _, _, rate in rows) * _mean(crew_rules.job_hours)
        stated = sum(rate * _mean(template.work_hours) for _, template, rate in rows)
        for urgency, template, rate in rows:
            yield _Draft(_prototype(work, crew, urgency, template), rate, usual / stated if stated > 0 else 1.0)


def _mean(triangle: Triangle) -> float:
    return (triangle.low + triangle.mode + triangle.high) / 3


def _fitting(rules: RuleBook, crew: Crew, urgency: Urgency) -> list[OptionTemplate]:
    """What may be done about a request of this urgency: by the crew itself, or else by the vendors in its place; of an
    emergency the emergency actions, where there are any."""
    options = [entry.template for entry in rules.options]
    fitting = [one for one in options if one.crew is crew and urgency in one.urgencies]
    fitting = [one for one in fitting if one.vendor is None] or fitting
    at_once = [template for template in fitting if template.emergency_only]
    if urgency is Urgency.EMERGENCY and at_once:
        return at_once
    return [template for template in fitting if not template.emergency_only]


def _prototype(work: Work, crew: Crew, urgency: Urgency, template: OptionTemplate) -> ReplayedRequest:
    maintenance = Category.MAINTENANCE in template.categories
    trades = template.trades or tuple(trade for trade in Trade if trade.value == crew.value)
    classification = Classification(
        category=Category.MAINTENANCE if maintenance else template.categories[0],
        urgency=urgency,
        intent=Intent.SOLVE_PROBLEM,
        trade=trades[0] if maintenance and trades else None,
        confidence=1.0,
        source="user",
        emergency=urgency is Urgency.EMERGENCY,
        model_version="synthetic",
    )
    risk = Risk(
        score=UNKNOWN_RISK,
        level=RiskLevel.HIGH,
        recurrence_probability=0.0,
        sla_breach_probability=0.0,
        escalation_probability=0.0,
        model_version="synthetic",
    )
    item = ResolveItem(
        request_id=RequestId(f"synthetic/{crew}/{urgency}/{template.option_id}"),
        message_text=". ".join([template.title, *template.keywords[:1]]),
        at=work.begin,
        classification=classification,
        risk=risk,
    )
    return ReplayedRequest(item=item, option_id=template.option_id)
