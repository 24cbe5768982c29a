"""Logistic regression by Newton's method, for the few columns of a calibration as for many."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STEPS = 50
NO_PENALTY = 1e-6


def newton(rows: Floats, outcomes: Floats, counts: Floats, penalties: Floats) -> Floats:
    """Weights of shape (k + 1,), the intercept last, of the penalised logistic regression.

    `rows` are (n, k), `outcomes` 0 or 1 of (n,), `penalties` (k,); `counts` (n,) says how much each row counts. Steps
    are halved where they lead uphill.
    """
    design = np.hstack([rows, np.ones((len(rows), 1))])
    ridge = np.append(penalties, NO_PENALTY)
    weights = np.zeros(design.shape[1])
    loss = _loss(design, outcomes, counts, ridge, weights)
    for _ in range(STEPS):
        stated = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30.0, 30.0)))
        curvature = (design * (counts * stated * (1.0 - stated))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(curvature, design.T @ (counts * (outcomes - stated)) - ridge * weights)
        size = 1.0
        while (further := _loss(design, outcomes, counts, ridge, weights + size * step)) > loss and size > 1e-4:
            size /= 2.0
        if loss - further < 1e-8 * abs(loss):
            break
        weights, loss = weights + size * step, further
    return weights


def _loss(design: Floats, outcomes: Floats, counts: Floats, ridge: Floats, weights: Floats) -> float:
    margins = design @ weights
    return float((counts * (np.logaddexp(0.0, margins) - outcomes * margins)).sum() + 0.5 * (ridge * weights**2).sum())


def platt(margins: Floats, outcomes: Floats) -> tuple[float, float]:
    """Slope and intercept that make sigmoid(slope * margin + intercept) likeliest (Platt 1999); both arrays of (n,)."""
    slope, intercept = newton(margins[:, None], outcomes, np.ones(len(margins)), np.array([NO_PENALTY])).tolist()
    return slope, intercept
