"""The blend of trees and a line: it finds what each of them finds, and states it at the right level."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import ArtefactRefused
from models.logistic import newton
from models.operator import calibration, training
from models.operator.calibration import Held
from models.operator.features import Columns, Floats
from models.operator.linear import Block, Design, LinearModel, fit_linear
from models.operator.targets import Target
from models.risk.measures import auc, calibration_error

REPORTS = 1500


def sigmoid(margins: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-margins))


def outcomes_of(margins: Floats, seed: int = 4) -> Floats:
    return (np.random.default_rng(seed).random(len(margins)) < sigmoid(margins)).astype(np.float64)


def columns(name: str, values: Floats) -> Columns:
    return Columns(tuple(f"{name}_{place}" for place in range(values.shape[1])), values.astype(np.float32))


def test_newton_finds_the_weights_that_made_the_outcomes() -> None:
    rows = np.random.default_rng(3).normal(size=(20_000, 3))
    outcomes = outcomes_of(rows @ np.array([1.0, -0.5, 0.0]) - 1.0)
    weights = newton(rows, outcomes, np.ones(len(rows)), np.zeros(3))
    np.testing.assert_allclose(weights, [1.0, -0.5, 0.0, -1.0], atol=0.07)
    assert np.abs(newton(rows, outcomes, np.ones(len(rows)), np.full(3, 1e6))[:3]).max() < 0.01


def test_outcomes_that_a_column_tells_apart_do_not_run_away() -> None:
    rows = np.linspace(-1.0, 1.0, 200)[:, None]
    weights = newton(rows, (rows[:, 0] > 0.0).astype(np.float64), np.ones(200), np.array([1e-6]))
    assert np.isfinite(weights).all()


def test_a_linear_model_reads_what_it_wrote(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(size=(300, 4))
    values[5, 1] = np.nan
    design = Design.of([Block(columns("a", values[:, :2]), 1.0, False), Block(columns("b", values[:, 2:]), 1.0, True)])
    model = fit_linear(design, np.arange(300), outcomes_of(values[:, 0]))
    model.save(tmp_path / "model.npz")
    margins = LinearModel.load(tmp_path / "model.npz").margins(design.values)
    np.testing.assert_array_equal(margins, model.margins(design.values))
    assert np.isfinite(margins).all()
    with pytest.raises(ArtefactRefused):
        LinearModel.load(tmp_path / "other.npz")


def test_a_blend_is_better_than_either_alone() -> None:
    """Half of what matters is a sum of many small things, half is that one thing is far from its usual."""
    rng = np.random.default_rng(3)
    many, odd = rng.normal(size=(REPORTS, 30)), rng.normal(size=(REPORTS, 1))
    truth = 0.3 * many.sum(axis=1) + 2.0 * (np.abs(odd[:, 0]) > 0.7) - 1.0
    target = Target("it", "it happened", outcomes_of(truth), np.zeros(REPORTS), np.zeros(REPORTS))
    inputs = training.Inputs(
        sets={"all": columns("all", np.hstack([many, odd]))},
        design=Design.of([Block(columns("many", many), 1.0, False), Block(columns("odd", odd), 1.0, False)]),
        levels=columns("level", np.zeros((REPORTS, 1))),
    )
    created = np.arange(REPORTS, dtype=np.float64)
    parts = training.split(target, created, 0.3, embargo=False)
    trained = training.train(target, created, inputs, parts.train, embargo=False)
    assert trained is not None
    assert 0.0 < trained.share < 1.0
    assert trained.blends[f"{trained.share:.2f}"] < min(trained.blends["0.00"], trained.blends["1.00"])
    known = target.outcomes[parts.test]
    trees = training.margins(trained.boosters[0], inputs.sets["all"].values[parts.test])
    line = trained.linear.margins(inputs.design.values[parts.test])
    stated = trained.probabilities(inputs, parts.test)
    assert auc(known, stated) > max(auc(known, trees), auc(known, line))
    assert calibration_error(known, stated) < 0.09


def held(margins: Floats, truth: Floats, start: float, level: Floats, seed: int) -> Held:
    created = start + np.linspace(0.0, 30.0, len(margins))
    return Held(margins, outcomes_of(truth, seed), created, {"level": level})


def test_what_is_right_already_is_left_alone() -> None:
    folds = [
        held(m, m, 30.0 * n, np.zeros(500), n) for n, m in enumerate(np.random.default_rng(3).normal(size=(4, 500)))
    ]
    way, made = calibration.choose(folds)
    assert str(way) == "as the model states it"
    np.testing.assert_allclose(made.probabilities(folds[0].margins), sigmoid(folds[0].margins))


def test_a_level_that_moves_is_followed_by_what_tells_of_it() -> None:
    rng = np.random.default_rng(3)
    shifts = (0.0, -1.5, 1.5, -1.0)
    folds = [
        held(m, m + shift, 30.0 * n, np.full(800, shift), n)
        for n, (m, shift) in enumerate(zip(rng.normal(size=(4, 800)), shifts, strict=True))
    ]
    _, made = calibration.choose(folds)
    assert made.level == "level"
    margins = rng.normal(size=4000)
    stated = made.probabilities(margins, np.full(4000, 1.0))
    assert calibration_error(outcomes_of(margins + 1.0, 9), stated) < 0.04
