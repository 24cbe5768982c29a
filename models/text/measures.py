"""Measures of classifiers: macro-F1, recall and precision of an alarm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Alarm:
    """How a way of calling something did."""

    recall: float
    precision: float
    called: int


def f1_by_label(actual: Places, predicted: Places) -> dict[int, float]:
    """F1 of each label that occurs in `actual`."""
    return {label: _f1(actual == label, predicted == label) for label in sorted(set(actual.tolist()))}


def macro_f1(actual: Places, predicted: Places) -> float:
    """The mean F1 over the labels that occur in `actual`."""
    return float(np.mean(list(f1_by_label(actual, predicted).values())))


def alarm(actual: NDArray[np.bool_], called: NDArray[np.bool_]) -> Alarm:
    """Recall and precision of what was called."""
    hits = int((actual & called).sum())
    return Alarm(hits / max(1, int(actual.sum())), hits / max(1, int(called.sum())), int(called.sum()))


def _f1(actual: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    hits = int((actual & predicted).sum())
    return 2 * hits / max(1, int(actual.sum()) + int(predicted.sum()))
