"""The five factors of a decision, each from 0 to 1, and the ranking of options by their weighted sum.

urgency       1 - risk * (1 - effectiveness * E[2^(-T/half life)]): one minus the harm that is still to be expected.
              Harm comes true with the urgency's half life, so that after T hours the share 2^(-T/half life) can
              still be avoided, and of that the option avoids its effectiveness, times the share of the message's
              issues that it deals with. T is the simulated time until done.
time          target / (target + E[T]): one half when the resolution target is just used up.
cost          half / (half + E[cost]): one half at the cost that the policy names for the urgency.
satisfaction  (1 + impact) / 2, where impact = (1 + promised impact) * E[2^(-T/target)] - 1: the promise fades
              towards -1 while the resident waits.
compliance    1 - P(resolution target missed); quiet hours, weekend hours and the wait for an approval are part of
              the simulated time, so each of them lowers it, and so is the notice for entry where the resident did
              not agree to entry in their absence. Who says nothing agrees by asking for the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.request import Estimate, FactorScores, OptionId, OptionScore
from deployments.decision_simulation.triangular import Floats

DECIMALS = 6
FACTORS = ("urgency", "time", "cost", "satisfaction", "compliance")


@dataclass(frozen=True)
class Scales:
    """What the figures of an option are measured against; all options of a request share it."""

    risk_score: float
    risk_half_life_hours: float
    target_hours: float
    cost_half_usd: float


@dataclass(frozen=True)
class Outlook:
    """What is to be expected of one option."""

    option_id: OptionId
    mean_cost_usd: float
    mean_hours: float
    harm_avoided: float
    """Expected share of the harm that the option avoids, 0..1."""
    satisfaction_impact: float
    """-1..1, waiting included."""
    breach_probability: float


def remaining_share(hours: Floats, half_life_hours: float) -> float:
    """E[2^(-T/half life)] over a sample of T."""
    if half_life_hours == 0:
        return float(np.count_nonzero(hours == 0)) / hours.size
    return float(np.exp2(hours / -half_life_hours).sum()) / hours.size


def remaining_share_of_estimate(hours: Estimate, half_life_hours: float) -> float:
    """E[2^(-T/half life)] where only three numbers of T are known.

    Source: Swanson's rule, 0.3 f(p10) + 0.4 f(p50) + 0.3 f(p90), with the p10 for which the rule gives the mean.
    """
    tenth = (hours.mean - 0.4 * hours.p50 - 0.3 * hours.p90) / 0.3
    points = np.array([min(max(tenth, 0.0), hours.p50), hours.p50, hours.p90])
    shares = [remaining_share(points[index : index + 1], half_life_hours) for index in range(3)]
    return 0.3 * shares[0] + 0.4 * shares[1] + 0.3 * shares[2]


def faded_impact(promised: float, remaining: float) -> float:
    """The expected impact on satisfaction, when the share `remaining` of the patience is left at the end."""
    return (1.0 + promised) * remaining - 1.0


def rate(outlook: Outlook, scales: Scales) -> FactorScores:
    """The five factors."""
    factors = {
        "urgency": 1.0 - scales.risk_score * (1.0 - outlook.harm_avoided),
        "time": _fraction(scales.target_hours, outlook.mean_hours),
        "cost": _fraction(scales.cost_half_usd, outlook.mean_cost_usd),
        "satisfaction": (1.0 + outlook.satisfaction_impact) / 2.0,
        "compliance": 1.0 - outlook.breach_probability,
    }
    return FactorScores(**{name: round(min(max(value, 0.0), 1.0), DECIMALS) for name, value in factors.items()})


def weighted_total(factors: FactorScores, weights: FactorScores) -> float:
    """The weighted sum, 0..1, rounded so that equal options tie."""
    total = sum(getattr(factors, name) * getattr(weights, name) for name in FACTORS)
    return round(min(max(total, 0.0), 1.0), DECIMALS)


def rank(outlooks: Sequence[Outlook], scales: Scales, weights: FactorScores) -> tuple[OptionScore, ...]:
    """The options' scores, best first; ties go to the lower cost, then the shorter time, then the option id."""
    scored = [(outlook, rate(outlook, scales)) for outlook in outlooks]
    rows = [(weighted_total(factors, weights), outlook, factors) for outlook, factors in scored]
    rows.sort(key=lambda row: (-row[0], row[1].mean_cost_usd, row[1].mean_hours, row[1].option_id))
    return tuple(
        OptionScore(option_id=outlook.option_id, total=total, factors=factors) for total, outlook, factors in rows
    )


def _fraction(scale: float, value: float) -> float:
    return 1.0 if value == 0 else scale / (scale + value)
