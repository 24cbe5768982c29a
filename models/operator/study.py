"""Everything that can be learned from one history, trained on its first part and measured on its last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from core.contract import Contract
from models.operator import durations, training
from models.operator.calibration import fit_platt
from models.operator.designs import design_of, levels_of
from models.operator.features import (
    Columns,
    Floats,
    Timeline,
    category_columns,
    frequent_categories,
    rates_as_known,
    record_columns,
)
from models.operator.history import History
from models.operator.measures import SEED, Resampler, brier, coverage, powell_loss
from models.operator.targets import Target, breaches_target, closed_within, is_escalated, recurs_within
from models.operator.text import Encode, Projection, text_columns
from models.operator.training import Indices, Inputs, Split, Trained
from models.risk.measures import auc, calibration_error, noise_floor
from models.text.figures import Interval

EARLY = 0.32
"""Categories and text are reduced by this first share of the reports, before which no fold is judged."""
LEAST_OF_EACH = 30
RECENT_DAYS = 60.0
TREES_SEE = 24
"""Columns of each kind of text, in the order of what they tell apart; the linear model sees all."""


class Options(Contract):
    """What is asked of a study."""

    closed_days: float = 30.0
    recurrence_days: float = 90.0
    test_share: float = 0.2


class Measured(Contract):
    """How good one way of predicting is on the last part of the history."""

    auc: str
    """With its 95 % interval."""
    gain: str
    """AUC of the model less this one, paired, with its 95 % interval; empty for the model."""
    auc_value: float
    gain_low: float | None
    brier: float
    ece: float
    ece_by_chance: float
    """What ECE would be in the mean if every stated probability were the true one."""
    mean: float
    """Mean stated probability."""


class Judgement(Contract):
    """One target's figures."""

    target: str
    means: str
    embargo: bool
    trained: int
    tested: int
    left_out: int
    """Reports with an outcome that the export does not settle, and with `embargo` those not settled in time."""
    rate_trained: float
    rate_tested: float
    undecided: int
    """Reports left out because their status does not tell whether they were dealt with."""
    calibration: str
    chosen: str
    tried: dict[str, float]
    """Log loss of the trees on the later parts of the training period, by columns and depth, at each part's level."""
    blends: dict[str, float]
    """The same of the trees with the linear model, by the trees' share."""
    results: dict[str, Measured]


class DurationFigures(Contract):
    """Quantiles of the time to close on the last part of the history."""

    quantile: float
    tested: int
    by_category: bool = False
    """Whether the category's own quantile is what the model states, as chosen on the folds."""
    on_folds: dict[str, float] = Field(default_factory=dict[str, float])
    """Losses on later parts of the training period."""
    visible_on_folds: float = 0.0
    """Share of the quantiles stated by the model there that lay within what was seen."""
    model_loss: str
    baseline_loss: str
    gain: str
    """Loss of the category's quantiles less the model's, in days; above 0 the model is better."""
    gain_low: float
    model_coverage: float
    model_judged: int
    """Reports whose stated quantile lay within what the export could show."""
    baseline_coverage: float
    baseline_judged: int


@dataclass(frozen=True)
class Findings:
    """Figures, and the models behind them."""

    judgements: list[Judgement]
    missing: dict[str, str]
    """Targets that could not be learned, and why."""
    durations: list[DurationFigures]
    models: dict[str, tuple[Trained, tuple[str, ...]]]
    """By target, with the names of the columns."""
    duration_model: durations.DurationModel | None
    projections: dict[str, Projection]
    categories: list[str]


@dataclass(frozen=True)
class Material:
    """A history, and everything about its reports that does not depend on the target."""

    history: History
    timeline: Timeline
    record: Columns
    category: Columns
    texts: dict[str, Columns]

    def inputs(self, target: Target) -> Inputs:
        """What models of a target may look at."""
        record = self.record.joined(_rates(self, target))
        whole = record.joined(self.category)
        sets = {
            "record": record,
            "record+category": whole,
            **{f"record+category+{kind}": whole.joined(each.first(TREES_SEE)) for kind, each in self.texts.items()},
        }
        return Inputs(sets, design_of(record, self.category, self.texts), levels_of(record))


def study(history: History, options: Options, encoders: Mapping[str, Encode]) -> Findings:
    """Train and measure every target that the history supports; `encoders` make vectors of texts."""
    early = int(EARLY * len(history.reports))
    texts = [report.text for report in history.reports]
    reduced = {kind: text_columns(kind, encode, texts, early) for kind, encode in encoders.items()}
    kept = frequent_categories(history.reports[:early])
    material = Material(
        history=history,
        timeline=Timeline.of(history),
        record=record_columns(history),
        category=category_columns(history, kept),
        texts={kind: columns for kind, (_, columns) in reduced.items()},
    )
    judgements, missing, models = _judge_all(material, options)
    figures, model = _judge_durations(material, options)
    projections = {kind: projection for kind, (projection, _) in reduced.items()}
    return Findings(judgements, missing, figures, models, model, projections, kept)


def targets_of(history: History, timeline: Timeline, options: Options) -> list[Target]:
    """Whatever may be asked of a history."""
    return [
        closed_within(history, timeline, options.closed_days),
        recurs_within(history, timeline, options.recurrence_days),
        breaches_target(history, timeline),
        is_escalated(history, timeline),
    ]


def _judge_all(
    material: Material, options: Options
) -> tuple[list[Judgement], dict[str, str], dict[str, tuple[Trained, tuple[str, ...]]]]:
    judgements: list[Judgement] = []
    missing: dict[str, str] = {}
    models: dict[str, tuple[Trained, tuple[str, ...]]] = {}
    for target in targets_of(material.history, material.timeline, options):
        if why := target.lacks(LEAST_OF_EACH):
            missing[target.name] = why
            continue
        inputs = material.inputs(target)
        for embargo in (False, True):
            parts = training.split(target, material.timeline.created, options.test_share, embargo=embargo)
            trained = training.train(target, material.timeline.created, inputs, parts.train, embargo=embargo)
            if trained is None:
                missing[f"{target.name}{' as known at the cut' if embargo else ''}"] = (
                    "too few settled reports to train"
                )
                continue
            judgements.append(_judge(material, target, parts, trained, inputs))
            if not embargo:
                models[target.name] = trained, inputs.sets[trained.chosen.columns].names
    return judgements, missing, models


def _judge(material: Material, target: Target, parts: Split, trained: Trained, inputs: Inputs) -> Judgement:
    outcomes = target.outcomes[parts.test]
    stated = {"model": trained.probabilities(inputs, parts.test), **_baselines(material, target, parts)}
    resampler = _resampler(material.timeline, parts.test)
    return Judgement(
        target=target.name,
        means=target.means,
        embargo=parts.embargo,
        trained=len(parts.train),
        tested=len(parts.test),
        left_out=len(target.outcomes) - len(parts.train) - len(parts.test) - target.undecided,
        undecided=target.undecided,
        rate_trained=round(float(target.outcomes[parts.train].mean()), 4),
        rate_tested=round(float(outcomes.mean()), 4),
        calibration=trained.calibrated,
        chosen=f"{trained.chosen.columns}, depth {trained.chosen.depth}, {trained.chosen.rounds} rounds; trees' share "
        f"{trained.share:.2f}, linear penalties times {trained.strength:g}",
        blends=trained.blends,
        tried={f"{each.columns}, depth {each.depth}": each.loss for each in trained.tried},
        results={name: _measure(outcomes, each, stated["model"], name, resampler) for name, each in stated.items()},
    )


def _resampler(timeline: Timeline, some: Indices) -> Resampler:
    return Resampler.of([timeline.places[int(index)] for index in some])


def _measure(outcomes: Floats, stated: Floats, model: Floats, name: str, resampler: Resampler) -> Measured:
    figure = resampler.figure(lambda some: auc(outcomes[some], stated[some]))
    gain: Interval | None = None
    if name != "model":
        gain = resampler.figure(lambda some: auc(outcomes[some], model[some]) - auc(outcomes[some], stated[some]))
    return Measured(
        auc=str(figure),
        gain=str(gain) if gain else "",
        auc_value=round(figure.value, 4),
        gain_low=round(gain.low, 4) if gain else None,
        brier=round(brier(outcomes, stated), 4),
        ece=round(calibration_error(outcomes, stated), 4),
        ece_by_chance=round(noise_floor(stated, seed=SEED), 4),
        mean=round(float(stated.mean()), 4),
    )


def _baselines(material: Material, target: Target, parts: Split) -> dict[str, Floats]:
    """The category's rate, the prior count at the place, and the rate of all, each from the training part."""
    trained = target.outcomes[parts.train]
    overall = float(trained.mean())
    categories = np.array(material.timeline.categories)
    rates = {str(name): float(trained[categories[parts.train] == name].mean()) for name in set(categories[parts.train])}
    counts = np.log1p(material.record.values[:, material.record.names.index("place_matter_count")].astype(np.float64))
    by_count = fit_platt(counts[parts.train], trained).probabilities(counts[parts.test])
    return {
        "category rate": np.array([rates.get(name, overall) for name in categories[parts.test].tolist()]),
        # A count that says nothing, or the contrary, in training would otherwise not be ranked at all.
        "prior count": by_count if len(set(by_count.tolist())) > 1 else overall + 1e-6 * counts[parts.test],
        "prevalence": np.full(len(parts.test), overall),
    }


def _rates(material: Material, target: Target) -> Columns:
    """The target's rates as they were known: of all lately, of the category, of the place."""
    timeline, known_after, counted = material.timeline, target.known_after, target.counted
    reports = material.history.reports
    everything = [""] * len(reports)
    at_place = [(each.place, each.matter) if each.place else index for index, each in enumerate(reports)]
    found = {
        "rate_lately": rates_as_known(timeline, everything, counted, known_after, RECENT_DAYS),
        "rate_category": rates_as_known(timeline, timeline.categories, counted, known_after),
        "rate_category_lately": rates_as_known(timeline, timeline.categories, counted, known_after, RECENT_DAYS),
        "rate_place_matter": rates_as_known(timeline, at_place, counted, known_after),
    }
    return Columns(tuple(found), np.stack(list(found.values()), axis=1).astype(np.float32))


def _judge_durations(
    material: Material, options: Options
) -> tuple[list[DurationFigures], durations.DurationModel | None]:
    timeline = material.timeline
    known = durations.usable(timeline)
    cut = round((1.0 - options.test_share) * len(known))
    train, test = known[:cut], known[cut:]
    if not len(test):
        return [], None
    rows = material.record.joined(material.category)
    moment = float(timeline.created[test[0]])
    model = durations.train(timeline, rows.values, rows.names, train, moment)
    if model is None:
        return [], None
    categories = timeline.categories_of(test)
    stated = model.quantiles(rows.values[test], categories)
    baseline = model.specification.table.quantiles(categories)
    end = material.history.header.closures_until.timestamp() / 86_400.0
    seen = durations.seen_at(timeline, end).of(test)
    resampler = _resampler(timeline, test)
    figures = [_duration(q, seen, stated[q], baseline[q], resampler, test) for q in durations.QUANTILES]
    return [_with_choice(each, model.specification) for each in figures], model


def _with_choice(figures: DurationFigures, chosen: durations.DurationSpecification) -> DurationFigures:
    key = str(figures.quantile)
    return figures.model_copy(
        update={
            "by_category": chosen.by_category[key],
            "on_folds": chosen.losses[key],
            "visible_on_folds": chosen.visible[key],
        }
    )


def _duration(
    quantile: float, seen: durations.Seen, model: Floats, baseline: Floats, resampler: Resampler, test: Indices
) -> DurationFigures:
    own = powell_loss(seen.took, seen.follow_up, model, quantile)
    other = powell_loss(seen.took, seen.follow_up, baseline, quantile)
    gain = resampler.figure(lambda some: float((other[some] - own[some]).mean()))
    covered, judged = coverage(seen.took, seen.follow_up, model)
    other_covered, other_judged = coverage(seen.took, seen.follow_up, baseline)
    return DurationFigures(
        quantile=quantile,
        tested=len(test),
        model_loss=str(resampler.figure(lambda some: float(own[some].mean()))),
        baseline_loss=str(resampler.figure(lambda some: float(other[some].mean()))),
        gain=str(gain),
        gain_low=round(gain.low, 4),
        model_coverage=round(covered, 4),
        model_judged=judged,
        baseline_coverage=round(other_covered, 4),
        baseline_judged=other_judged,
    )
