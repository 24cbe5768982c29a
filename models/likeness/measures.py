"""Precision and recall of proposed pairs, with intervals by drawing scenarios anew."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000


@dataclass(frozen=True)
class Tally:
    """Pairs of one scenario."""

    hits: int
    false: int
    missed: int


@dataclass(frozen=True)
class Measured:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def tally(proposed: Collection[tuple[int, int]], gold: Collection[tuple[int, int]]) -> Tally:
    """Count one scenario."""
    hits = len(set(proposed) & set(gold))
    return Tally(hits, len(proposed) - hits, len(gold) - hits)


def precision(counts: Sequence[Tally]) -> float:
    """1 where nothing was proposed."""
    proposed = sum(one.hits + one.false for one in counts)
    return sum(one.hits for one in counts) / proposed if proposed else 1.0


def recall(counts: Sequence[Tally]) -> float:
    """1 where there was nothing to find."""
    wanted = sum(one.hits + one.missed for one in counts)
    return sum(one.hits for one in counts) / wanted if wanted else 1.0


def f1(counts: Sequence[Tally]) -> float:
    """The harmonic mean of both."""
    both = precision(counts) + recall(counts)
    return 2.0 * precision(counts) * recall(counts) / both if both else 0.0


def measured(counts: Sequence[Tally]) -> dict[str, Measured]:
    """Precision and recall with percentile intervals over scenarios (Efron 1979), from a fixed seed."""
    chance = random.Random(0)
    samples = [chance.choices(counts, k=len(counts)) for _ in range(DRAWS)]
    return {
        name: Measured(measure(counts), *np.percentile([measure(one) for one in samples], [2.5, 97.5]).tolist())
        for name, measure in (("precision", precision), ("recall", recall))
    }
