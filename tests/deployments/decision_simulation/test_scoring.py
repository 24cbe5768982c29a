"""The five factors and the ranking, as properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.request import Estimate, FactorScores
from deployments.decision_simulation.scoring import (
    FACTORS,
    Outlook,
    Scales,
    faded_impact,
    rank,
    rate,
    remaining_share,
    remaining_share_of_estimate,
    weighted_total,
)

PARTS = st.lists(st.integers(0, 100), min_size=5, max_size=5).filter(any)
WEIGHTS = PARTS.map(lambda parts: FactorScores(**{n: p / sum(parts) for n, p in zip(FACTORS, parts, strict=True)}))
SCALES = st.builds(
    Scales,
    risk_score=st.floats(0, 1),
    risk_half_life_hours=st.floats(0.5, 500),
    target_hours=st.floats(1, 1000),
    cost_half_usd=st.floats(1, 5000),
)
OUTLOOKS = st.builds(
    Outlook,
    option_id=st.text("abcdef", min_size=1, max_size=4),
    mean_cost_usd=st.floats(0, 20_000),
    mean_hours=st.floats(0, 2_000),
    harm_avoided=st.floats(0, 1),
    satisfaction_impact=st.floats(-1, 1),
    breach_probability=st.floats(0, 1),
)
SEVERAL = st.lists(OUTLOOKS, min_size=1, max_size=6, unique_by=lambda one: one.option_id)


@given(SEVERAL, SCALES, WEIGHTS)
def test_totals_and_factors_are_between_0_and_1(outlooks: list[Outlook], scales: Scales, weights: FactorScores) -> None:
    for score in rank(outlooks, scales, weights):
        assert 0.0 <= score.total <= 1.0
        assert all(0.0 <= getattr(score.factors, name) <= 1.0 for name in FACTORS)
        assert score.total == weighted_total(score.factors, weights)


@given(SEVERAL, SCALES, WEIGHTS, st.randoms())
def test_the_order_of_the_options_does_not_matter(
    outlooks: list[Outlook], scales: Scales, weights: FactorScores, random: object
) -> None:
    shuffled = list(outlooks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rank(outlooks, scales, weights) == rank(shuffled, scales, weights)


@pytest.mark.parametrize(
    ("figure", "better"), [("mean_cost_usd", 0.5), ("mean_hours", 0.5), ("breach_probability", 0.5)]
)
@given(one=OUTLOOKS, scales=SCALES, weights=WEIGHTS)
def test_a_better_but_otherwise_equal_option_never_ranks_lower(
    one: Outlook, scales: Scales, weights: FactorScores, figure: str, better: float
) -> None:
    """Whatever its id: 'a' sorts before and 'z' after."""
    for own_id, other_id in (("a", "z"), ("z", "a")):
        worse = replace(one, option_id=other_id)
        improved = replace(one, option_id=own_id, **{figure: getattr(one, figure) * better})
        scores = {score.option_id: score.total for score in rank([worse, improved], scales, weights)}
        assert scores[own_id] >= scores[other_id]
        first = rank([worse, improved], scales, weights)[0].option_id
        if figure == "mean_cost_usd" and improved.mean_cost_usd < worse.mean_cost_usd:
            assert first == own_id


@given(SEVERAL, SCALES, WEIGHTS, st.sampled_from([0.01, 0.5, 3.0, 100.0]))
def test_another_currency_or_unit_of_time_changes_nothing(
    outlooks: list[Outlook], scales: Scales, weights: FactorScores, unit: float
) -> None:
    converted = [
        replace(one, mean_cost_usd=one.mean_cost_usd * unit, mean_hours=one.mean_hours * unit) for one in outlooks
    ]
    other = replace(scales, cost_half_usd=scales.cost_half_usd * unit, target_hours=scales.target_hours * unit)
    before, after = rank(outlooks, scales, weights), rank(converted, other, weights)
    totals = {score.option_id: score.total for score in before}
    for score in after:
        assert score.total == pytest.approx(totals[score.option_id], abs=3e-6)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30), st.floats(0.5, 500), st.floats(0.1, 10))
def test_the_share_that_is_left_falls_with_time_and_knows_no_unit(
    hours: list[float], half_life: float, unit: float
) -> None:
    sample = np.array(hours)
    share = remaining_share(sample, half_life)
    assert 0.0 <= share <= 1.0
    assert remaining_share(sample + 1.0, half_life) <= share
    assert remaining_share(sample * unit, half_life * unit) == pytest.approx(share, rel=1e-9, abs=1e-12)


def test_half_is_left_after_the_half_life() -> None:
    assert remaining_share(np.array([24.0]), 24.0) == 0.5
    assert remaining_share(np.array([0.0, 24.0, 48.0]), 24.0) == pytest.approx((1 + 0.5 + 0.25) / 3)
    assert remaining_share(np.array([0.0, 1.0]), 0.0) == 0.5


@given(st.floats(0.1, 200), st.floats(0.05, 0.7), st.floats(5, 400))
def test_three_numbers_of_a_lognormal_give_its_share(median: float, spread: float, half_life: float) -> None:
    sample = np.exp(np.log(median) + spread * np.random.default_rng(1).standard_normal(4000))
    estimate = Estimate(mean=float(sample.mean()), p50=median, p90=float(np.quantile(sample, 0.9)))
    exact = remaining_share(sample, half_life)
    assert remaining_share_of_estimate(estimate, half_life) == pytest.approx(exact, abs=0.025)


def test_urgency_discriminates_between_options() -> None:
    scales = Scales(risk_score=0.8, risk_half_life_hours=24, target_hours=72, cost_half_usd=400)
    quick = Outlook("quick", 100, 4, 0.9 * remaining_share(np.array([4.0]), 24), 0.2, 0.0)
    slow = Outlook("slow", 100, 60, 0.9 * remaining_share(np.array([60.0]), 24), 0.2, 0.0)
    weak = Outlook("weak", 100, 4, 0.3 * remaining_share(np.array([4.0]), 24), 0.2, 0.0)
    urgency = {one.option_id: rate(one, scales).urgency for one in (quick, slow, weak)}
    assert urgency["quick"] == pytest.approx(1 - 0.8 * (1 - 0.9 * 2 ** (-4 / 24)), abs=1e-6)
    assert urgency["quick"] > urgency["weak"] > urgency["slow"]


def test_ties_go_to_the_lower_cost_then_the_shorter_time_then_the_id() -> None:
    """Weights of zero for cost and time make every option equal."""
    even = FactorScores(urgency=1, time=0, cost=0, satisfaction=0, compliance=0)
    scales = Scales(0.5, 24, 72, 400)
    figures = {"b": (10, 9), "a": (10, 9), "c": (10, 3), "d": (5, 90), "e": (70, 1)}
    outlooks = [Outlook(name, cost, hours, 0.5, 0.0, 0.0) for name, (cost, hours) in figures.items()]
    assert [score.option_id for score in rank(outlooks, scales, even)] == ["d", "c", "a", "b", "e"]


def test_waiting_eats_up_the_promised_satisfaction() -> None:
    assert faded_impact(0.5, 1.0) == pytest.approx(0.5)
    assert faded_impact(0.5, 0.5) == pytest.approx(-0.25)
    assert faded_impact(0.5, 0.0) == -1.0


def test_each_factor_by_hand() -> None:
    scales = Scales(risk_score=0.5, risk_half_life_hours=24, target_hours=72, cost_half_usd=400)
    factors = rate(Outlook("one", 100, 24, 0.6, 0.3, 0.15), scales)
    assert factors == FactorScores(urgency=0.8, time=0.75, cost=0.8, satisfaction=0.65, compliance=0.85)
    free = rate(Outlook("free", 0, 0, 1.0, 1.0, 0.0), Scales(1.0, 24, 0, 0))
    assert free == FactorScores(urgency=1, time=1, cost=1, satisfaction=1, compliance=1)
