"""The environment's variables: unknown names, values that don't fit, and secrets that nobody set."""

import os
from pathlib import Path

import pytest

from aam.configuration.environment import check_environment
from core.settings import ROOT


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("AAM_"):
            monkeypatch.delenv(name)


def findings() -> list[str]:
    return [str(each) for each in check_environment()]


def test_an_empty_environment_is_sound() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"AAM_STROE": "sqlite"}, "environment: AAM_STROE: unknown variable 'AAM_STROE'; did you mean 'AAM_STORE'?"),
        ({"aam_stroe": "sqlite"}, "aam_stroe"),
        ({"AAM_STORE": "postgres"}, "AAM_STORE"),
        ({"AAM_ASSESS_TIMEOUT_S": "soon"}, "AAM_ASSESS_TIMEOUT_S"),
        ({"AAM_CORS_ORIGINS": "https://a.example"}, "write a list as JSON"),
        ({"AAM_ENVIRONMENT": "production"}, "set AAM_AUTH_MODE=oidc"),
        ({"AAM_AUTH_MODE": "oidc"}, "needs AAM_OIDC_ISSUER"),
        ({"AAM_SYSTEMS_FILE": "no/such.yaml"}, "AAM_SYSTEMS_FILE"),
    ],
)
def test_what_is_wrong_is_named(variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert any(expected in each for each in findings()), findings()


def test_a_secret_of_an_outside_system_that_nobody_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "systems.example.yaml").read_text()
    (tmp_path / "systems.yaml").write_text(text)
    monkeypatch.setenv("AAM_SYSTEMS_FILE", str(tmp_path / "systems.yaml"))
    found = findings()
    assert len(found) == 1
    assert "needs the environment variables ATLAS_CALLBACK_SECRET, ATLAS_PASSWORD" in found[0]


def test_part_of_a_known_word_of_the_systems_file_is_no_known_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "systems.yaml").write_text("# AAM_COURIER_SECRET\n")
    monkeypatch.setenv("AAM_SYSTEMS_FILE", str(tmp_path / "systems.yaml"))
    monkeypatch.setenv("AAM_COURIER_SECRE", "x")
    assert any("'AAM_COURIER_SECRE'" in each for each in findings())
    monkeypatch.setenv("AAM_COURIER_SECRET", "x")
    assert not any("'AAM_COURIER_SECRET'" in each for each in findings())
