"""Means with 95 % intervals over replications."""

from statistics import NormalDist

import numpy as np

from core.what_if import Interval
from deployments.decision_simulation.triangular import Floats

LEVEL = 0.95
DECIMALS = 6


def interval(values: Floats) -> Interval:
    """The mean of independent replications (n,) with Student's interval; of one value, or of none, without width."""
    if values.size == 0:
        return Interval(mean=0.0, low=0.0, high=0.0)
    mean = float(values.mean())
    half = 0.0
    if values.size > 1:
        half = student_quantile(0.5 + LEVEL / 2, values.size - 1) * float(values.std(ddof=1)) / values.size**0.5
    return Interval(mean=round(mean, DECIMALS), low=round(mean - half, DECIMALS), high=round(mean + half, DECIMALS))


def student_quantile(level: float, freedom: int) -> float:
    """A quantile of Student's t; 0.3 % off at 4 degrees of freedom, less than 0.01 % from 9 on.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = NormalDist().inv_cdf(level)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


def paired(present: Floats, changed: Floats) -> tuple[Interval, Interval, Interval]:
    """The intervals of both and of their difference, of the replications that have a value in both."""
    both = np.isfinite(present) & np.isfinite(changed)
    return interval(present[both]), interval(changed[both]), interval(changed[both] - present[both])
