"""Takes assessed messages to decisions: picks options, simulates them all at once, scores, and applies the gates.

Pure: the same cases give the same bytes, so that a stored trace can be replayed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import ParamSpec, TypeVar

import numpy as np

from core.errors import AppError, BrokenInvariant
from core.labels import Crew, Urgency
from core.messages import ResolveItem, Retrieved
from core.request import Decision, Estimate, OptionId, ResolutionOption, Sla
from core.rules import RuleBook
from deployments.decision_simulation.decision import conclude, scales_for
from deployments.decision_simulation.duty import week_hour
from deployments.decision_simulation.explanation import Basis
from deployments.decision_simulation.options import Catalogue, Match, Subject, leading_subject, write_option
from deployments.decision_simulation.policy import (
    Facts,
    Verdict,
    approval_gates,
    approval_tier,
    judge,
    recurrence_word,
    similar_requests,
)
from deployments.decision_simulation.sampling import Job, Samples, quantile, sample_completion, uniform_block
from deployments.decision_simulation.scoring import Outlook, Scales, faded_impact, rank, remaining_share
from deployments.decision_simulation.situation import situation_of
from deployments.decision_simulation.sla import sla_for
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import crew_models

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

Waits = Callable[[Crew, Urgency, float], Floats]
"""Waiting-time quantiles by crew, urgency and hour of the week."""

NO_WAIT: Floats = np.zeros(1)


@dataclass(frozen=True)
class Case:
    """One message with everything that its decision depends on."""

    item: ResolveItem
    seed: int
    replications: int
    waits: Waits
    answered: bool | None = None
    """Whether its question was answered; None where nobody was asked."""
    passages: tuple[Retrieved, ...] = ()


@dataclass(frozen=True)
class Settled:
    """What came of a case."""

    options: tuple[ResolutionOption, ...]
    decision: Decision
    verdict: Verdict
    act_now: OptionId | None
    sla: Sla
    gates: tuple[str, ...]
    waiting_hours: Mapping[str, list[float]]


@dataclass(frozen=True)
class _Plan:
    """A case with its options picked and judged, before they are simulated."""

    case: Case
    subject: Subject
    verdict: Verdict
    matches: tuple[Match, ...]
    act_now: OptionId | None
    sla: Sla
    begin: float
    """Now, in hours since Monday 00:00."""
    waits: Mapping[Crew, Floats]


class DecisionEngine:
    """The rules, ready to be applied; holds no state between calls."""

    def __init__(self, rules: RuleBook, zone: tzinfo) -> None:
        self.rules = rules
        self.zone = zone
        self.catalogue = Catalogue(rules)
        self._models = crew_models(rules)

    def verdict(self, item: ResolveItem, answered: bool | None = None) -> Verdict:
        """Where the gates send this message."""
        subject = self._subject(item)
        return self._judge(item, subject, self.catalogue.pick(subject), answered)

    def crews(self, item: ResolveItem) -> frozenset[Crew]:
        """The crews whose waits this message's simulation reads."""
        used: set[Crew] = set()

        def note(crew: Crew, urgency: Urgency, hour: float) -> Floats:
            used.add(crew)
            return NO_WAIT

        self._plan(Case(item=item, seed=0, replications=1, waits=note))
        return frozenset(used)

    def settle(self, cases: Sequence[Case]) -> list[Settled | AppError]:
        """Every case's result in its place; the failure of one is its own."""
        plans = [_guarded(self._plan, case) for case in cases]
        jobs: list[Job] = []
        blocks: list[Floats] = []
        for plan in plans:
            if isinstance(plan, _Plan) and plan.matches:
                jobs += self._jobs(plan, len(blocks))
                blocks.append(uniform_block(plan.case.seed, plan.case.replications))
        samples = iter(sample_completion(jobs, blocks))
        return [
            _guarded(self._finish, plan, [next(samples) for _ in plan.matches]) if isinstance(plan, _Plan) else plan
            for plan in plans
        ]

    def _subject(self, item: ResolveItem) -> Subject:
        labels = item.classification
        urgency = Urgency.EMERGENCY if labels.emergency else labels.urgency
        return leading_subject(item.message_text, labels, urgency)

    def _judge(self, item: ResolveItem, subject: Subject, matches: tuple[Match, ...], answered: bool | None) -> Verdict:
        labels = item.classification
        facts = Facts(
            category=subject.category,
            urgency=subject.urgency,
            trade=subject.trade,
            intent=labels.intent,
            confidence=labels.least_confidence,
            safety_rule=labels.safety_rule,
            escalation_probability=item.risk.escalation_probability,
            similar=similar_requests(item.history, subject.category, subject.trade, item.at, self.rules),
            recurrence_word=recurrence_word(item.message_text, self.rules),
            options=len(matches),
            keywords=sum(match.keywords for match in matches),
            answered=answered,
        )
        return judge(facts, self.rules)

    def _plan(self, case: Case) -> _Plan:
        item, subject = case.item, self._subject(case.item)
        matches = self.catalogue.pick(subject)
        verdict = self._judge(item, subject, matches, case.answered)
        act_now: OptionId | None = None
        if verdict.question:
            matches = ()
        if verdict.acts_now:
            action = self.catalogue.emergency_action(item.classification.safety_rule, subject.trade, subject.category)
            matches = (Match(action, 0), *matches)
            act_now = OptionId(action.template.option_id)
        begin = week_hour(item.at, self.zone)
        return _Plan(
            case=case,
            subject=subject,
            verdict=verdict,
            matches=matches,
            act_now=act_now,
            sla=sla_for(self.rules, subject.urgency, item.at, self.zone),
            begin=begin,
            waits={crew: case.waits(crew, subject.urgency, begin) for crew in _crews(matches)},
        )

    def _jobs(self, plan: _Plan, request: int) -> list[Job]:
        urgency = plan.subject.urgency
        return [
            Job(
                request=request,
                template=match.entry.template,
                travel_hours=self.rules.crews[match.entry.template.crew].travel_hours,
                clock=self._models[match.entry.template.crew].clock_for(urgency),
                waits=plan.waits[match.entry.template.crew],
                begin=plan.begin,
                urgency=urgency,
                limits=self.rules.approvals.limits[urgency],
                office_clock=self._models[Crew.OFFICE].clock_for(urgency),
                office_waits=plan.waits[Crew.OFFICE],
            )
            for match in plan.matches
        ]

    def _finish(self, plan: _Plan, samples: Sequence[Samples]) -> Settled:
        item, subject = plan.case.item, plan.subject
        scales = scales_for(self.rules, subject.urgency, item.risk)
        pairs = list(zip(plan.matches, samples, strict=True))
        options = tuple(self._option(plan, match, sample, scales) for match, sample in pairs)
        outlooks = [_outlook(*row, scales) for row in zip(options, plan.matches, samples, strict=True)]
        labels = item.classification
        situation = situation_of(
            subject.category, subject.trade, subject.urgency, labels.safety_rule, item.message_text
        )
        basis = Basis(self.rules, subject.urgency, situation, self.rules.scoring.weights[situation], plan.verdict)
        ranked = rank(outlooks, scales, basis.weights)
        gates = (plan.verdict.gate,) if plan.verdict.rule else ()
        place = {score.option_id: number for number, score in enumerate(ranked)}
        return Settled(
            options=tuple(sorted(options, key=lambda option: place[option.option_id])),
            decision=conclude(basis, options, ranked, plan.act_now, plan.case.seed),
            verdict=plan.verdict,
            act_now=plan.act_now,
            sla=plan.sla,
            gates=gates + approval_gates(self.rules, options),
            waiting_hours={str(crew): waits.tolist() for crew, waits in plan.waits.items()},
        )

    def _option(self, plan: _Plan, match: Match, samples: Samples, scales: Scales) -> ResolutionOption:
        cost = _estimate(samples.cost_usd)
        patience = remaining_share(samples.hours, scales.target_hours)
        until_due = (plan.sla.resolution_due_at - plan.case.item.at).total_seconds() / 3600
        impact = faded_impact(match.entry.template.satisfaction_impact, patience)
        return write_option(
            match.entry,
            cost=cost,
            hours=_estimate(samples.hours),
            breach=round(1.0 - int(samples.hours.searchsorted(until_due, side="right")) / samples.hours.size, 4),
            impact=round(impact, 4),
            tier=approval_tier(self.rules, plan.subject.urgency, cost.p90),
            note=plan.subject.note,
        )


def _crews(matches: Sequence[Match]) -> list[Crew]:
    """Those who carry the options out, and the office, which finds whoever approves them."""
    return sorted({Crew.OFFICE, *(match.entry.template.crew for match in matches)}) if matches else []


def _outlook(option: ResolutionOption, match: Match, samples: Samples, scales: Scales) -> Outlook:
    """From the option as it is written down, so that a decision on the written option agrees."""
    left = remaining_share(samples.hours, scales.risk_half_life_hours)
    return Outlook(
        option_id=option.option_id,
        mean_cost_usd=option.estimated_cost_usd.mean,
        mean_hours=option.estimated_time_hours.mean,
        harm_avoided=match.entry.template.effectiveness * left,
        satisfaction_impact=option.resident_satisfaction_impact,
        breach_probability=option.sla_breach_probability,
    )


def _estimate(ascending: Floats) -> Estimate:
    return Estimate(
        mean=round(float(ascending.sum()) / ascending.size, 2),
        p50=round(quantile(ascending, 0.5), 2),
        p90=round(quantile(ascending, 0.9), 2),
    )


def _guarded(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | AppError:
    """The step's result, or its error as a value; an unexpected one is logged and shown as a broken invariant."""
    try:
        return step(*args, **kwargs)
    except AppError as error:
        return error
    except Exception:
        LOG.exception("A request could not be decided")
        return BrokenInvariant("This request could not be decided.")
