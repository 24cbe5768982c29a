"""How good probabilities are: ranking and calibration."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def auc(outcomes: Floats, scores: Floats) -> float:
    """Area under the ROC curve: the chance that a case with the outcome ranks above one without; ties count half.

    NaN where all outcomes are the same.
    """
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[places]
    positives = float(outcomes.sum())
    negatives = len(outcomes) - positives
    if not positives or not negatives:
        return float("nan")
    return float((ranks[outcomes == 1].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def calibration_error(outcomes: Floats, probabilities: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equal size: mean distance of stated and observed frequency, 0 to 1."""
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, bins)
    gaps = [abs(outcomes[part].mean() - probabilities[part].mean()) * len(part) for part in parts if len(part)]
    return float(sum(gaps) / len(outcomes))


def platt(margins: Floats, outcomes: Floats, steps: int = 50) -> tuple[float, float]:
    """Slope and intercept that make sigmoid(slope * margin + intercept) likeliest (Platt 1999), by Newton's method."""
    design = np.stack([margins, np.ones_like(margins)], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(steps):
        stated = 1.0 / (1.0 + np.exp(-design @ weights))
        curvature = (design * (stated * (1.0 - stated))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (outcomes - stated))
        weights = weights + step
        if np.abs(step).max() < 1e-10:
            break
    return float(weights[0]), float(weights[1])
