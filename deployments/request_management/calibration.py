"""Predictions against what happened: probabilities in bins, and quantiles by how often they held."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.contract import Contract, Probability
from core.proportions import wilson_interval
from core.request import Estimate
from deployments.request_management.outcome_statistics import quantile

BINS = 10
LEVELS = tuple(tenth / 10 for tenth in range(1, 10))


class ShareOf(Contract):
    """A share of some cases with its 95 % interval (Wilson)."""

    count: int
    share: Probability
    low: Probability
    high: Probability


class ReliabilityBin(Contract):
    """The cases whose predicted probability lies in `[begin, end)`; the last bin holds 1, too."""

    begin: Probability
    end: Probability
    mean_predicted: Probability
    happened: ShareOf


class Reliability(Contract):
    """Predicted probabilities against what happened. Of no cases all figures are null."""

    count: int
    mean_predicted: Probability | None
    happened: ShareOf | None
    brier_score: Probability | None
    """The mean squared difference of the probability and what happened (0 or 1); the lower, the better.

    Source: G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78
    (1950), with one class."""
    bins: tuple[ReliabilityBin, ...]
    """Those that hold a case, the lowest first."""


class Coverage(Contract):
    """How often the actual figure was at most the predicted quantile."""

    level: Probability
    """As predicted: 0.9 for the 90th percentile."""
    held: ShareOf


class EstimateCheck(Contract):
    """Predicted distributions of a figure against the actual one. Of no cases all figures are null."""

    count: int
    within_p50: ShareOf | None
    within_p90: ShareOf | None
    median_absolute_error: float | None
    """Of the actual figure from the predicted median."""
    median_error: float | None
    """Actual less predicted median: positive where things take or cost more than predicted."""
    deciles: tuple[Coverage, ...]
    """By the 10th, 20th … 90th percentile, of the predictions that were simulated."""


@dataclass
class _Bin:
    count: int = 0
    happened: int = 0
    predicted: float = 0.0


@dataclass
class ReliabilityTally:
    """Counts cases into bins of equal width."""

    bins: list[_Bin] = field(default_factory=lambda: [_Bin() for _ in range(BINS)])
    squares: float = 0.0

    def add(self, probability: float, happened: bool) -> None:
        """Count one case."""
        into = self.bins[min(int(probability * BINS), BINS - 1)]
        into.count += 1
        into.happened += happened
        into.predicted += probability
        self.squares += (probability - happened) ** 2

    def reliability(self) -> Reliability:
        """What the counts say."""
        count = sum(each.count for each in self.bins)
        happened = sum(each.happened for each in self.bins)
        return Reliability(
            count=count,
            mean_predicted=_within_one(sum(each.predicted for each in self.bins) / count) if count else None,
            happened=share_of(happened, count),
            brier_score=_within_one(self.squares / count) if count else None,
            bins=tuple(_told(place, each) for place, each in enumerate(self.bins) if each.count),
        )


def _told(place: int, one: _Bin) -> ReliabilityBin:
    happened = share_of(one.happened, one.count)
    assert happened is not None
    predicted = _within_one(one.predicted / one.count)
    return ReliabilityBin(begin=place / BINS, end=(place + 1) / BINS, mean_predicted=predicted, happened=happened)


def _doubles() -> "array[float]":
    return array("d")


@dataclass
class EstimateTally:
    """Counts how often predicted quantiles held."""

    p50: int = 0
    p90: int = 0
    errors: "array[float]" = field(default_factory=_doubles)
    simulated: int = 0
    deciles: list[int] = field(default_factory=lambda: [0] * len(LEVELS))

    def add(self, predicted: Estimate, actual: float) -> None:
        """Count one case."""
        self.p50 += actual <= predicted.p50
        self.p90 += actual <= predicted.p90
        self.errors.append(actual - predicted.p50)
        if len(predicted.deciles) == len(LEVELS):
            self.simulated += 1
            for place, decile in enumerate(predicted.deciles):
                self.deciles[place] += actual <= decile

    def check(self) -> EstimateCheck:
        """What the counts say."""
        count = len(self.errors)
        return EstimateCheck(
            count=count,
            within_p50=share_of(self.p50, count),
            within_p90=share_of(self.p90, count),
            median_absolute_error=quantile(sorted(map(abs, self.errors)), 0.5),
            median_error=quantile(sorted(self.errors), 0.5),
            deciles=tuple(self._coverage()),
        )

    def _coverage(self) -> Sequence[Coverage]:
        held = [share_of(number, self.simulated) for number in self.deciles]
        return [Coverage(level=level, held=one) for level, one in zip(LEVELS, held, strict=True) if one is not None]


def share_of(part: int, whole: int) -> ShareOf | None:
    """The share with its interval; None of nothing."""
    if not whole:
        return None
    low, high = wilson_interval(part, whole)
    return ShareOf(count=whole, share=part / whole, low=low, high=high)


def _within_one(mean: float) -> float:
    # A sum of many numbers up to 1 may be a hair above their number.
    return min(1.0, mean)
