"""Reaches a decision from options and what is to be expected of them, be they simulated or given."""

import math
from collections.abc import Sequence
from dataclasses import replace

from core.errors import Invalid
from core.labels import Category, Urgency
from core.request import Decision, FactorScores, OptionId, OptionScore, ResolutionOption, Risk
from core.rules import RuleBook
from deployments.decision_simulation.explanation import Basis, counterfactuals, explain
from deployments.decision_simulation.gates import Gate, building_gate
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
    building_id: str | None = None,
) -> Decision:
    """Decide on given options by their estimates; nothing is drawn. `rules` are those of the building.

    Cost, time, satisfaction and compliance are scored as in the pipeline; for urgency the time's distribution is
    taken from its three numbers, and the effectiveness from the catalogue (its median for an option that is not in
    it). An emergency action among the options of an emergency starts at once. A building that no document lists has the
    general rules, and the explanation says so. Raises `Invalid` for no options, more than 20, an id that comes twice,
    figures that are negative or no numbers, or weights that do not sum to 1.
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
    gates = _unknown_building(rules, building_id)
    basis = Basis(rules, urgency, situation, applied, verdict, gates=gates)
    return conclude(basis, options, ranked, act_now, NOT_SAMPLED)


def _unknown_building(rules: RuleBook, building_id: str | None) -> tuple[Gate, ...]:
    gate = building_gate(rules, building_id) if building_id is not None else None
    return (replace(gate, told=True),) if gate else ()


def _outlook(option: ResolutionOption, scales: Scales, catalogue: Catalogue) -> Outlook:
    entry = catalogue.get(option.option_id)
    effectiveness = entry.template.effectiveness if entry else catalogue.median_effectiveness
    hours = option.estimated_time_hours
    return Outlook(
        option_id=option.option_id,
        mean_cost_usd=option.estimated_cost_usd.mean,
        mean_hours=hours.mean,
        harm_avoided=effectiveness
        * option.share_addressed
        * remaining_share_of_estimate(hours, scales.risk_half_life_hours),
        satisfaction_impact=option.resident_satisfaction_impact,
        breach_probability=option.sla_breach_probability,
    )


def _check_options(options: Sequence[ResolutionOption]) -> None:
    if not 1 <= len(options) <= MOST_OPTIONS:
        raise Invalid(f"Give 1 to {MOST_OPTIONS} options, not {len(options)}.")
    for option in options:
        _check_figures(option)
    ids = [option.option_id for option in options]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise Invalid(f"Option ids must differ; given twice: {', '.join(twice)}.")


def _check_figures(option: ResolutionOption) -> None:
    """The contract refuses such figures, too, but not from a caller in this process that skips its checks."""
    named = {"cost": option.estimated_cost_usd, "time": option.estimated_time_hours}
    for name, figures in named.items():
        if not all(math.isfinite(value) and value >= 0 for value in (figures.mean, figures.p50, figures.p90)):
            raise Invalid(f"The {name} of {option.option_id} must be finite numbers from 0 up.")
        if figures.p50 > figures.p90:
            raise Invalid(f"The {name} of {option.option_id} has a median above its 90th percentile.")
    shares = (option.sla_breach_probability, option.resident_satisfaction_impact)
    if not all(math.isfinite(value) for value in shares):
        raise Invalid(f"The figures of {option.option_id} must be finite numbers.")


def _checked(weights: FactorScores) -> FactorScores:
    values = [getattr(weights, name) for name in FACTORS]
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise Invalid("Weights must be finite numbers from 0 up.")
    if abs(sum(values) - 1.0) > WEIGHT_TOLERANCE:
        raise Invalid(f"Weights must sum to 1; these sum to {sum(values):g}.")
    return weights
