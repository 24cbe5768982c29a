"""Runs the decision engine on messages that nothing was learned from, and says how it decides and how steadily.

Nobody labelled which option is right, so that no share of right choices is given.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import AppError
from core.labels import ApprovalTier, Crew, Intent, RiskLevel, Urgency
from core.messages import DecisionTrace, ResolveItem, Workload
from core.request import Classification, FactorScores, OptionScore, RequestId, Risk
from core.rules import RuleBook
from deployments.decision_simulation.case import Case
from deployments.decision_simulation.engine import DecisionEngine, Settled
from deployments.decision_simulation.replay import record_inputs, replay_case
from deployments.decision_simulation.resolver import REPLICATIONS, stable_seed
from deployments.decision_simulation.sampling import METHOD
from deployments.decision_simulation.scoring import FACTORS, weighted_total
from deployments.decision_simulation.waiting import WaitingTables, WaitingTimes
from models.corpus_reader import Message
from models.report.document import Block, Heading, Paragraph, Table
from models.text.figures import Interval, share

BEGIN = datetime(2026, 3, 2, 15, tzinfo=UTC)
STEP = timedelta(hours=7)
"""Between two messages, so that they fall on every hour of the week."""
WEIGHT_CHANGE = 0.2
RISKS = (0.15, 0.4, 0.7)
"""Taken in turn: the decision is looked at by itself, without the risk model's errors."""
WORKLOADS = {
    "quiet": Workload(),
    "busy": Workload(open_by_crew={crew: {Urgency.MEDIUM: 6, Urgency.HIGH: 3} for crew in Crew}),
}


@dataclass(frozen=True)
class DecisionFigures:
    """How one workload's decisions came out."""

    workload: str
    messages: int
    failed: int
    outcomes: dict[str, int]
    tiers: dict[str, int]
    """Of the recommended options."""
    deciding: dict[str, int]
    """How often each factor made the largest weighted difference between the first two options."""
    counterfactual: Interval
    """Of the decisions between several options, those with a single weight that would change the choice."""
    steady: Interval
    """Of the same, those that no weight changed by 20 % (the others filling up to one) turns."""
    replayed: Interval
    """Replays from the stored trace that are equal byte for byte."""
    acting: Interval
    """Emergencies with an action at once."""
    carried_out: int
    p50_ms: float
    """Of one decision by itself: options, simulation, scores, gates and explanation."""


@dataclass(frozen=True)
class DecisionEvaluation:
    """The decisions under each workload."""

    kb_version: str
    policy_version: str
    figures: tuple[DecisionFigures, ...]


def evaluate_decisions(rules: RuleBook, messages: Sequence[Message], zone: str = "UTC") -> DecisionEvaluation:
    """Decide on every message with its labels as people gave them, under each workload; some seconds."""
    engine, waiting = DecisionEngine(rules, ZoneInfo(zone)), WaitingTimes(rules, ZoneInfo(zone))
    buildings = sorted(rules.buildings) or ["unknown"]
    items = [_item(number, message, buildings) for number, message in enumerate(messages)]
    figures = [
        _figures(name, engine, items, waiting.refresh(workload, BEGIN, seed=1), zone)
        for name, workload in WORKLOADS.items()
    ]
    return DecisionEvaluation(rules.kb_version, rules.policy_version, tuple(figures))


def decision_section(found: DecisionEvaluation) -> list[Block]:
    """The tables of the report."""
    columns = ["", *(each.workload for each in found.figures)]
    rows = [
        ("messages", *(str(each.messages) for each in found.figures)),
        ("could not be decided", *(str(each.failed) for each in found.figures)),
        ("a single weight would change the choice", *(str(each.counterfactual) for each in found.figures)),
        ("the choice withstands ±20 % of any weight", *(str(each.steady) for each in found.figures)),
        ("replayed to the same bytes", *(str(each.replayed) for each in found.figures)),
        ("emergencies acted on at once", *(str(each.acting) for each in found.figures)),
        ("carried out by policy", *(str(each.carried_out) for each in found.figures)),
        ("one decision, p50", *(f"{each.p50_ms:.1f} ms" for each in found.figures)),
    ]
    return [
        Heading(2, "Decisions"),
        Paragraph(
            f"Knowledge base `{found.kb_version}`, policy `{found.policy_version}`; messages of writers that nothing "
            "was learned from, with the labels that people gave them. Nobody labelled the right option, so that there "
            "is no share of right choices; questions count as unanswered, since nothing is looked up here."
        ),
        Table(columns, rows),
        *(_counts("outcome", found, [each.outcomes for each in found.figures])),
        *(_counts("approval of the recommended option", found, [each.tiers for each in found.figures])),
        *(_counts("deciding factor", found, [each.deciding for each in found.figures])),
    ]


def _counts(title: str, found: DecisionEvaluation, counted: Sequence[dict[str, int]]) -> list[Block]:
    names = sorted({name for counts in counted for name in counts})
    rows = [
        (
            name,
            *(
                f"{counts.get(name, 0)} ({counts.get(name, 0) / max(1, sum(counts.values())):.0%})"
                for counts in counted
            ),
        )
        for name in names
    ]
    return [Table([title, *(each.workload for each in found.figures)], rows)]


def _item(number: int, message: Message, buildings: Sequence[str]) -> ResolveItem:
    risk = RISKS[number % len(RISKS)]
    return ResolveItem(
        request_id=RequestId(f"EVAL_{number}"),
        message_text=message.text,
        at=BEGIN + number * STEP,
        building_id=buildings[number % len(buildings)],
        classification=Classification(
            category=message.category,
            urgency=message.urgency,
            intent=message.intent,
            trade=message.trade,
            confidence=1.0,
            source="user",
            emergency=message.urgency is Urgency.EMERGENCY,
            issues=message.issues,
            model_version="people",
        ),
        risk=Risk(
            score=risk,
            level=RiskLevel.MEDIUM,
            recurrence_probability=risk,
            sla_breach_probability=risk,
            escalation_probability=0.1,
            model_version="fixed",
        ),
    )


def _figures(
    name: str, engine: DecisionEngine, items: Sequence[ResolveItem], tables: WaitingTables, zone: str
) -> DecisionFigures:
    settled: list[tuple[Case, Settled]] = []
    took: list[float] = []
    failed = 0
    for item in items:
        case = _case(item, engine, tables)
        begin = time.perf_counter()
        result = engine.settle([case])[0]
        took.append((time.perf_counter() - begin) * 1000)
        if isinstance(result, AppError):
            failed += 1
        else:
            settled.append((case, result))
    chosen = [one for _, one in settled if len(one.options) > 1 and one.act_now is None]
    urgent = [one for case, one in settled if case.item.classification.emergency]
    equal = sum(_replays(case, one, engine, tables, zone) for case, one in settled)
    return DecisionFigures(
        workload=name,
        messages=len(items),
        failed=failed,
        outcomes=dict(Counter(str(one.verdict.status) for _, one in settled)),
        tiers=dict(Counter(str(tier) for _, one in settled if (tier := _tier(one)) is not None)),
        deciding=dict(Counter(_deciding(one.decision.scores, one.decision.weights) for one in chosen)),
        counterfactual=share(sum(_has_counterfactual(one) for one in chosen), len(chosen)),
        steady=share(sum(_is_steady(one.decision.scores, one.decision.weights) for one in chosen), len(chosen)),
        replayed=share(equal, len(settled)),
        acting=share(sum(one.act_now is not None for one in urgent), len(urgent)),
        carried_out=sum(one.carry_out is not None for _, one in settled),
        p50_ms=float(np.median(took)),
    )


def _case(item: ResolveItem, engine: DecisionEngine, tables: WaitingTables) -> Case:
    asked = item.classification.intent is Intent.ANSWER_QUESTION
    seed = stable_seed(item.request_id, engine.rules.kb_version)
    return Case(item, seed, REPLICATIONS, tables.quantiles, answered=False if asked else None)


def _tier(settled: Settled) -> ApprovalTier | None:
    wanted = settled.decision.recommended_option_id
    return next((option.approval for option in settled.options if option.option_id == wanted), None)


def _has_counterfactual(settled: Settled) -> bool:
    return any("with a weight of" in line for line in settled.decision.counterfactuals)


def _deciding(scores: Sequence[OptionScore], weights: FactorScores) -> str:
    first, second = scores[0].factors, scores[1].factors
    gains = {name: getattr(weights, name) * (getattr(first, name) - getattr(second, name)) for name in FACTORS}
    best = max(FACTORS, key=lambda name: gains[name])
    return best if gains[best] > 0 else "none: level, the lower cost"


def _is_steady(scores: Sequence[OptionScore], weights: FactorScores) -> bool:
    """Whether the first stays first when any one weight is a fifth larger or smaller."""
    return all(
        _leads(scores, _changed(weights, name, factor))
        for name in FACTORS
        for factor in (1 - WEIGHT_CHANGE, 1 + WEIGHT_CHANGE)
    )


def _leads(scores: Sequence[OptionScore], weights: FactorScores) -> bool:
    totals = [weighted_total(score.factors, weights) for score in scores]
    return totals[0] >= max(totals)


def _changed(weights: FactorScores, name: str, factor: float) -> FactorScores:
    """One weight changed, the others in their proportions, so that they sum to one."""
    values = weights.model_dump()
    changed = min(1.0, values[name] * factor)
    rest = (1.0 - changed) / (1.0 - values[name]) if values[name] < 1.0 else 0.0
    return FactorScores(**{key: changed if key == name else value * rest for key, value in values.items()})


def _replays(case: Case, settled: Settled, engine: DecisionEngine, tables: WaitingTables, zone: str) -> bool:
    rules = engine.rules
    trace = DecisionTrace(
        inputs=record_inputs(case, b"", zone),
        seed=case.seed,
        replications=case.replications,
        method=METHOD,
        model_versions={},
        kb_version=rules.kb_version,
        policy_version=rules.policy_version,
        workforce_version=tables.version,
        waiting_hours=dict(settled.waiting_hours),
        gates=settled.gates,
    )
    again = replay_case(DecisionTrace.model_validate_json(trace.model_dump_json()), rules, engine)
    return again.decision.model_dump_json() == settled.decision.model_dump_json() and again.gates == settled.gates
