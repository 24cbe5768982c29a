"""Prometheus' own tool finds the alert rules sound, and has each fire and rest where it should."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from aam.configuration.registry import MODULES
from core.settings import ROOT, Settings

FOLDER = ROOT / "deploy" / "observability"


@pytest.fixture(scope="module")
def promtool() -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("there is no promtool; Debian's package prometheus and Homebrew's prometheus bring it")
    return program


def test_each_rule_fires_and_rests_where_it_should(promtool: str) -> None:
    done = _run(promtool, "test", "rules", FOLDER / "alerts_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [("> 120", "> 1e6"), ('turn="again"', 'turn="first"')],
)
def test_a_rule_that_is_wrong_fails_its_tests(promtool: str, old: str, new: str, tmp_path: Path) -> None:
    text = (FOLDER / "alerts.yaml").read_text()
    assert old in text
    (tmp_path / "alerts.yaml").write_text(text.replace(old, new))
    tests = shutil.copy(FOLDER / "alerts_test.yaml", tmp_path)
    done = _run(promtool, "test", "rules", Path(tests))
    assert done.returncode == 1
    assert "FAILED" in done.stdout + done.stderr


def test_promtool_refuses_a_misspelled_key(promtool: str, tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text((FOLDER / "alerts.yaml").read_text().replace("annotations:", "anotations:", 1))
    assert _run(promtool, "check", "rules", path).returncode == 1


def test_the_checker_of_the_tree_knows_of_the_rules() -> None:
    assert "aam.configuration.prometheus_rules" in MODULES


def test_what_the_rules_take_from_the_settings_is_still_so() -> None:
    """The texts name the defaults of these settings."""
    fields = Settings.model_fields
    summaries = {
        rule["alert"]: (rule["expr"], rule["annotations"]["summary"])
        for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
        for rule in group["rules"]
    }
    spend, text = summaries["LanguageModelSpend"]
    assert fields["gemini_usd_per_hour"].default == 1.0
    assert spend.endswith("> 0.8")
    assert "of the 1 dollar" in text
    assert fields["execution_horizon_s"].default == 86_400.0
    assert "after a day" in summaries["CircuitOpen"][1]


def _run(program: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
