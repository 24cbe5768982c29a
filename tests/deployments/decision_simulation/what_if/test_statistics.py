"""Intervals hold the truth as often as they say."""

import numpy as np
import pytest

from deployments.decision_simulation.what_if.statistics import interval, paired, student_quantile


@pytest.mark.parametrize(("freedom", "expected"), [(4, 2.7764), (9, 2.2622), (19, 2.0930), (49, 2.0096), (99, 1.9842)])
def test_the_quantiles_of_student_are_those_of_the_tables(freedom: int, expected: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(expected, rel=4e-3 if freedom < 9 else 2e-4)


def test_intervals_cover() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        common = rng.exponential(3.0, 20)
        one, other = common + rng.normal(0, 1, 20), common + 0.5 + rng.normal(0, 1, 20)
        difference = paired(one, other)[2]
        covered += difference.low <= 0.5 <= difference.high
    # Four standard errors of a binomial share around 95 %.
    assert abs(covered / 2000 - 0.95) < 0.02


def test_pairing_narrows_what_is_common() -> None:
    rng = np.random.default_rng(6)
    common = rng.exponential(3.0, 50)
    one, other, difference = paired(common, common + rng.normal(0.1, 0.05, 50))
    assert difference.high - difference.low < (one.high - one.low + other.high - other.low) / 20


def test_replications_without_a_value_are_left_out() -> None:
    one, other, difference = paired(np.array([1.0, np.nan, 3.0]), np.array([2.0, 5.0, 4.0]))
    assert (one.mean, other.mean, difference.mean) == (2.0, 3.0, 1.0)
    assert interval(np.array([])).mean == 0.0
    assert interval(np.array([2.0])).low == 2.0
