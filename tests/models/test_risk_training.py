"""Training on a small history: no site or day on both sides, a sound artefact, honest measures."""

import json
import math
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest

from adapters.artefacts import Manifest, build_once
from adapters.risk_artefact import ARTEFACT, read_risk_artefact
from deployments.ai_processing.risk import TARGETS, RiskModel
from models.logistic import platt
from models.risk.ceilings import Ceilings, full_state_auc, read_ceilings
from models.risk.dataset import Dataset, Plan, draw, held_out_part
from models.risk.evaluate import evaluate, table
from models.risk.measures import auc, calibration_error, noise_floor, reliability, resamples, soft_auc
from models.risk.train import inputs_hash, train

SMALL = Plan(seed="small", fit_sites=2, hold_sites=1, test_sites=1, fit_until=280.0, hold_until=330.0, days=400.0)


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


def test_it_learns_something(manifest: Manifest) -> None:
    for target in TARGETS:
        assert manifest.metrics[f"{target}_auc"] > 0.58
        assert 0.0 <= manifest.metrics[f"{target}_ece"] < 0.25
    learned = sum(manifest.metrics[f"{target}_auc"] for target in TARGETS)
    by_category = sum(manifest.metrics[f"{target}_baseline_auc"] for target in TARGETS)
    assert learned > by_category


def test_no_site_or_day_is_on_two_sides(data: Dataset) -> None:
    parts = [part.samples for part in (data.fit, data.hold, data.test)]
    sites = [{sample.site for sample in samples} for samples in parts]
    assert not sites[0] & sites[1]
    assert not (sites[0] | sites[1]) & sites[2]
    spans = [(min(each.day for each in samples), max(each.day for each in samples)) for samples in parts]
    assert spans[0][1] < SMALL.fit_until <= spans[1][0]
    assert spans[1][1] < SMALL.hold_until <= spans[2][0]
    assert spans[2][1] < SMALL.days


def test_all_figures_come_as_data(folder: Path, manifest: Manifest) -> None:
    """With ceilings whose true probabilities are made up: what is tested is that they are compared as they should."""
    model = RiskModel(read_risk_artefact(folder), UTC)
    test = held_out_part(SMALL)
    truth = [(each.site, each.ticket, 8, 4, 2) for each in test.samples[:40]]
    curve = [{"sites": 1.0, "requests": 9.0} | dict.fromkeys(TARGETS, 0.9)]
    figures = evaluate(model, SMALL, Ceilings("of other code", 16, truth, curve, dict.fromkeys(TARGETS, 0.95)))
    assert json.loads(json.dumps(figures)) == json.loads(json.dumps(figures, allow_nan=False))
    assert figures["requests"] == len(test.samples)
    for target in TARGETS:
        each, ceiling = figures["targets"][target], figures["ceilings"]["targets"][target]
        assert each["auc"] == pytest.approx(manifest.metrics[f"{target}_auc"], abs=1e-4)
        assert each["auc_interval"][0] <= each["auc"] <= each["auc_interval"][1]
        assert sum(part["requests"] for part in each["reliability"]) == figures["requests"]
        assert ceiling["gap"] == pytest.approx(0.9 - each["auc"])
        assert 0.0 <= ceiling["true_probability_rmse"] < 0.7
    printed = table(figures)
    assert "OF OTHER CODE" in printed
    assert "generated histories" in printed
    assert "never measured" in table(figures | {"ceilings": None})


def test_the_kept_ceilings_can_be_read() -> None:
    kept = read_ceilings()
    assert kept is not None
    assert len(kept.truth) > 200
    assert all(0 <= count <= kept.branches for row in kept.truth for count in row[2:])
    for target, point in kept.full_state().items():
        # Nobody can beat the true probabilities; some room for the noise of a few hundred requests.
        assert point["interval"][1] > kept.observable[target]


def test_soft_auc_is_the_auc_where_probabilities_are_certain() -> None:
    outcomes = np.array([0.0, 0.0, 1.0, 1.0])
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    assert soft_auc(outcomes, scores) == auc(outcomes, scores)


def test_soft_auc_is_what_outcomes_show_in_the_mean() -> None:
    rng = np.random.default_rng(2)
    probabilities, scores = rng.random(300), rng.random(300)
    drawn = [auc((rng.random(300) < probabilities).astype(np.float64), scores + probabilities) for _ in range(200)]
    assert soft_auc(probabilities, scores + probabilities) == pytest.approx(np.mean(drawn), abs=0.005)


def test_the_full_state_ceiling_is_found_from_few_futures() -> None:
    rng = np.random.default_rng(4)
    probabilities = rng.beta(0.8, 2.0, size=600)
    counts = rng.binomial(16, probabilities).astype(np.float64)
    found = full_state_auc(counts, 16, draws=60)
    true = soft_auc(probabilities, probabilities)
    assert found["at_half_the_futures"] < true
    assert found["auc"] == pytest.approx(true, abs=0.03)
    assert found["interval"][0] < true < found["interval"][1]


def test_the_noise_floor_falls_with_the_sample() -> None:
    probabilities = np.random.default_rng(1).random(8000)
    assert noise_floor(probabilities) < noise_floor(probabilities[:800]) < 0.06
    outcomes = (np.random.default_rng(2).random(8000) < probabilities).astype(np.float64)
    assert calibration_error(outcomes, probabilities) < 3.0 * noise_floor(probabilities)


def test_reliability_states_what_was_seen() -> None:
    outcomes = np.array([0.0] * 50 + [1.0] * 50)
    low, high = reliability(outcomes, np.linspace(0.0, 1.0, 100), bins=2)
    assert (low["requests"], low["observed"], high["observed"]) == (50, 0.0, 1.0)
    assert low["stated"] == pytest.approx(0.2475, abs=0.01)


def test_a_resample_has_whole_sites() -> None:
    sites = np.repeat([4, 7, 9], [3, 5, 2])
    for rows in resamples(sites, repeats=20):
        counts = np.bincount(sites[rows], minlength=10)
        assert all(counts[site] % size == 0 for site, size in ((4, 3), (7, 5), (9, 2)))


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
