"""Decisions on given options: what is refused, and agreement with the pipeline."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from core.errors import Invalid
from core.execution_labels import ActionKind
from core.labels import ApprovalTier, Category, Crew, Situation, Urgency
from core.messages import Resolved, ResolveItem
from core.request import Estimate, FactorScores, OptionId, ResolutionOption
from deployments.decision_simulation.resolver import Resolver


def option(option_id: str, cost: float = 100.0, hours: float = 10.0, **changes: object) -> ResolutionOption:
    fields: dict[str, object] = {
        "option_id": OptionId(option_id),
        "title": option_id,
        "action": ActionKind.DISPATCH_WORK_ORDER,
        "crew": Crew.PLUMBING,
        "steps": ("Go",),
        "estimated_cost_usd": Estimate(mean=cost, p50=cost, p90=cost * 1.4),
        "estimated_time_hours": Estimate(mean=hours, p50=hours, p90=hours * 1.5),
        "sla_breach_probability": 0.1,
        "resident_satisfaction_impact": 0.2,
        "approval": ApprovalTier.NONE,
        "reasoning": "Because.",
        "source": "catalog",
        "citations": (),
    }
    return ResolutionOption.model_validate(fields | changes)


def weigh(**values: float) -> FactorScores:
    return FactorScores(**({"urgency": 0, "time": 0, "cost": 0, "satisfaction": 0, "compliance": 0} | values))


def test_the_weights_that_are_given_decide(resolver: Resolver) -> None:
    options = [option("cheap", cost=50, hours=100), option("quick", cost=900, hours=2)]
    for weights, best in ((weigh(cost=1), "cheap"), (weigh(time=1), "quick")):
        decision = resolver.decide(options, Urgency.MEDIUM, Category.MAINTENANCE, None, weights)
        assert decision.recommended_option_id == best
        assert decision.weights == weights
    standard = resolver.decide(options, Urgency.MEDIUM, Category.MAINTENANCE)
    assert standard.situation is Situation.STANDARD
    assert sum(standard.weights.model_dump().values()) == pytest.approx(1.0)


def test_what_deals_with_every_issue_is_ahead_of_what_deals_with_one(resolver: Resolver) -> None:
    options = [option("one-of-three", share_addressed=1 / 3), option("whole")]
    scores = resolver.decide(options, Urgency.MEDIUM, Category.MAINTENANCE).scores
    assert [score.option_id for score in scores] == ["whole", "one-of-three"]
    assert scores[0].factors.urgency > scores[1].factors.urgency
    assert scores[0].factors.cost == scores[1].factors.cost


@pytest.mark.parametrize("weights", [weigh(cost=0.5), weigh(cost=1, time=0.1), weigh(cost=0.999998)])
def test_weights_that_do_not_sum_to_one_are_refused(resolver: Resolver, weights: FactorScores) -> None:
    with pytest.raises(Invalid, match="sum to 1"):
        resolver.decide([option("a")], Urgency.LOW, Category.BILLING, None, weights)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.5])
def test_weights_that_are_no_weights_are_refused(resolver: Resolver, bad: float) -> None:
    broken = FactorScores.model_construct(urgency=bad, time=0.5, cost=0.5, satisfaction=0.0, compliance=0.5)
    with pytest.raises(Invalid, match="finite"):
        resolver.decide([option("a")], Urgency.LOW, Category.BILLING, None, broken)


def test_too_few_too_many_or_equal_options_are_refused(resolver: Resolver) -> None:
    for options in ([], [option(f"o{index}") for index in range(21)]):
        with pytest.raises(Invalid, match="1 to 20"):
            resolver.decide(options, Urgency.LOW, Category.BILLING)
    with pytest.raises(Invalid, match="twice: same"):
        resolver.decide([option("same"), option("same", cost=5)], Urgency.LOW, Category.BILLING)


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0])
def test_a_cost_that_is_no_cost_is_refused(cost: float) -> None:
    with pytest.raises(ValidationError):
        option("a", cost=cost)


def test_twenty_options_of_any_size_are_decided(resolver: Resolver) -> None:
    options = [option(f"o{index:02}", cost=10.0**index, hours=10.0 * index) for index in range(20)]
    decision = resolver.decide(options, Urgency.HIGH, Category.AMENITIES)
    assert len(decision.scores) == 20
    assert decision.scores[0].option_id == decision.recommended_option_id
    assert [score.total for score in decision.scores] == sorted((s.total for s in decision.scores), reverse=True)


def test_an_emergency_takes_the_emergency_action_and_escalates(resolver: Resolver) -> None:
    options = [option("best", cost=1, hours=1), option("emergency-gas", cost=900, hours=20)]
    decision = resolver.decide(options, Urgency.EMERGENCY, Category.MAINTENANCE)
    assert decision.recommended_option_id == "emergency-gas"
    assert decision.escalation is not None
    assert decision.escalation.rule == "doc-emergency#emergency"
    without = resolver.decide(options[:1], Urgency.EMERGENCY, Category.MAINTENANCE)
    assert without.recommended_option_id == "best"
    assert without.escalation is not None


async def test_it_agrees_with_the_pipeline(resolver: Resolver, make_random_item: Callable[[int], ResolveItem]) -> None:
    """The same options, given as they were written, score nearly the same and mostly have the same winner."""
    same, compared = 0, 0
    for seed in range(60):
        item = make_random_item(seed)
        result = (await resolver.resolve([item]))[0]
        assert isinstance(result, Resolved)
        if not result.options:
            continue
        labels = item.classification
        decision = resolver.decide(result.options, labels.urgency, labels.category, item.risk, result.decision.weights)
        totals = {score.option_id: score.total for score in result.decision.scores}
        for score in decision.scores:
            assert score.total == pytest.approx(totals[score.option_id], abs=0.03)
        compared += 1
        same += decision.recommended_option_id == result.decision.recommended_option_id
    assert compared >= 35
    assert same >= 0.95 * compared
