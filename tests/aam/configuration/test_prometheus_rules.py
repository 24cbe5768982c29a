"""The alert rules are sound, and a misspelled key or a name of nothing is found without Prometheus."""

from pathlib import Path

import pytest

from aam.configuration import prometheus_rules
from aam.configuration.prometheus_rule_tests import check_tests
from aam.configuration.prometheus_rules import KINDS, check
from core.settings import ROOT

FOLDER = ROOT / "deploy" / "observability"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_in_the_tree_is_sound(kind: prometheus_rules.ConfigurationKind) -> None:
    files = list(kind.files(ROOT))
    assert len(files) == 1
    assert [str(each) for each in kind.examine(files[0])] == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("groups:", "group:", "did you mean 'groups'"),
        ("expr: >-", "exp: >-", "did you mean 'expr'"),
        ("for: 5m", "fro: 5m", "did you mean 'for'"),
        ("for: 5m", "for: five minutes", "is no duration"),
        ("severity: page", "severity: pgae", "did you mean 'page'"),
        ("severity: page", "severty: page", "did you mean 'severity'"),
        ("summary: >-", "sumary: >-", "did you mean 'summary'"),
        ("docs/runbooks/roll-back.md", "docs/runbooks/rollback.md", "did you mean 'docs/runbooks/roll-back.md'"),
        ("ray_aam_queue_age_seconds", "ray_aam_queue_age_second", "did you mean 'ray_aam_queue_age_seconds'"),
        ("max by (system)", "max by (sytem)", "did you mean 'system'"),
        ("$labels.system", "$labels.systm", "did you mean 'system'"),
        ("alert: QueueAge", "alert: DeadLetters", "stands twice"),
        ("status_code!=", "status!=", "did you mean 'status_code'"),
        ("expr: >-\n          max (ray_aam_dead_letters) > 0", "expr: 1 > 0", "is a number"),
        ("max (ray_aam_dead_letters) > 0", "max (ray_aam_dead_letters > 0", "expected"),
    ],
)
def test_what_is_wrong_is_found(old: str, new: str, expected: str, tmp_path: Path) -> None:
    text = (FOLDER / "alerts.yaml").read_text()
    assert old in text
    path = tmp_path / "alerts.yaml"
    path.write_text(text.replace(old, new, 1))
    findings = [str(each) for each in check(path)]
    assert any(expected in each for each in findings), findings


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("evaluation_interval", "evaluation_intervall", "did you mean 'evaluation_interval'"),
        ("input_series", "input_serie", "did you mean 'input_series'"),
        ("exp_alerts: []", "exp_alert: []", "did you mean 'exp_alerts'"),
        ("alertname: QueueAge", "alertname: QueueAges", "did you mean 'QueueAge'"),
        ("ray_aam_dead_letters{", "ray_aam_dead_letter{", "did you mean 'ray_aam_dead_letters'"),
    ],
)
def test_what_is_wrong_with_the_tests_is_found(old: str, new: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text((FOLDER / "alerts.yaml").read_text())
    text = (FOLDER / "alerts_test.yaml").read_text()
    assert old in text
    path = tmp_path / "alerts_test.yaml"
    path.write_text(text.replace(old, new, 1))
    findings = [str(each) for each in check_tests(path)]
    assert any(expected in each for each in findings), findings


def test_an_alert_that_is_never_tried_is_found(tmp_path: Path) -> None:
    text = (FOLDER / "alerts.yaml").read_text()
    (tmp_path / "alerts.yaml").write_text(text.replace("alert: QueueAge", "alert: QueueAged"))
    path = tmp_path / "alerts_test.yaml"
    path.write_text((FOLDER / "alerts_test.yaml").read_text())
    findings = [str(each) for each in check_tests(path)]
    assert any("never has QueueAged fire" in each for each in findings)
    assert any("never has QueueAged rest" in each for each in findings)
