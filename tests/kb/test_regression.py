import numpy as np
import pytest

from kb.regression import ChoiceSet, fit_logistic, fit_order, sigmoid


def test_a_conditional_logit_finds_the_weights_that_the_choices_were_made_with():
    random = np.random.default_rng(3)
    true = np.array([2.0, -1.0, 0.0])
    choices: list[ChoiceSet] = []
    for _ in range(800):
        rows = random.normal(size=(6, 3))
        chance = np.exp(rows @ true)
        chosen = random.choice(6, p=chance / chance.sum())
        choices.append((rows, np.arange(6) == chosen))
    assert fit_order(choices).tolist() == pytest.approx(true.tolist(), abs=0.25)


def test_it_settles_where_whole_steps_would_overshoot():
    rows = np.array([[1.0, 1.0, 5.0], [0.0, 0.0, 5.0], [0.2, 0.2, 5.0]])
    weights = fit_order([(rows, np.array([True, False, False]))] * 200)
    levels = rows @ weights
    assert np.isfinite(weights).all()
    assert levels.argmax() == 0
    assert weights[0] == pytest.approx(weights[1])


def test_a_logistic_regression_gives_the_share_of_right_ones():
    random = np.random.default_rng(5)
    rows = random.normal(size=(2000, 1))
    right = random.uniform(size=2000) < sigmoid(1.5 * rows[:, 0] - 0.5)
    weights, intercept = fit_logistic(rows, right, ridge=1.0)
    assert (weights[0], intercept) == pytest.approx((1.5, -0.5), abs=0.2)
