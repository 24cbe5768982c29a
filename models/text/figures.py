"""Figures with their uncertainty: macro-F1, shares, calibration, and what abstaining buys."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.text.measures import Floats, Places

RESAMPLES = 1000
LEVEL = 0.95
"""Of all intervals."""
_Z = 1.959964
BINS = 10
SEED = 11


@dataclass(frozen=True)
class Interval:
    """A value and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As tables show it."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class LabelFigures:
    """How one label was found."""

    label: str
    support: int
    f1: Interval
    precision: Interval
    recall: Interval


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers of about the same confidence: what they claimed, and how often they were right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """How far confidence and truth lie apart."""

    bins: tuple[ReliabilityBin, ...]
    error: Interval
    """Expected calibration error over ten bins of equal width (Guo et al. 2017); resampling makes it look larger."""
    by_chance: float
    """The error that confidences which are true to the letter would show on so many messages, on average."""


@dataclass(frozen=True)
class CoveragePoint:
    """What is answered from a confidence on, and how often that is right."""

    floor: float
    coverage: float
    accuracy: float


def macro_f1_interval(actual: Places, predicted: Places, labels: int) -> Interval:
    """Macro-F1 over the labels 0 to `labels` - 1 that occur; places from `labels` on mean "none of them".

    The interval is a percentile bootstrap over messages (Efron & Tibshirani 1993).
    """
    return _bootstrap(len(actual), lambda rows: _macro_f1(actual[rows], predicted[rows], labels))


def macro_f1_gain(actual: Places, predicted: Places, baseline: Places, labels: int) -> Interval:
    """By how much the macro-F1 is higher than the baseline's; both judged on the same resampled messages."""
    return _bootstrap(
        len(actual),
        lambda rows: _macro_f1(actual[rows], predicted[rows], labels) - _macro_f1(actual[rows], baseline[rows], labels),
    )


def share(hits: int, count: int) -> Interval:
    """A share with Wilson's interval (1927), which also holds near 0 and 1; without any case, all is possible."""
    if not count:
        return Interval(float("nan"), 0.0, 1.0)
    found, spread = hits / count, _Z * _Z / count
    centre = (found + spread / 2) / (1 + spread)
    reach = _Z * np.sqrt(found * (1 - found) / count + spread / (4 * count)) / (1 + spread)
    return Interval(found, max(0.0, float(centre - reach)), min(1.0, float(centre + reach)))


def label_figures(actual: Places, predicted: Places, names: Sequence[str]) -> tuple[LabelFigures, ...]:
    """Figures of each label that occurs."""
    return tuple(
        _label_figures(name, actual == place, predicted == place)
        for place, name in enumerate(names)
        if (actual == place).any()
    )


def confusion(actual: Places, predicted: Places, size: int) -> tuple[tuple[int, ...], ...]:
    """Counts of shape (size, size): rows are true labels, columns found ones."""
    return tuple(map(tuple, _cells(actual, predicted, size).tolist()))


def calibration(confidences: Floats, right: NDArray[np.bool_]) -> Calibration:
    """How far confidences (n,) and what was right (n,) lie apart."""
    generator = np.random.default_rng(SEED)
    lucky = [_error(confidences, generator.random(len(confidences)) < confidences) for _ in range(RESAMPLES // 5)]
    return Calibration(
        bins=_bins(confidences, right),
        error=_bootstrap(len(right), lambda rows: _error(confidences[rows], right[rows])),
        by_chance=float(np.mean(lucky)),
    )


def coverage_curve(confidences: Floats, right: NDArray[np.bool_], points: int = 101) -> tuple[CoveragePoint, ...]:
    """What abstaining below each of `points` floors from 0 to 1 leaves, as long as anything is answered."""
    curve: list[CoveragePoint] = []
    for floor in np.linspace(0.0, 1.0, points).tolist():
        answered = confidences >= floor
        if answered.any():
            curve.append(CoveragePoint(floor, float(answered.mean()), float(right[answered].mean())))
    return tuple(curve)


def _bootstrap(count: int, statistic: Callable[[Places], float]) -> Interval:
    rows = np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))
    return _around(statistic(np.arange(count)), [statistic(each) for each in rows])


def _around(value: float, drawn: Sequence[float]) -> Interval:
    low, high = np.nanquantile(np.array(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Interval(value, low, high)


def _macro_f1(actual: Places, predicted: Places, labels: int) -> float:
    cells = _cells(actual, predicted, labels + 1)
    hits, true, called = cells.diagonal()[:labels], cells.sum(axis=1)[:labels], cells.sum(axis=0)[:labels]
    occurs = true > 0
    if not occurs.any():
        return float("nan")
    return float((2 * hits[occurs] / (true[occurs] + called[occurs])).mean())


def _cells(actual: Places, predicted: Places, size: int) -> NDArray[np.intp]:
    return np.bincount(actual * size + predicted, minlength=size * size).reshape(size, size)


def _label_figures(name: str, actual: NDArray[np.bool_], called: NDArray[np.bool_]) -> LabelFigures:
    hits = int((actual & called).sum())
    return LabelFigures(
        label=name,
        support=int(actual.sum()),
        f1=_bootstrap(len(actual), lambda rows: _f1(actual[rows], called[rows])),
        precision=share(hits, int(called.sum())),
        recall=share(hits, int(actual.sum())),
    )


def _f1(actual: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    return 2 * int((actual & called).sum()) / max(1, int(actual.sum()) + int(called.sum()))


def _bins(confidences: Floats, right: NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    places = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return tuple(
        ReliabilityBin(
            low=place / BINS,
            high=(place + 1) / BINS,
            count=int((places == place).sum()),
            confidence=float(confidences[places == place].mean()),
            accuracy=float(right[places == place].mean()),
        )
        for place in sorted(set(places.tolist()))
    )


def _error(confidences: Floats, right: NDArray[np.bool_]) -> float:
    places = np.minimum((confidences * BINS).astype(int), BINS - 1)
    gaps = np.bincount(places, weights=confidences - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(right))
