"""Takes assessed messages to decisions: picks options, simulates them all at once, scores, and applies the gates.

Pure: the same cases give the same bytes, so that a stored trace can be replayed.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from core.errors import AppError, BrokenInvariant
from core.labels import Urgency
from core.messages import ResolveItem
from core.request import Decision, OptionId, OptionScore, ResolutionOption, Sla
from core.rules import OptionTemplate, RuleBook
from core.service_terms import ServiceTerms
from deployments.decision_simulation.autonomy import Autonomy, judge_autonomy
from deployments.decision_simulation.case import NO_WAIT, Case, Prepared, jobs_of, judge_item, prepare, subject_of
from deployments.decision_simulation.decision import conclude, scales_for
from deployments.decision_simulation.explanation import Basis
from deployments.decision_simulation.gates import (
    Gate,
    building_gate,
    cost_gate,
    entry_gate,
    entry_terms,
    needs_notice,
    quiet_gate,
    statutory_gates,
)
from deployments.decision_simulation.house import House
from deployments.decision_simulation.option_check import CheckReport
from deployments.decision_simulation.outlook import judged_option, outlook_of
from deployments.decision_simulation.plan import compose_samples
from deployments.decision_simulation.policy import Verdict
from deployments.decision_simulation.sampling import Job, Samples, UniformBlock, sample_completion, uniform_block
from deployments.decision_simulation.scoring import rank
from deployments.decision_simulation.situation import situation_of
from deployments.decision_simulation.sla import Matter, promise, statutory_duties
from deployments.decision_simulation.triangular import Floats

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Settled:
    """What came of a case."""

    options: tuple[ResolutionOption, ...]
    decision: Decision
    verdict: Verdict
    act_now: OptionId | None
    sla: Sla
    terms: ServiceTerms
    gates: tuple[str, ...]
    waiting_hours: Mapping[str, list[float]]
    carry_out: OptionId | None
    """The option that policy selects in the resident's place."""
    document_by: datetime | None
    """Until when what starts at once must be documented and agreed to."""
    document_versions: Mapping[str, int]
    report: CheckReport
    option_gates: tuple[Gate, ...] = ()
    """Those of single options, and of the request; `gates` has their words."""
    autonomy: Autonomy | None = None
    """None where it was not asked for."""


class DecisionEngine:
    """The rules, ready to be applied, in each building as they hold there; keeps nothing of a case."""

    def __init__(self, rules: RuleBook, zone: ZoneInfo) -> None:
        """`zone` is the portfolio's: that of the crews, and of buildings for which no document states one."""
        self.rules = rules
        self.zone = zone
        self._general = House(rules)
        self._houses: dict[str, House] = {}

    def house(self, building_id: str | None) -> House:
        """The rules of one building; those of all for a building without its own."""
        if building_id is None or building_id not in self.rules.overrides:
            return self._general
        if building_id not in self._houses:
            own_autonomy = self.rules.states_own(building_id, "autonomy")
            self._houses[building_id] = House(self.rules.of(building_id), own_autonomy)
        return self._houses[building_id]

    def promise(
        self, building_id: str | None, matters: Sequence[Matter], urgency: Urgency, created_at: datetime
    ) -> tuple[Sla, ServiceTerms]:
        """What policy promises on a request with these labels, whoever gave them."""
        rules = self.house(building_id).rules
        calendar = rules.business_calendar(building_id, self.zone.key, created_at)
        duties = statutory_duties(rules, building_id, matters, created_at, calendar)
        return promise(rules, urgency, created_at, calendar, duties)

    def verdict(self, item: ResolveItem, answered: bool | None = None) -> Verdict:
        """Where the gates send this message."""
        house, subject = self.house(item.building_id), subject_of(item)
        return judge_item(house.rules, item, subject, house.pick(subject), answered)

    def crews(self, item: ResolveItem) -> frozenset[str]:
        """The crews and vendors whose waits this message's simulation reads."""
        used: set[str] = set()

        def note(server: str, urgency: Urgency, hour: float) -> Floats:
            used.add(server)
            return NO_WAIT

        self._prepare(Case(item=item, seed=0, replications=1, waits=note))
        return frozenset(used)

    def settle(self, cases: Sequence[Case]) -> list[Settled | AppError]:
        """Every case's result in its place; the failure of one is its own."""
        plans = [_guarded(self._prepare, case) for case in cases]
        jobs: list[Job] = []
        blocks: list[UniformBlock] = []
        for place, plan in enumerate(plans):
            if not isinstance(plan, Prepared) or not plan.matches:
                continue
            own = _guarded(jobs_of, plan, len(blocks))
            if isinstance(own, AppError):
                plans[place] = own
                continue
            jobs += own
            blocks.append(uniform_block(plan.case.seed, plan.case.replications))
        samples = iter(sample_completion(jobs, blocks))
        return [
            _guarded(self._finish, plan, _samples_of(plan, samples)) if isinstance(plan, Prepared) else plan
            for plan in plans
        ]

    def _prepare(self, case: Case) -> Prepared:
        return prepare(case, self.house(case.item.building_id), self.zone)

    def _finish(self, plan: Prepared, samples: Sequence[Samples]) -> Settled:
        item, subject, rules = plan.case.item, plan.subject, plan.house.rules
        scales = scales_for(rules, subject.urgency, item.risk)
        until_due = (plan.sla.resolution_due_at - item.at).total_seconds() / 3600
        terms = partial(
            entry_terms, urgency=subject.urgency, entry_consent=item.entry_consent, rules=rules, zone=self.zone
        )
        options = tuple(
            judged_option(match, sample, scales, until_due, plan.limits, subject, terms)
            for match, sample in zip(plan.matches, samples, strict=True)
        )
        outlooks = [outlook_of(*row, scales) for row in zip(options, plan.matches, samples, strict=True)]
        situation = situation_of(
            subject.category, subject.trade, subject.urgency, item.classification.safety_rule, item.message_text
        )
        weights = rules.scoring.weights[situation]
        ranked = rank(outlooks, scales, weights)
        place = {score.option_id: number for number, score in enumerate(ranked)}
        options = tuple(sorted(options, key=lambda option: place[option.option_id]))
        autonomy = _autonomy(plan, ranked, options)
        gates = self._gates(plan, options)
        basis = Basis(rules, subject.urgency, situation, weights, plan.verdict, plan.limits, gates, autonomy)
        return Settled(
            options=options,
            decision=conclude(basis, options, ranked, plan.act_now, plan.case.seed),
            verdict=plan.verdict,
            act_now=plan.act_now,
            sla=plan.sla,
            terms=plan.terms,
            gates=_lines(plan.verdict, gates, autonomy),
            waiting_hours={server: waits.tolist() for server, waits in plan.waits.items()},
            carry_out=autonomy.carry_out if autonomy else None,
            document_by=_document_by(plan),
            document_versions=plan.house.document_versions(item.building_id, plan.waits, options),
            report=plan.report,
            option_gates=gates,
            autonomy=autonomy,
        )

    def _gates(self, plan: Prepared, options: Sequence[ResolutionOption]) -> tuple[Gate, ...]:
        """Those of the whole request, then those of each option."""
        item, urgency, rules = plan.case.item, plan.subject.urgency, plan.house.rules
        gates: list[Gate | None] = [building_gate(rules, item.building_id), *statutory_gates(plan.duties, plan.sla)]
        gates += [] if plan.verdict.question else plan.house.withheld(plan.subject)
        zone = ZoneInfo(plan.terms.calendar.time_zone)
        for option in options:
            gates.append(cost_gate(rules, urgency, plan.limits, option, plan.subject.category))
            for template in _templates(plan, option):
                if needs_notice(template, urgency, item.entry_consent):
                    gates.append(entry_gate(template, rules, option.option_id))
                gates.append(quiet_gate(template, urgency, rules, item.at, zone, option.option_id))
        return tuple(dict.fromkeys(gate for gate in gates if gate is not None))


def _samples_of(plan: Prepared, samples: Iterator[Samples]) -> list[Samples]:
    """One for each option; a plan's is composed of those of its steps."""
    own = [[next(samples) for _ in match.parts] for match in plan.matches]
    return [
        compose_samples(match.plan, parts) if match.components else parts[0]
        for match, parts in zip(plan.matches, own, strict=True)
    ]


def _templates(plan: Prepared, option: ResolutionOption) -> list[OptionTemplate]:
    """What an option consists of."""
    match = next(match for match in plan.matches if match.entry.template.option_id == option.option_id)
    return [part.template for part in match.parts]


def _autonomy(plan: Prepared, ranked: Sequence[OptionScore], options: Sequence[ResolutionOption]) -> Autonomy | None:
    """None where another gate decides already."""
    if plan.verdict.rule:
        return None
    labels = plan.case.item.classification
    best = options[0] if options else None
    return judge_autonomy(
        plan.house.rules,
        plan.house.own_autonomy,
        plan.subject.category,
        plan.subject.urgency,
        plan.case.item.risk,
        labels.least_confidence,
        plan.verdict,
        ranked,
        best,
    )


def _lines(verdict: Verdict, gates: Sequence[Gate], autonomy: Autonomy | None) -> tuple[str, ...]:
    """Every gate for the trace."""
    first = (verdict.gate,) if verdict.rule else ()
    return (*first, *(gate.line for gate in gates), *((autonomy.line,) if autonomy else ()))


def _document_by(plan: Prepared) -> datetime | None:
    if plan.act_now is None:
        return None
    return plan.case.item.at + timedelta(hours=plan.house.rules.emergency.document_within_hours)


def _guarded(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | AppError:
    """The step's result, or its error as a value; an unexpected one is logged and shown as a broken invariant."""
    try:
        return step(*args, **kwargs)
    except AppError as error:
        return error
    except Exception:
        LOG.exception("A request could not be decided")
        return BrokenInvariant("This request could not be decided.")
