"""From an export to a report and an artefact that the service reads."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters.artefacts import Manifest
from adapters.risk_artefact import read_risk_artefact
from core.errors import ArtefactRefused
from deployments.ai_processing.risk import TARGETS, RiskModel
from models.histories.generator import generate
from models.operator import durations, servable
from models.operator.history import History, read_history
from models.operator.importer import import_csv
from models.operator.mapping import read_mapping
from models.operator.output import train
from models.operator.study import Options
from models.operator.text import hashed_terms

EXAMPLES = Path(__file__).resolve().parents[3] / "models" / "operator" / "examples"


@pytest.fixture(scope="module")
def history(generated: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> History:
    export, mapping = generated
    folder = tmp_path_factory.mktemp("history")
    report = import_csv(export, read_mapping(mapping), folder)
    assert report.bad == 0
    return read_history(folder, "generated")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained") / "risk-operator"


@pytest.fixture(scope="module")
def manifest(history: History, out: Path) -> Manifest:
    return train(history, Options(), {}, out)


def test_the_service_reads_what_was_trained(history: History, manifest: Manifest, out: Path) -> None:
    model = RiskModel(read_risk_artefact(out))
    played = [each for each in history.reports if each.category and each.urgency][-50:]
    items = servable.assess_items(played)
    risks = model.predict(items, [servable.classification(each) for each in played])
    assert model.version == f"risk-{manifest.version}"
    assert len({risk.score for risk in risks}) > 10


def test_the_manifest_says_which_history(history: History, manifest: Manifest) -> None:
    assert manifest.details["history_content"] == history.header.content
    assert manifest.details["reports"] == len(history.reports)
    assert manifest.details["servable"] is True


def test_it_beats_chance_on_the_last_part(manifest: Manifest) -> None:
    for target in TARGETS:
        assert manifest.metrics[f"{target}_auc"] > 0.55, target


def test_the_report_holds_every_target_beside_its_baselines(manifest: Manifest, out: Path) -> None:
    report = json.loads((out / "report.json").read_text())
    judged = {each["target"] for each in report["judgements"] if not each["embargo"]}
    assert judged == {"closed_within_30d", "recurs_within_90d", "breaches_target", "is_escalated"}
    for each in report["judgements"]:
        assert set(each["results"]) == {"model", "category rate", "prior count", "prevalence"}
        assert each["results"]["prevalence"]["auc_value"] == 0.5
    assert "closed_within_30d" in (out / "report.md").read_text()


def test_training_the_same_again_makes_nothing_anew(history: History, manifest: Manifest, out: Path) -> None:
    before = (out / "manifest.json").stat().st_mtime_ns
    assert train(history, Options(), {}, out) == manifest
    assert (out / "manifest.json").stat().st_mtime_ns == before


def test_a_history_without_complaints_says_what_is_missing(history: History, tmp_path: Path) -> None:
    silent = replace(history, reports=[replace(each, escalated=None) for each in history.reports])
    assert servable.obstacles(silent) == ["escalation: the export has nothing that tells"]
    # Fewer reports: only what is written matters here.
    short = replace(silent, reports=silent.reports[:400])
    made = train(short, Options(), {}, tmp_path / "out")
    assert made.name == "operator-models"
    assert "escalation: the export has nothing that tells" in (tmp_path / "out" / "report.md").read_text()
    with pytest.raises(ArtefactRefused, match="operator-models"):
        read_risk_artefact(tmp_path / "out")


def test_a_replayed_report_sees_what_the_service_would_have_seen(history: History) -> None:
    """The generator keeps a register of its own; both must tell the same of each resident's past."""
    known = {each.item.at: each.item for site in range(3) for each in generate("operator", [site], 150.0)}
    usable = [each for each in history.reports if each.category and each.urgency]
    compared = 0
    for item in servable.assess_items(usable):
        theirs = known.get(item.at)
        if theirs is None:
            continue
        assert [(each.created_at, each.category, each.resolved_at, each.breached) for each in item.history] == [
            (each.created_at, each.category, each.resolved_at, each.breached) for each in theirs.history
        ]
        assert item.building == theirs.building
        compared += 1
    assert compared > 100


def test_quantiles_with_censoring_are_not_those_of_the_closed_alone() -> None:
    rng = np.random.default_rng(5)
    took = rng.exponential(10.0, 4000)
    follow_up = rng.uniform(0.0, 40.0, 4000)
    seen = durations.Seen(np.where(took <= follow_up, took, np.inf), follow_up)
    median, late = durations.kaplan_meier_quantiles(seen)
    assert median == pytest.approx(10.0 * np.log(2.0), rel=0.1)
    assert late == pytest.approx(10.0 * np.log(10.0), rel=0.15)
    assert np.median(took[took <= follow_up]) < 0.9 * median


def test_a_category_table_states_what_was_never_reached_as_infinite() -> None:
    table = durations.CategoryTable(overall=(5.0, None), by_category={"Leak": (1.0, 2.0)})
    stated = table.quantiles(["Leak", "Smell"])
    np.testing.assert_array_equal(stated[0.5], [1.0, 5.0])
    np.testing.assert_array_equal(stated[0.9], [2.0, np.inf])
    assert durations.CategoryTable.model_validate_json(table.model_dump_json()) == table


def test_the_citys_reports_can_be_learned_from(city_file: Path, tmp_path: Path) -> None:
    import_csv(city_file, read_mapping(EXAMPLES / "city_reports.yaml"), tmp_path / "history")
    city = read_history(tmp_path / "history", "city_reports")
    train(city, Options(), {"terms": hashed_terms}, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    judged = {each["target"]: each["results"] for each in report["judgements"] if not each["embargo"]}
    closing, recurring = judged["closed_within_30d"], judged["recurs_within_90d"]
    assert closing["model"]["auc_value"] > 0.80
    assert closing["model"]["auc_value"] > closing["category rate"]["auc_value"]
    assert closing["model"]["brier"] < closing["category rate"]["brier"]
    assert closing["model"]["ece"] < closing["category rate"]["ece"]
    assert recurring["model"]["auc_value"] > recurring["prior count"]["auc_value"]
    assert {each["target"]: each["undecided"] for each in report["judgements"]} == {
        "closed_within_30d": 624,
        "recurs_within_90d": 0,
    }
    assert report["servable"] == {}
    assert "no category is mapped" in (tmp_path / "out" / "report.md").read_text()
