"""Figures with their uncertainty: the bootstrap draws whole places, since reports of one place go together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.text.figures import Interval

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

DRAWS = 500
SEED = 11
TINY = 1e-6


@dataclass(frozen=True)
class Resampler:
    """The same bootstrap draws for every measure, so that differences are paired."""

    rows: int
    draws: tuple[Indices, ...]

    @classmethod
    def of(cls, places: Sequence[str | None], draws: int = DRAWS) -> "Resampler":
        """Draws of whole places with replacement; a report without a place is one of its own."""
        groups: dict[str | int, list[int]] = {}
        for index, place in enumerate(places):
            groups.setdefault(index if place is None else place, []).append(index)
        members: list[Indices] = [np.array(each, dtype=np.intp) for each in groups.values()]
        rng = np.random.default_rng(SEED)
        chosen = (rng.integers(len(members), size=len(members)) for _ in range(draws))
        return cls(len(places), tuple(_joined(members, draw) for draw in chosen))

    def figure(self, measure: Callable[[Indices], float]) -> Interval:
        """A measure of the rows with these indices, on all rows and its interval over the draws."""
        found = np.array([measure(draw) for draw in self.draws])
        low, high = np.nanquantile(found, [0.025, 0.975])
        return Interval(measure(np.arange(self.rows)), float(low), float(high))


def _joined(members: list[Indices], draw: Indices) -> Indices:
    parts: list[Indices] = [members[place] for place in draw]
    return np.concatenate(parts)


def log_loss(outcomes: Floats, probabilities: Floats) -> float:
    """Mean negative log-likelihood in nats."""
    stated = np.clip(probabilities, TINY, 1.0 - TINY)
    return float(-np.mean(np.where(outcomes == 1.0, np.log(stated), np.log(1.0 - stated))))


def brier(outcomes: Floats, probabilities: Floats) -> float:
    """Mean squared distance of probability and outcome."""
    return float(np.mean((outcomes - probabilities) ** 2))


def powell_loss(took: Floats, seen: Floats, stated: Floats, quantile: float) -> Floats:
    """Pinball loss of each stated quantile of a time in days that could be seen for `seen` days only.

    Time and statement are both cut at what could be seen (Powell 1986), so that nothing is guessed of what was not.
    `took` is infinite where the end was not seen.
    """
    error = np.minimum(took, seen) - np.minimum(stated, seen)
    return np.maximum(quantile * error, (quantile - 1.0) * error)


def coverage(took: Floats, seen: Floats, stated: Floats) -> tuple[float, int]:
    """Share of times within their stated quantile, of those whose quantile could be seen, and how many these are."""
    judged = stated <= seen
    if not judged.any():
        return float("nan"), 0
    return float((took[judged] <= stated[judged]).mean()), int(judged.sum())
