"""How good probabilities are: ranking and calibration."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


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


def soft_auc(probabilities: Floats, scores: Floats) -> float:
    """The AUC that scores may expect where each case has its own true probability: sum over pairs, ties count half."""
    above = (scores[:, None] > scores[None, :]) + 0.5 * (scores[:, None] == scores[None, :])
    pairs = probabilities[:, None] * (1.0 - probabilities[None, :])
    np.fill_diagonal(pairs, 0.0)
    return float((above * pairs).sum() / pairs.sum())


def noise_floor(probabilities: Floats, repeats: int = 200, seed: int = 1, bins: int = 10) -> float:
    """The calibration error that even true probabilities show at this sample size: the mean over drawn outcomes."""
    rng = np.random.default_rng(seed)
    drawn = (rng.random(len(probabilities)) < probabilities for _ in range(repeats))
    return float(np.mean([calibration_error(each.astype(np.float64), probabilities, bins) for each in drawn]))


def reliability(outcomes: Floats, probabilities: Floats, bins: int = 10) -> list[dict[str, float]]:
    """For each bin of equal size: how many requests, the mean stated probability and the observed frequency."""
    parts = np.array_split(np.argsort(probabilities, kind="stable"), bins)
    return [
        {
            "requests": len(part),
            "stated": float(probabilities[part].mean()),
            "observed": float(outcomes[part].mean()),
        }
        for part in parts
        if len(part)
    ]


def resamples(clusters: Integers, repeats: int = 300, seed: int = 1) -> Iterator[Integers]:
    """Rows of a bootstrap that draws whole clusters, since what happens at one site hangs together."""
    rng = np.random.default_rng(seed)
    members: list[Integers] = [np.flatnonzero(clusters == each) for each in np.unique(clusters)]
    for _ in range(repeats):
        chosen: list[Integers] = [members[place] for place in rng.integers(len(members), size=len(members))]
        yield np.concatenate(chosen)


def interval(values: Iterable[float]) -> tuple[float, float]:
    """The middle 95 %."""
    low, high = np.quantile(np.array(list(values)), [0.025, 0.975])
    return float(low), float(high)
