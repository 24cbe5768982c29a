"""Explanations name what decides, and counterfactuals hold when they are tried."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Intent, Urgency
from core.messages import Resolved, ResolveItem
from core.request import FactorScores
from core.rules import RuleBook
from deployments.decision_simulation.explanation import overtaking_weight
from deployments.decision_simulation.policy import approval_tier
from deployments.decision_simulation.resolver import Resolver
from deployments.decision_simulation.scoring import FACTORS

UNIT = st.integers(0, 1000).map(lambda value: value / 1000)
SCORES = st.builds(FactorScores, urgency=UNIT, time=UNIT, cost=UNIT, satisfaction=UNIT, compliance=UNIT)
PARTS = st.lists(st.integers(1, 100), min_size=5, max_size=5)
WEIGHTS = PARTS.map(lambda parts: FactorScores(**{n: p / sum(parts) for n, p in zip(FACTORS, parts, strict=True)}))


def reweighed(weights: FactorScores, factor: str, value: float) -> dict[str, float]:
    """One weight set, the others in their old proportions."""
    rest = 1.0 - getattr(weights, factor)
    others = {name: getattr(weights, name) * (1.0 - value) / rest for name in FACTORS if name != factor}
    return others | {factor: value}


def lead(chosen: FactorScores, other: FactorScores, weights: dict[str, float]) -> float:
    return sum(weights[name] * (getattr(chosen, name) - getattr(other, name)) for name in FACTORS)


@given(SCORES, SCORES, WEIGHTS, st.sampled_from(FACTORS))
def test_the_overtaking_weight_is_where_the_lead_changes_hands(
    chosen: FactorScores, other: FactorScores, weights: FactorScores, factor: str
) -> None:
    if lead(chosen, other, weights.model_dump()) < 0:
        chosen, other = other, chosen
    found = overtaking_weight(chosen, other, weights, factor)
    if found is None:
        ends = [lead(chosen, other, reweighed(weights, factor, value)) for value in (0.0, 1.0)]
        assert min(ends) >= -1e-9
        return
    level, more = found
    assert lead(chosen, other, reweighed(weights, factor, level)) == pytest.approx(0.0, abs=1e-9)
    beyond = level + (1e-3 if more else -1e-3)
    if 0.0 <= beyond <= 1.0:
        assert lead(chosen, other, reweighed(weights, factor, beyond)) <= 1e-9


async def test_every_counterfactual_of_a_decision_is_true(
    resolver: Resolver, rules: RuleBook, make_random_item: Callable[[int], ResolveItem]
) -> None:
    weight_lines = cost_lines = impossible = 0
    for seed in range(60):
        item = make_random_item(seed)
        result = (await resolver.resolve([item]))[0]
        assert isinstance(result, Resolved)
        decision = result.decision
        factors = {score.option_id: score.factors for score in decision.scores}
        titles = {option.title: option for option in result.options}
        for line in decision.counterfactuals:
            title = re.findall("“(.+?)”", line)[0]
            if match := re.search(r"weight of (\w+) (above|below) ([\d.]+)", line):
                nudge = 1e-4 if match[2] == "above" else -1e-4
                weights = reweighed(decision.weights, match[1], float(match[3]) + nudge)
                chosen = factors[decision.recommended_option_id]
                assert lead(chosen, factors[titles[title].option_id], weights) < 0
                weight_lines += 1
            elif match := re.search(r"p90 cost of \$([\d,.]+\d) .* approval of (\w+)", line):
                limit, urgency = float(match[1].replace(",", "")), item.classification.urgency
                assert approval_tier(rules, urgency, limit + 0.01) == match[2]
                assert approval_tier(rules, urgency, limit).rank < approval_tier(rules, urgency, limit + 0.01).rank
                cost_lines += 1
            else:
                assert "No change of a single weight" in line
                impossible += 1
    assert weight_lines > 20
    assert cost_lines > 20
    assert impossible > 0


async def test_the_explanation_names_numbers_and_clauses(
    resolver: Resolver, make_item: Callable[..., ResolveItem]
) -> None:
    result = (await resolver.resolve([make_item("no hot water", urgency=Urgency.HIGH)]))[0]
    assert isinstance(result, Resolved)
    best, second = result.decision.scores[:2]
    text = result.decision.explanation
    assert f"score of {best.total:.3f}" in text
    assert f"with {second.total:.3f} (weights for standard)" in text
    gains = {
        name: getattr(result.decision.weights, name) * (getattr(best.factors, name) - getattr(second.factors, name))
        for name in FACTORS
    }
    assert f"What decides is {max(FACTORS, key=lambda name: gains[name])} (" in text


async def test_the_explanation_of_an_escalation_names_its_clause(
    resolver: Resolver, make_item: Callable[..., ResolveItem]
) -> None:
    person, emergency = await resolver.resolve(
        [make_item(intent=Intent.HUMAN_ESCALATION), make_item(urgency=Urgency.EMERGENCY, safety_rule="gas_smell")]
    )
    assert isinstance(person, Resolved)
    assert "(doc-escalation#escalation)" in person.decision.explanation
    assert isinstance(emergency, Resolved)
    assert "starts at once, whatever the scores" in emergency.decision.explanation
    assert "within 2 hours" in emergency.decision.explanation
    assert "(gas_smell)" in emergency.decision.explanation
