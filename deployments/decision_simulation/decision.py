"""Reaches a decision from options and what is to be expected of them, be they simulated or given."""

import math
from collections.abc import Sequence

from core.errors import Invalid
from core.labels import Category, Urgency
from core.request import Decision, FactorScores, OptionId, OptionScore, ResolutionOption, Risk
from core.rules import RuleBook
from deployments.decision_simulation.explanation import Basis, counterfactuals, explain
from deployments.decision_simulation.options import Catalogue
from deployments.decision_simulation.policy import emergency_options, facts_of_options, judge
from deployments.decision_simulation.scoring import FACTORS, Outlook, Scales, rank, remaining_share_of_estimate
from deployments.decision_simulation.situation import situation_of
from deployments.decision_simulation.sla import usual_hours

MOST_OPTIONS = 20
WEIGHT_TOLERANCE = 1e-6
UNKNOWN_RISK = 1.0
"""Without a risk, all the harm is taken to be at stake."""
NOT_SAMPLED = 0
"""The seed of a decision for which nothing was drawn."""


def scales_for(rules: RuleBook, urgency: Urgency, risk: Risk | None) -> Scales:
    """What options of a request with this urgency and risk are measured against."""
    return Scales(
        risk_score=risk.score if risk else UNKNOWN_RISK,
        risk_half_life_hours=rules.scoring.risk_half_life_hours[urgency],
        target_hours=usual_hours(rules.response_targets[urgency]),
        cost_half_usd=rules.scoring.cost_half_usd[urgency],
    )


def conclude(
    basis: Basis,
    options: Sequence[ResolutionOption],
    ranked: tuple[OptionScore, ...],
    act_now: OptionId | None,
    seed: int,
) -> Decision:
    """The decision: the option that starts at once where there is one, else the best score, with its explanation."""
    by_id = {str(option.option_id): option for option in options}
    recommended = act_now or (ranked[0].option_id if ranked else None)
    return Decision(
        recommended_option_id=recommended,
        scores=ranked,
        weights=basis.weights,
        situation=basis.situation,
        policy_version=basis.rules.policy_version,
        kb_version=basis.rules.kb_version,
        seed=seed,
        explanation=explain(basis, ranked, by_id, recommended),
        counterfactuals=counterfactuals(basis, ranked, by_id, recommended),
        escalation=basis.verdict.escalation,
    )


def decide(
    rules: RuleBook,
    catalogue: Catalogue,
    options: Sequence[ResolutionOption],
    urgency: Urgency,
    category: Category,
    risk: Risk | None = None,
    weights: FactorScores | None = None,
) -> Decision:
    """Decide on given options by their estimates; nothing is drawn.

    Cost, time, satisfaction and compliance are scored as in the pipeline; for urgency the time's distribution is
    taken from its three numbers, and the effectiveness from the catalogue (its median for an option that is not in
    it). An emergency action among the options of an emergency starts at once. Raises `Invalid` for no options, more
    than 20, an id that comes twice, or weights that do not sum to 1.
    """
    _check_options(options)
    scales = scales_for(rules, urgency, risk)
    situation = situation_of(category, None, urgency)
    applied = _checked(weights) if weights else rules.scoring.weights[situation]
    outlooks = [_outlook(option, scales, catalogue) for option in options]
    verdict = judge(facts_of_options(category, urgency, risk, len(options)), rules)
    ranked = rank(outlooks, scales, applied)
    at_once = [score.option_id for score in ranked if score.option_id in emergency_options(rules)]
    act_now = at_once[0] if verdict.acts_now and at_once else None
    return conclude(Basis(rules, urgency, situation, applied, verdict), options, ranked, act_now, NOT_SAMPLED)


def _outlook(option: ResolutionOption, scales: Scales, catalogue: Catalogue) -> Outlook:
    entry = catalogue.get(option.option_id)
    effectiveness = entry.template.effectiveness if entry else catalogue.median_effectiveness
    hours = option.estimated_time_hours
    return Outlook(
        option_id=option.option_id,
        mean_cost_usd=option.estimated_cost_usd.mean,
        mean_hours=hours.mean,
        harm_avoided=effectiveness * remaining_share_of_estimate(hours, scales.risk_half_life_hours),
        satisfaction_impact=option.resident_satisfaction_impact,
        breach_probability=option.sla_breach_probability,
    )


def _check_options(options: Sequence[ResolutionOption]) -> None:
    if not 1 <= len(options) <= MOST_OPTIONS:
        raise Invalid(f"Give 1 to {MOST_OPTIONS} options, not {len(options)}.")
    ids = [option.option_id for option in options]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise Invalid(f"Option ids must differ; given twice: {', '.join(twice)}.")


def _checked(weights: FactorScores) -> FactorScores:
    values = [getattr(weights, name) for name in FACTORS]
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise Invalid("Weights must be finite numbers from 0 up.")
    if abs(sum(values) - 1.0) > WEIGHT_TOLERANCE:
        raise Invalid(f"Weights must sum to 1; these sum to {sum(values):g}.")
    return weights
