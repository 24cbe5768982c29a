"""Training on a small history: no site or day on both sides, a sound artefact, honest measures."""

import math
from pathlib import Path

import numpy as np
import pytest

from adapters.artefacts import Manifest, build_once
from adapters.risk_artefact import ARTEFACT, read_risk_artefact
from deployments.ai_processing.risk import TARGETS, RiskModel
from models.risk.dataset import Dataset, Plan, draw
from models.risk.measures import auc, calibration_error, platt
from models.risk.train import inputs_hash, train

SMALL = Plan(seed="small", fit_sites=2, hold_sites=1, test_sites=1, cut_day=300.0, days=400.0)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return draw(SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("risk") / "artefact"


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Manifest:
    return build_once(folder, ARTEFACT, "small", lambda into: train(into, SMALL))


def test_the_artefact_serves(folder: Path, manifest: Manifest, data: Dataset) -> None:
    model = RiskModel(read_risk_artefact(folder))
    assert model.version == f"risk-{manifest.version}"
    sample = data.test.samples[0]
    assert model.predict([sample.item], [sample.classification])[0].model_version == model.version


def test_it_says_what_it_was_trained_on(manifest: Manifest) -> None:
    assert "generated" in manifest.details["trained_on"]


def test_training_again_gives_the_same_files(manifest: Manifest, tmp_path: Path) -> None:
    again = build_once(tmp_path / "again", ARTEFACT, "small", lambda into: train(into, SMALL))
    assert again.files == manifest.files
    assert again.metrics == manifest.metrics


def test_it_learns_something_but_not_what_only_the_oracle_knows(manifest: Manifest) -> None:
    for target in TARGETS:
        assert manifest.metrics[f"{target}_auc"] > 0.58
        assert 0.0 <= manifest.metrics[f"{target}_ece"] < 0.25
    learned = sum(manifest.metrics[f"{target}_auc"] for target in TARGETS)
    possible = sum(manifest.metrics[f"{target}_oracle_auc"] for target in TARGETS)
    assert learned < possible


def test_no_site_or_day_is_on_both_sides(data: Dataset) -> None:
    sites = [{sample.site for sample in part.samples} for part in (data.fit, data.hold, data.test)]
    assert not sites[0] & sites[1]
    assert not (sites[0] | sites[1]) & sites[2]
    latest = max(sample.day for part in (data.fit, data.hold) for sample in part.samples)
    assert latest < SMALL.cut_day <= min(sample.day for sample in data.test.samples)


def test_the_hash_of_the_inputs_is_stable() -> None:
    assert inputs_hash() == inputs_hash()


def test_auc_counts_pairs() -> None:
    outcomes = np.array([0.0, 0.0, 1.0, 1.0])
    assert auc(outcomes, np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
    assert auc(outcomes, np.full(4, 0.5)) == 0.5
    assert math.isnan(auc(np.ones(4), outcomes))


def test_calibration_error_is_the_distance_from_what_was_seen() -> None:
    outcomes = np.tile([0.0, 1.0], 500)
    assert calibration_error(outcomes, np.full(1000, 0.5)) == 0.0
    assert calibration_error(outcomes, np.full(1000, 0.9)) == pytest.approx(0.4)


def test_platt_finds_what_made_the_outcomes() -> None:
    rng = np.random.default_rng(3)
    margins = rng.normal(size=40_000)
    outcomes = (rng.random(40_000) < 1.0 / (1.0 + np.exp(-(0.6 * margins - 1.0)))).astype(np.float64)
    slope, intercept = platt(margins, outcomes)
    assert slope == pytest.approx(0.6, abs=0.05)
    assert intercept == pytest.approx(-1.0, abs=0.05)
