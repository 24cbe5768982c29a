"""A calibrated blend of trees and a straight line for one target, all of it chosen within the training period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import xgboost

from models.operator import calibration
from models.operator.calibration import Calibration, Held
from models.operator.features import Columns, Floats, Rows
from models.operator.linear import Design, LinearModel, fit_linear
from models.operator.measures import log_loss
from models.operator.targets import Target

Indices = npt.NDArray[np.intp]

ROUNDS = 120
FOLDS = ((0.4, 0.55), (0.55, 0.7), (0.7, 0.85), (0.85, 1.0))
"""Shares of the training period: fitted on what lies before the first, judged on what lies between the two."""
LEAST_FITTED = 40
"""Reports needed before a fold; and of each outcome, LEAST_OF_EACH."""
LEAST_OF_EACH = 5
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "tree_method": "hist",
    "eta": 0.08,
    "subsample": 0.7,
    "colsample_bytree": 0.4,
    "lambda": 5.0,
    "min_child_weight": 8.0,
    "max_bin": 64,
    "nthread": 1,
}
DEPTHS = (2, 4)
SEEDS = (7, 8, 9)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
STRENGTHS = (0.06, 0.25, 1.0, 4.0, 16.0)
"""What the linear model's penalties are multiplied by."""


class Booster(Protocol):
    """What is used of XGBoost's booster."""

    def predict(
        self, data: object, *, output_margin: bool = False, iteration_range: tuple[int, int] = (0, 0)
    ) -> Rows: ...
    def save_model(self, fname: str) -> None: ...
    def load_model(self, fname: str) -> None: ...


@dataclass(frozen=True)
class Split:
    """Indices of reports with a known outcome, in the order of time."""

    train: Indices
    test: Indices
    embargo: bool
    """Whether training left out what was not settled when the test began."""


@dataclass(frozen=True)
class Inputs:
    """What models of one target may look at, for every report."""

    sets: dict[str, Columns]
    """Sets of columns that are tried for the trees."""
    design: Design
    levels: Columns
    """Log-odds that tell how things stand, for the calibration."""


@dataclass(frozen=True)
class Candidate:
    """Trees that were tried on the folds."""

    columns: str
    depth: int
    rounds: int
    loss: float
    """Log loss over the folds, each at its own level: what a shift of all log-odds could mend is the calibration's."""


@dataclass(frozen=True)
class Trained:
    """Trees that differ by their seed, a linear model, how they are blended, and how all this was chosen."""

    boosters: tuple[Booster, ...]
    linear: LinearModel
    share: float
    """The trees' in the log-odds, 0 to 1; the rest is the linear model's."""
    strength: float
    calibration: Calibration
    calibrated: str
    chosen: Candidate
    tried: tuple[Candidate, ...]
    blends: dict[str, float]
    """Loss on the folds by the trees' share, at the best strength for it."""

    def probabilities(self, inputs: Inputs, some: Indices) -> Floats:
        """Of shape (n,), for the reports with these indices."""
        trees = _bagged(self.boosters, inputs.sets[self.chosen.columns].values[some])
        blended = self.share * trees + (1.0 - self.share) * self.linear.margins(inputs.design.values[some])
        level = _levels(inputs, some)[self.calibration.level] if self.calibration.level else None
        return self.calibration.probabilities(blended, level)


def split(target: Target, created: Floats, test_share: float, *, embargo: bool) -> Split:
    """The first part by time to train, the last to test.

    With `embargo`, only reports whose outcome was settled before the first of the test was made are trained on: what
    somebody who trained on that day could have known.
    """
    known = np.flatnonzero(~np.isnan(target.outcomes))
    cut = round((1.0 - test_share) * len(known))
    train, test = known[:cut], known[cut:]
    return Split(_settled(target, created, train, test, embargo), test, embargo)


def train(target: Target, created: Floats, inputs: Inputs, training: Indices, *, embargo: bool) -> Trained | None:
    """The best trees, the best line and the best blend; None where the folds hold too few of either outcome."""
    folds = _folds(target, created, training, embargo)
    if not folds:
        return None
    outcomes = [target.outcomes[held] for _, held in folds]
    tried = [
        _try(name, depth, each.values, target.outcomes, folds) for name, each in inputs.sets.items() for depth in DEPTHS
    ]
    best = min(tried, key=lambda candidate: candidate.loss)
    rows = inputs.sets[best.columns].values
    trees = [_bagged(_bag(rows[fitted], target.outcomes[fitted], best), rows[held]) for fitted, held in folds]
    lines = {strength: _straighten(inputs.design, strength, target.outcomes, folds) for strength in STRENGTHS}
    losses = {
        (share, strength): _loss_at_own_level(outcomes, _blend(share, trees, line))
        for share in SHARES
        for strength, line in lines.items()
    }
    share, strength = min(losses, key=lambda each: losses[each])
    held = [
        Held(margins, target.outcomes[some], created[some], _levels(inputs, some))
        for margins, (_, some) in zip(_blend(share, trees, lines[strength]), folds, strict=True)
    ]
    way, calibrated = calibration.choose(held)
    return Trained(
        boosters=_bag(rows[training], target.outcomes[training], best),
        linear=fit_linear(_stronger(inputs.design, strength), training, target.outcomes),
        share=share,
        strength=strength,
        calibration=calibrated,
        calibrated=str(way),
        chosen=best,
        tried=tuple(sorted(tried, key=lambda each: each.loss)),
        blends={f"{each:.2f}": round(min(losses[each, other] for other in STRENGTHS), 4) for each in SHARES},
    )


def _bag(rows: Rows, outcomes: Floats, chosen: Candidate) -> tuple[Booster, ...]:
    return tuple(_boost(rows, outcomes, chosen.depth, chosen.rounds, seed) for seed in SEEDS)


def _bagged(boosters: Sequence[Booster], rows: Rows) -> Floats:
    return np.mean([margins(booster, rows) for booster in boosters], axis=0)


def _blend(share: float, trees: Sequence[Floats], lines: Sequence[Floats]) -> list[Floats]:
    return [share * tree + (1.0 - share) * line for tree, line in zip(trees, lines, strict=True)]


def _stronger(design: Design, strength: float) -> Design:
    return replace(design, penalties=design.penalties * strength)


def _straighten(
    design: Design, strength: float, outcomes: Floats, folds: Sequence[tuple[Indices, Indices]]
) -> list[Floats]:
    """The linear model's margins on the folds."""
    stronger = _stronger(design, strength)
    return [fit_linear(stronger, fitted, outcomes).margins(design.values[held]) for fitted, held in folds]


def _levels(inputs: Inputs, some: Indices) -> dict[str, Floats]:
    values = inputs.levels.values[some].astype(np.float64)
    return {name: values[:, place] for place, name in enumerate(inputs.levels.names)}


def _loss_at_own_level(outcomes: Sequence[Floats], margins: Sequence[Floats]) -> float:
    """Mean log loss where each fold's log-odds are shifted so that their mean is the fold's rate."""
    total = 0.0
    for each, stated in zip(outcomes, margins, strict=True):
        low, high = -10.0, 10.0
        for _ in range(40):
            middle = (low + high) / 2.0
            below = float((1.0 / (1.0 + np.exp(-(stated + middle)))).mean()) < float(each.mean())
            low, high = (middle, high) if below else (low, middle)
        total += log_loss(each, 1.0 / (1.0 + np.exp(-(stated + low)))) * len(each)
    return total / sum(len(each) for each in outcomes)


def margins(booster: Booster, rows: Rows, rounds: int = 0) -> Floats:
    """Log-odds of shape (n,); of the first rounds where these are given."""
    data = xgboost.DMatrix(rows, nthread=1)
    return booster.predict(data, output_margin=True, iteration_range=(0, rounds)).astype(np.float64)


def _settled(target: Target, created: Floats, fitted: Indices, held: Indices, embargo: bool) -> Indices:
    if not embargo or not len(held):
        return fitted
    return fitted[created[fitted] + target.known_after[fitted] <= created[held[0]]]


def _folds(target: Target, created: Floats, training: Indices, embargo: bool) -> list[tuple[Indices, Indices]]:
    found: list[tuple[Indices, Indices]] = []
    for first, last in FOLDS:
        held = training[int(first * len(training)) : int(last * len(training))]
        fitted = _settled(target, created, training[: int(first * len(training))], held, embargo)
        if len(fitted) >= LEAST_FITTED and _both(target, fitted) and _both(target, held):
            found.append((fitted, held))
    return found


def _both(target: Target, some: Indices) -> bool:
    ones = target.outcomes[some].sum()
    return bool(min(ones, len(some) - ones) >= LEAST_OF_EACH)


def _try(name: str, depth: int, rows: Rows, outcomes: Floats, folds: Sequence[tuple[Indices, Indices]]) -> Candidate:
    """How well trees do on the folds at their best number of rounds."""
    boosters: list[Booster] = []
    total = np.zeros(ROUNDS)
    for fitted, held in folds:
        curve: dict[str, dict[str, list[float]]] = {}
        watch = xgboost.DMatrix(rows[held], outcomes[held], nthread=1)
        boosters.append(_boost(rows[fitted], outcomes[fitted], depth, ROUNDS, SEEDS[0], watch, curve))
        total += np.array(curve["held"]["logloss"]) * len(held)
    best = int(np.argmin(total)) + 1
    stated = [margins(booster, rows[held], best) for booster, (_, held) in zip(boosters, folds, strict=True)]
    loss = _loss_at_own_level([outcomes[held] for _, held in folds], stated)
    return Candidate(name, depth, best, round(loss, 5))


def _boost(
    rows: Rows,
    outcomes: Floats,
    depth: int,
    rounds: int,
    seed: int,
    watch: xgboost.DMatrix | None = None,
    curve: dict[str, dict[str, list[float]]] | None = None,
) -> Booster:
    booster = xgboost.train(
        {**PARAMETERS, "max_depth": depth, "seed": seed},
        xgboost.DMatrix(rows, outcomes, nthread=1),
        num_boost_round=rounds,
        evals=[(watch, "held")] if watch is not None else [],
        evals_result=cast(Any, curve),
        verbose_eval=False,
    )
    return cast(Booster, booster)
