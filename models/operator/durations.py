"""How long a report takes to close: quantiles from a survival model that knows what is still open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import xgboost

from core.contract import Contract
from models.operator.features import Floats, Rows, Timeline
from models.operator.measures import powell_loss
from models.operator.training import FOLDS, LEAST_FITTED, Booster, Indices, margins

QUANTILES = (0.5, 0.9)
SHORTEST_DAYS = 1.0 / 24.0
"""Shorter times count as an hour: on the logarithm's scale a minute would weigh more than a month."""
FEW = 15
"""A category with fewer reports gets the quantiles of all."""
LEAST_VISIBLE = 0.5
SHIFTS = np.linspace(-4.0, 8.0, 121)
ROUNDS = 60
SPREADS = (1.0, 2.0)
PARAMETERS: dict[str, Any] = {
    "objective": "survival:aft",
    "eval_metric": "aft-nloglik",
    "aft_loss_distribution": "normal",
    "tree_method": "hist",
    "max_bin": 64,
    "eta": 0.1,
    "max_depth": 3,
    "subsample": 0.7,
    "colsample_bytree": 0.4,
    "lambda": 5.0,
    "min_child_weight": 8.0,
    "seed": 7,
    "nthread": 1,
}


class CategoryTable(Contract):
    """Quantiles of the time to close by category, in days; None where they lie beyond what was seen."""

    overall: tuple[float | None, ...]
    """In the order of QUANTILES."""
    by_category: dict[str, tuple[float | None, ...]]

    def quantiles(self, categories: Sequence[str]) -> dict[float, Floats]:
        """Of shape (n,), by quantile; infinite where never reached, and those of all for an unknown category."""
        rows = [self.by_category.get(name, self.overall) for name in categories]
        stated = np.array([[math.inf if each is None else each for each in row] for row in rows])
        return {quantile: stated[:, place] for place, quantile in enumerate(QUANTILES)}


class DurationSpecification(Contract):
    """How each quantile is stated, what is added to the booster's log days for it, and how it was chosen."""

    shifts: dict[str, float]
    by_category: dict[str, bool]
    """By quantile: whether the category's own is stated, since it did better on the folds or nobody could tell."""
    losses: dict[str, dict[str, float]]
    """On the folds, by quantile, of the best model and of the category's quantile, in days."""
    visible: dict[str, float]
    """Share of the folds' reports whose quantile, as the model stated it, lay within what was seen."""
    spread: float
    """Scale of the log-normal law in the fitting."""
    rounds: int
    columns: tuple[str, ...]
    table: CategoryTable


@dataclass(frozen=True)
class DurationModel:
    """Accelerated failure time: log days = booster's margin + a shift; or the category's quantile, by quantile."""

    booster: Booster
    specification: DurationSpecification

    def quantiles(self, rows: Rows, categories: Sequence[str]) -> dict[float, Floats]:
        """Days to close of shape (n,), by quantile."""
        chosen = self.specification
        centre, table = margins(self.booster, rows), chosen.table.quantiles(categories)
        return {
            each: table[each] if chosen.by_category[str(each)] else np.exp(centre + chosen.shifts[str(each)])
            for each in QUANTILES
        }


@dataclass(frozen=True)
class Seen:
    """Times to close as far as they were known at some moment, in days."""

    took: Floats
    """Infinite where it was still open."""
    follow_up: Floats
    """From the creation to that moment."""

    def of(self, indices: Indices) -> Seen:
        """Of these reports."""
        return Seen(self.took[indices], self.follow_up[indices])


def seen_at(timeline: Timeline, moment: float) -> Seen:
    """What was known at `moment`, in days since 1970: a report that closed later was open then."""
    follow_up = moment - timeline.created
    took = timeline.closed - timeline.created
    return Seen(np.where(took <= follow_up, np.maximum(took, SHORTEST_DAYS), math.inf), follow_up)


def usable(timeline: Timeline) -> Indices:
    """Reports of which it is known whether and when they were closed."""
    return np.flatnonzero(~timeline.end_unknown)


@dataclass(frozen=True)
class _Tried:
    spread: float
    rounds: int
    shifts: dict[float, float]
    losses: dict[float, float]
    visible: dict[float, float]
    """Share of the folds' reports whose stated quantile lay within what was seen."""


def train(
    timeline: Timeline, rows: Rows, names: tuple[str, ...], training: Indices, cut: float
) -> DurationModel | None:
    """Trained on what was known at `cut`; spread, rounds and shifts are chosen on later parts of the training period,
    and so is, for each quantile, whether the model or the category's own quantile is stated.

    None where a fold would have too few closed reports.
    """
    folds = _folds(timeline, training)
    if not folds:
        return None
    tried = [
        _judge(timeline, rows, folds, cut, spread, rounds) for spread in SPREADS for rounds in (ROUNDS // 2, ROUNDS)
    ]
    best = min(tried, key=lambda each: sum(each.losses.values()))
    others = _judge_categories(timeline, folds, cut)
    specification = DurationSpecification(
        shifts={str(each): shift for each, shift in best.shifts.items()},
        # Stated beyond what was seen, a quantile can't be told from any other such: the simpler way is the safer.
        by_category={
            str(each): others[each] <= best.losses[each] or best.visible[each] < LEAST_VISIBLE for each in QUANTILES
        },
        losses={
            str(each): {"model": round(best.losses[each], 4), "category": round(others[each], 4)} for each in QUANTILES
        },
        visible={str(each): round(best.visible[each], 4) for each in QUANTILES},
        spread=best.spread,
        rounds=best.rounds,
        columns=names,
        table=category_table(timeline, training, cut),
    )
    booster = _boost(rows[training], seen_at(timeline, cut).of(training), best.spread, best.rounds)
    return DurationModel(booster, specification)


def category_table(timeline: Timeline, fitted: Indices, cut: float) -> CategoryTable:
    """The baseline: each category's Kaplan-Meier quantiles by what was known at `cut`."""
    seen = seen_at(timeline, cut)
    names = np.array(timeline.categories)
    found: dict[str, tuple[float | None, ...]] = {}
    for name in sorted(set(names[fitted].tolist())):
        members = fitted[names[fitted] == name]
        if len(members) >= FEW:
            found[name] = _finite(kaplan_meier_quantiles(seen.of(members)))
    return CategoryTable(overall=_finite(kaplan_meier_quantiles(seen.of(fitted))), by_category=found)


def _finite(quantiles: tuple[float, ...]) -> tuple[float | None, ...]:
    return tuple(each if math.isfinite(each) else None for each in quantiles)


def kaplan_meier_quantiles(seen: Seen) -> tuple[float, ...]:
    """First times at which the product-limit estimate (Kaplan, Meier 1958) of still being open is at most 1 - q."""
    closed = np.isfinite(seen.took)
    lasted = np.where(closed, seen.took, seen.follow_up)
    times, closings = np.unique(lasted[closed], return_counts=True)
    at_risk = len(lasted) - np.searchsorted(np.sort(lasted), times, side="left")
    still_open = np.cumprod(1.0 - closings / at_risk)
    return tuple(_first(times, still_open <= 1.0 - quantile + 1e-12) for quantile in QUANTILES)


def _first(times: Floats, reached: Any) -> float:
    (places,) = np.nonzero(reached)
    return float(times[places[0]]) if len(places) else math.inf


def _folds(timeline: Timeline, training: Indices) -> list[tuple[Indices, Indices, float]]:
    """What is fitted, what is judged, and the moment between them."""
    found: list[tuple[Indices, Indices, float]] = []
    for first, last in FOLDS:
        fitted = training[: int(first * len(training))]
        held = training[int(first * len(training)) : int(last * len(training))]
        if not len(held):
            continue
        start = float(timeline.created[held[0]])
        if np.isfinite(seen_at(timeline, start).took[fitted]).sum() >= LEAST_FITTED:
            found.append((fitted, held, start))
    return found


def _judge(
    timeline: Timeline,
    rows: Rows,
    folds: list[tuple[Indices, Indices, float]],
    cut: float,
    spread: float,
    rounds: int,
) -> _Tried:
    """Shifts that are best on all folds; and the loss of each fold at those that were best before it began."""
    boosters = [_boost(rows[fitted], seen_at(timeline, start).of(fitted), spread, rounds) for fitted, _, start in folds]
    centres = [margins(booster, rows[held]) for booster, (_, held, _) in zip(boosters, folds, strict=True)]

    def best_shifts(known: int, moment: float) -> dict[float, float]:
        seen = seen_at(timeline, moment).of(np.concatenate([held for _, held, _ in folds[:known]]))
        return _best_shifts(seen, np.concatenate(centres[:known]))

    totals, visible = dict.fromkeys(QUANTILES, 0.0), dict.fromkeys(QUANTILES, 0.0)
    for at in _judged(folds):
        _, held, start = folds[at]
        shifts = best_shifts(max(at, 1), start if at else cut)
        seen = seen_at(timeline, cut).of(held)
        for quantile in QUANTILES:
            stated = np.exp(centres[at] + shifts[quantile])
            totals[quantile] += _loss(seen, stated, quantile)
            visible[quantile] += float((stated <= seen.follow_up).sum()) / _count(folds)
    losses = {quantile: total / _count(folds) for quantile, total in totals.items()}
    return _Tried(spread, rounds, best_shifts(len(folds), cut), losses, visible)


def _best_shifts(seen: Seen, centre: Floats) -> dict[float, float]:
    return {
        quantile: min(SHIFTS.tolist(), key=lambda shift: _loss(seen, np.exp(centre + shift), quantile))
        for quantile in QUANTILES
    }


def _loss(seen: Seen, stated: Floats, quantile: float) -> float:
    return float(powell_loss(seen.took, seen.follow_up, stated, quantile).sum())


def _judged(folds: Sequence[object]) -> range:
    """All but the first fold, which has none before it to find shifts on."""
    return range(1, len(folds)) if len(folds) > 1 else range(1)


def _count(folds: list[tuple[Indices, Indices, float]]) -> int:
    return sum(len(folds[at][1]) for at in _judged(folds))


def _judge_categories(
    timeline: Timeline, folds: list[tuple[Indices, Indices, float]], cut: float
) -> dict[float, float]:
    """The loss of the category's quantiles on the same folds, by what was known at the start of each."""
    totals = dict.fromkeys(QUANTILES, 0.0)
    for at in _judged(folds):
        fitted, held, start = folds[at]
        seen = seen_at(timeline, cut).of(held)
        stated = category_table(timeline, fitted, start).quantiles(timeline.categories_of(held))
        for quantile in QUANTILES:
            totals[quantile] += _loss(seen, stated[quantile], quantile)
    return {quantile: total / _count(folds) for quantile, total in totals.items()}


def _boost(rows: Rows, seen: Seen, spread: float, rounds: int) -> Booster:
    data = xgboost.DMatrix(rows, nthread=1)
    closed = np.isfinite(seen.took)
    data.set_float_info("label_lower_bound", np.where(closed, seen.took, np.maximum(seen.follow_up, SHORTEST_DAYS)))
    data.set_float_info("label_upper_bound", seen.took)
    parameters = {**PARAMETERS, "aft_loss_distribution_scale": spread, "base_score": float(np.median(seen.follow_up))}
    return cast(Booster, xgboost.train(parameters, data, num_boost_round=rounds, verbose_eval=False))
