"""`aam history import` and `aam models train` from the command line."""

from pathlib import Path

import pytest

from aam.__main__ import main

MAPPING = """
name: small
time_zone: UTC
columns: {id: id, created_at: made, closed_at: done, category: kind, text: words}
categories_not_listed: keep
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("AAM_ARTEFACTS_DIR", str(tmp_path / "artefacts"))
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path


def test_import_tells_what_became_of_the_rows(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = state / "export.csv"
    file.write_text("id,made,done,kind,words\n1,2024-01-01,2024-01-03,Leak,drip\n2,never,,Leak,private words\n")
    arguments = ["history", "import", "--mapping", str(state / "mapping.yaml"), str(file)]
    assert main(arguments) == 1
    assert "row 2, column made" in capsys.readouterr().err
    assert main([*arguments, "--max-bad-share", "0.5"]) == 0
    told = capsys.readouterr().out
    assert "2 rows: 1 added" in told
    assert "private" not in told


def test_training_without_a_history_says_so(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "train"]) == 1
    assert "Say which history" in capsys.readouterr().err
    assert main(["models", "train", "--history", "other"]) == 1
    assert "no history 'other'" in capsys.readouterr().err


def test_a_history_too_small_to_learn_from_yields_a_report_that_says_so(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = state / "export.csv"
    rows = [f"{day},2024-01-{day:02d},2024-01-{day + 1:02d},Leak,drip" for day in range(1, 25)]
    file.write_text("\n".join(["id,made,done,kind,words", *rows]) + "\n")
    assert main(["history", "import", "--mapping", str(state / "mapping.yaml"), str(file)]) == 0
    assert main(["models", "train", "--text", "none"]) == 0
    told = capsys.readouterr().out
    assert "## Not learned" in told
    assert "no category is mapped" in told
    assert (state / "artefacts" / "risk-operator" / "report.json").exists()
