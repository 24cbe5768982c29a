"""Says in plain English why an option is recommended, and computes what would have to change for another one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.labels import ApprovalTier, Situation, Urgency
from core.request import FactorScores, OptionScore, ResolutionOption
from core.rules import ApprovalLimits, RuleBook
from deployments.decision_simulation.autonomy import Autonomy
from deployments.decision_simulation.gates import Gate
from deployments.decision_simulation.policy import Verdict, approval_tier, emergency_options
from deployments.decision_simulation.scoring import FACTORS

STEP = 1000
"""Weights are stated to three decimals, rounded away from the present one, so that the statement holds."""


@dataclass(frozen=True)
class Basis:
    """What a decision stands on besides the options."""

    rules: RuleBook
    urgency: Urgency
    situation: Situation
    weights: FactorScores
    verdict: Verdict
    budget_limits: ApprovalLimits | None = None
    """The approval limits where a month's budget lowers them."""
    gates: tuple[Gate, ...] = ()
    autonomy: Autonomy | None = None

    @property
    def limits(self) -> ApprovalLimits:
        """The approval limits that hold."""
        return self.budget_limits or self.rules.approvals.limits[self.urgency]


Options = Mapping[str, ResolutionOption]
"""The options by their id."""


def explain(basis: Basis, ranked: Sequence[OptionScore], options: Options, recommended: str | None) -> str:
    """The explanation, a few sentences."""
    verdict, sentences = basis.verdict, list[str]()
    if recommended is not None:
        chosen = next(score for score in ranked if score.option_id == recommended)
        sentences += _choice(basis, chosen, ranked, options)
        sentences += _approval(basis, options[recommended])
    sentences += [gate.words for gate in basis.gates if gate.told and gate.option_id in (None, recommended)]
    if verdict.rule:
        sentences.append(f"{verdict.reason} ({verdict.rule})")
    elif basis.autonomy is not None and basis.autonomy.carry_out is not None:
        sentences.append(f"{basis.autonomy.words} ({basis.autonomy.clause})")
    elif recommended is not None:
        sentences.append("It starts when the resident or staff select it.")
    return " ".join(sentences)


def counterfactuals(
    basis: Basis, ranked: Sequence[OptionScore], options: Options, recommended: str | None
) -> tuple[str, ...]:
    """For each other option the single weight at which it would come out ahead, and the cost of the next approval."""
    if recommended is None:
        return ()
    chosen = next(score for score in ranked if score.option_id == recommended)
    others = [score for score in ranked if score.option_id != recommended and score.total <= chosen.total]
    lines = [_overtaking_line(chosen, other, options[other.option_id].title, basis.weights) for other in others]
    limit_line = _next_tier_line(basis, options[recommended])
    return (*lines, *([limit_line] if limit_line else []))


def overtaking_weight(
    chosen: FactorScores, other: FactorScores, weights: FactorScores, factor: str
) -> tuple[float, bool] | None:
    """The weight of one factor at which `other` draws level, and whether more of it (True) or less lets it win.

    The other weights keep their proportions and fill up to 1. None where no weight in 0..1 does it.
    """
    lead = {name: getattr(chosen, name) - getattr(other, name) for name in FACTORS}
    present = getattr(weights, factor)
    if present >= 1.0:
        return None
    rest = sum(getattr(weights, name) * lead[name] for name in FACTORS if name != factor) / (1.0 - present)
    # With weight x the lead is x·lead[factor] + (1 - x)·rest, linear in x.
    if math.isclose(rest, lead[factor], abs_tol=1e-12):
        return None
    level = rest / (rest - lead[factor])
    return (level, lead[factor] < rest) if 0.0 <= level <= 1.0 else None


def _choice(basis: Basis, chosen: OptionScore, ranked: Sequence[OptionScore], options: Options) -> list[str]:
    option = options[chosen.option_id]
    figures = (
        f"about ${option.estimated_cost_usd.mean:,.0f} (p90 ${option.estimated_cost_usd.p90:,.0f}) and "
        f"{option.estimated_time_hours.mean:,.1f} hours (p90 {option.estimated_time_hours.p90:,.1f})"
    )
    if basis.verdict.acts_now and option.option_id in emergency_options(basis.rules):
        hours = basis.rules.emergency.document_within_hours
        return [f"“{option.title}” starts at once, whatever the scores: {figures}. Document it within {hours:g} hours."]
    sentences = [f"“{option.title}” is recommended with a score of {chosen.total:.3f}: {figures}."]
    runner_up = next((score for score in ranked if score.option_id != chosen.option_id), None)
    if runner_up is None:
        return [*sentences, "It is the only option."]
    return [*sentences, _comparison(basis, chosen, runner_up, options[runner_up.option_id].title)]


def _comparison(basis: Basis, chosen: OptionScore, runner_up: OptionScore, title: str) -> str:
    """The factors that decide between the first two, by their weighted difference."""
    gains = {
        name: getattr(basis.weights, name) * (getattr(chosen.factors, name) - getattr(runner_up.factors, name))
        for name in FACTORS
    }
    order = sorted(FACTORS, key=lambda name: -abs(gains[name]))
    ahead = [_factor_words(chosen, runner_up, basis.weights, name) for name in order if gains[name] > 0][:2]
    behind = [_factor_words(chosen, runner_up, basis.weights, name) for name in order if gains[name] < 0][:1]
    sentence = f"Next is “{title}” with {runner_up.total:.3f} (weights for {basis.situation}). "
    if chosen.total == runner_up.total:
        return sentence + "The two are level, so the lower cost, then the shorter time, decides."
    sentence += f"What decides is {' and '.join(ahead)}"
    return sentence + (f"; against it stands {behind[0]}." if behind else ".")


def _factor_words(chosen: OptionScore, other: OptionScore, weights: FactorScores, name: str) -> str:
    own, theirs = getattr(chosen.factors, name), getattr(other.factors, name)
    return f"{name} ({own:.3f} against {theirs:.3f}, weight {getattr(weights, name):.2f})"


def _approval(basis: Basis, option: ResolutionOption) -> list[str]:
    p90 = option.estimated_cost_usd.p90
    tier = basis.limits.tier(p90)
    if tier is ApprovalTier.NONE or basis.verdict.acts_now:
        return []
    limit, clause = _limit_below(basis, tier), _clause_at(basis, p90)
    left = " that is left of the month's budget" if clause == basis.rules.clause("budgets") else ""
    return [f"It needs the approval of {tier}, since its p90 cost is above the ${limit:,.0f}{left} ({clause})."]


def _clause_at(basis: Basis, cost_usd: float) -> str:
    """Whether the limits or the budget ask for the tier that this cost needs."""
    by_cost = approval_tier(basis.rules, basis.urgency, cost_usd)
    return basis.rules.clause("budgets" if by_cost.rank < basis.limits.tier(cost_usd).rank else "approvals")


def _limit_below(basis: Basis, tier: ApprovalTier) -> float:
    """The cost up to which a lower tier may agree."""
    limits = basis.limits
    return (0.0, limits.automatic, limits.supervisor, limits.manager, limits.regional)[tier.rank]


def _overtaking_line(chosen: OptionScore, other: OptionScore, title: str, weights: FactorScores) -> str:
    # The cost weight where there is one, since it is the one that people ask for; else the smallest change.
    for names in (("cost",), FACTORS):
        found = {name: overtaking_weight(chosen.factors, other.factors, weights, name) for name in names}
        stated = {name: (level, words) for name, level in found.items() if level and (words := _stated(*level))}
        if stated:
            name = min(stated, key=lambda key: abs(stated[key][0][0] - getattr(weights, key)))
            present = getattr(weights, name)
            return f"“{title}” would overtake it with a weight of {name} {stated[name][1]} (now {present:g})."
    return f"No change of a single weight would let “{title}” overtake it."


def _stated(level: float, more: bool) -> str | None:
    """`above` or `below` a weight in three decimals, on the safe side; None where that leaves no room up to 0 or 1."""
    stated = math.ceil(level * STEP) if more else math.floor(level * STEP)
    return f"{'above' if more else 'below'} {stated / STEP:.3f}" if 0 < stated < STEP else None


def _next_tier_line(basis: Basis, option: ResolutionOption) -> str | None:
    p90 = option.estimated_cost_usd.p90
    tier = basis.limits.tier(p90)
    if tier is ApprovalTier.EXECUTIVE:
        return None
    limit = _limit_below(basis, list(ApprovalTier)[tier.rank + 1])
    above = math.nextafter(limit, math.inf)
    return (
        f"Above a p90 cost of ${limit:,.2f} (now ${p90:,.2f}) “{option.title}” would need the approval of "
        f"{basis.limits.tier(above)} ({_clause_at(basis, above)})."
    )
