"""From a model's margin to a probability: Platt's line or an isotonic staircase, chosen on later reports.

Where the level of the outcomes is on the move, the line has a second term: how things stood when the report came in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.contract import Contract
from models.logistic import newton
from models.operator.measures import TINY

Floats = npt.NDArray[np.float64]
FLOOR = 0.002
"""No probability below it or above its complement: a staircase's ends would claim certainty."""
HALF_LIFE = 45.0
LEVEL_PENALTY = 2.0
TINY_PENALTY = 1e-6


class Calibration(Contract):
    """A map of margins (log-odds) to probabilities, monotone at any level."""

    kind: Literal["platt", "isotonic"]
    slope: float = 1.0
    intercept: float = 0.0
    level: str | None = None
    """The column of log-odds that tells how things stand."""
    level_weight: float = 0.0
    level_centre: float = 0.0
    margins: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()

    def probabilities(self, margins: Floats, level: Floats | None = None) -> Floats:
        """Of shape (n,), each within (0, 1). A level that is missing counts as the usual one."""
        if self.kind == "isotonic":
            return np.clip(np.interp(margins, self.margins, self.levels), FLOOR, 1.0 - FLOOR)
        shift = 0.0 if level is None else self.level_weight * np.nan_to_num(level - self.level_centre)
        return 1.0 / (1.0 + np.exp(-(self.slope * margins + self.intercept + shift)))


@dataclass(frozen=True)
class Held:
    """Reports that were predicted by a model which had not seen them, in the order of time."""

    margins: Floats
    outcomes: Floats
    created: Floats
    """In days."""
    levels: dict[str, Floats]

    @classmethod
    def joined(cls, parts: Sequence[Held]) -> Held:
        """One after the other."""
        return cls(
            np.concatenate([part.margins for part in parts]),
            np.concatenate([part.outcomes for part in parts]),
            np.concatenate([part.created for part in parts]),
            {name: np.concatenate([part.levels[name] for part in parts]) for name in parts[0].levels},
        )


@dataclass(frozen=True)
class Way:
    """How a calibration is fitted."""

    kind: Literal["platt", "isotonic"]
    period: Literal["none", "all", "latest", "fading"]
    """Nothing is fitted and the model's own level stands; or on all folds alike, on the last one alone, or on all with
    the later ones counting more."""
    level: str | None = None

    def __str__(self) -> str:
        if self.period == "none":
            return "as the model states it"
        return f"{self.kind} on {self.period}" + (f" with {self.level}" if self.level else "")

    def fit(self, folds: Sequence[Held]) -> Calibration:
        """On these folds."""
        if self.period == "none":
            return Calibration(kind="platt")
        held = folds[-1] if self.period == "latest" else Held.joined(folds)
        if self.kind == "isotonic":
            return fit_isotonic(held.margins, held.outcomes)
        counts = np.ones(len(held.margins))
        if self.period == "fading":
            counts = 0.5 ** ((held.created[-1] - held.created) / HALF_LIFE)
        if self.level is not None:
            return _fit_at_level(held, counts, self.level)
        return fit_platt(held.margins, held.outcomes, counts)


def choose(folds: Sequence[Held]) -> tuple[Way, Calibration]:
    """A way that states each fold's outcomes well when it knows the folds before, fitted on all of them.

    Not the best one, but the simplest within one standard error of it (Breiman et al. 1984): the rest is chance.
    """
    if len(folds) == 1:
        return WAYS[1], WAYS[1].fit(folds)
    levels = [Way("platt", period, level) for level in folds[0].levels for period in _PERIODS]
    losses = {way: _ahead(way, folds) for way in (*WAYS, *levels)}
    best = min(losses.values(), key=lambda each: float(each.mean()))
    way = next(way for way, each in losses.items() if _within_one_error(each - best))
    return way, way.fit(folds)


WAYS = (
    Way("platt", "none"),
    Way("platt", "all"),
    Way("platt", "fading"),
    Way("platt", "latest"),
    Way("isotonic", "all"),
)
"""The simplest first; those with a level come after them."""
_PERIODS: tuple[Literal["all", "fading"], ...] = ("all", "fading")


def _within_one_error(more: Floats) -> bool:
    return float(more.mean()) <= float(more.std()) / math.sqrt(len(more))


def _ahead(way: Way, folds: Sequence[Held]) -> Floats:
    """Log loss of each report of all folds but the first."""
    losses: list[Floats] = []
    for at in range(1, len(folds)):
        now, made = folds[at], way.fit(folds[:at])
        stated = made.probabilities(now.margins, now.levels[made.level] if made.level else None)
        stated = np.clip(stated, TINY, 1.0 - TINY)
        losses.append(-np.where(now.outcomes == 1.0, np.log(stated), np.log(1.0 - stated)))
    return np.concatenate(losses)


def fit_platt(margins: Floats, outcomes: Floats, counts: Floats | None = None) -> Calibration:
    """By maximum likelihood; the constant rate where the margins would have to be turned around."""
    counts = np.ones(len(margins)) if counts is None else counts
    slope, intercept = newton(margins[:, None], outcomes, counts, np.array([TINY_PENALTY])).tolist()
    if not math.isfinite(slope) or slope <= 0.0:
        rate = float(np.clip(np.average(outcomes, weights=counts), FLOOR, 1.0 - FLOOR))
        return Calibration(kind="platt", slope=0.0, intercept=math.log(rate / (1.0 - rate)))
    return Calibration(kind="platt", slope=slope, intercept=intercept)


def _fit_at_level(held: Held, counts: Floats, name: str) -> Calibration:
    level = held.levels[name]
    known = level[~np.isnan(level)]
    centre = float(known.mean()) if len(known) else 0.0
    rows = np.stack([held.margins, np.nan_to_num(level - centre)], axis=1)
    penalties = np.array([TINY_PENALTY, LEVEL_PENALTY])
    slope, weight, intercept = newton(rows, held.outcomes, counts, penalties).tolist()
    # More of it lately can't mean less of it now: then it was chance.
    if slope <= 0.0 or weight <= 0.0:
        return fit_platt(held.margins, held.outcomes, counts)
    return Calibration(
        kind="platt", slope=slope, intercept=intercept, level=name, level_weight=weight, level_centre=centre
    )


def fit_isotonic(margins: Floats, outcomes: Floats) -> Calibration:
    """By pooling adjacent violators (Barlow 1972); between two pools' centres it is linear."""
    order = np.argsort(margins, kind="stable")
    pools: list[tuple[float, float, int]] = []
    for margin, outcome in zip(margins[order].tolist(), outcomes[order].tolist(), strict=True):
        pool = (margin, outcome, 1)
        while pools and pools[-1][1] * pool[2] >= pool[1] * pools[-1][2]:
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    return Calibration(
        kind="isotonic",
        margins=tuple(total / count for total, _, count in pools),
        levels=tuple(hits / count for _, hits, count in pools),
    )
