"""The two regressions that scores are fitted with: a logistic one, and a conditional logit over sets to choose from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
ChoiceSet = tuple[Matrix, NDArray[np.bool_]]
"""Rows of features, (m, f), and which of them are right, (m,); at least one is."""

RIDGE = 1.0
_STEPS = 100
_NO_STEP = 1e-7
_FLAT = 1e-6
"""Added to the spread of a feature, as one may be the same everywhere."""


def fit_order(choices: Sequence[ChoiceSet]) -> Matrix:
    """The weights of a conditional logit (McFadden 1974) with a ridge on features scaled to unit spread, (f,).

    By Newton's steps, halved until the likelihood does not fall.
    """
    spread = np.concatenate([rows for rows, _ in choices]).std(axis=0) + _FLAT
    scaled = [(rows / spread, right) for rows, right in choices]
    weights = np.ones(len(spread))
    level = _likelihood(scaled, weights)
    for _ in range(_STEPS):
        step = _order_step(scaled, weights)
        while (reached := _likelihood(scaled, weights + step)) < level and float(np.abs(step).max()) > _NO_STEP:
            step /= 2
        if float(np.abs(step).max()) <= _NO_STEP:
            break
        weights, level = weights + step, reached
    return weights / spread


def fit_logistic(rows: Matrix, right: NDArray[np.bool_], ridge: float) -> tuple[Matrix, float]:
    """Weights and intercept of a logistic regression with a ridge on standardised features, by Newton's method."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    design = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
    penalty = np.diag([ridge] * rows.shape[1] + [1e-6])
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        chance = sigmoid(design @ beta)
        gradient = design.T @ (right - chance) - penalty @ beta
        hessian = (design * (chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-8:
            break
    weights = beta[:-1] / spread
    return weights, float(beta[-1] - weights @ mean)


def sigmoid(value: Matrix) -> Matrix:
    """1 / (1 + e^-x), for x cut to ±30."""
    return 1.0 / (1.0 + np.exp(-np.clip(value, -30, 30)))


def _order_step(scaled: Sequence[ChoiceSet], weights: Matrix) -> Matrix:
    """Towards the maximum; the curvature is that of choosing among all, which is never less than the likelihood's."""
    gradient, curvature = -RIDGE * weights, RIDGE * np.eye(len(weights))
    for rows, right in scaled:
        chance = _softmax(rows @ weights)
        mean = chance @ rows
        gradient += _softmax(rows[right] @ weights) @ rows[right] - mean
        curvature += (rows * chance[:, None]).T @ rows - np.outer(mean, mean)
    return np.asarray(np.linalg.solve(curvature, gradient), dtype=np.float64)


def _likelihood(scaled: Sequence[ChoiceSet], weights: Matrix) -> float:
    levels = [(rows @ weights, right) for rows, right in scaled]
    told = sum(float(np.logaddexp.reduce(each[right]) - np.logaddexp.reduce(each)) for each, right in levels)
    return told - RIDGE / 2 * float(weights @ weights)


def _softmax(levels: Matrix) -> Matrix:
    raised = np.exp(levels - levels.max())
    return np.asarray(raised / raised.sum(), dtype=np.float64)
