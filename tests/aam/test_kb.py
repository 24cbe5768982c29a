"""`aam kb` on a copy of the project's documents."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from aam import artefacts
from aam.__main__ import main
from adapters.artefacts import BuildReport
from core.settings import load_settings
from kb.reader import DOCUMENTS

ON = ("--on", "2026-07-01")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DOCUMENTS, tmp_path / "documents"))


def test_sound_documents_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kb", "check", "--folder", str(folder), *ON]) == 0
    assert "0 errors" in capsys.readouterr().out


def test_an_error_is_told_with_its_line_and_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pets = folder / "pets.md"
    pets.write_text(pets.read_text().replace("owner:", "colour: red\nowner:", 1))
    line = pets.read_text().splitlines().index("colour: red") + 1
    assert main(["kb", "check", "--folder", str(folder), *ON]) == 1
    told = capsys.readouterr().out
    assert f"error: pets.md:{line}: " in told
    assert "[schema]" in told
    assert main(["kb", "check", "--folder", str(folder), "--json", *ON]) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert (finding["code"], finding["severity"], finding["line"]) == ("schema", "error", line)


def test_a_warning_does_not_fail(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pets = folder / "pets.md"
    pets.write_text(pets.read_text().replace("owner:", "effective_to: 2026-06-30\nowner:", 1))
    assert main(["kb", "check", "--folder", str(folder), *ON]) == 0
    assert "warning: pets:" in capsys.readouterr().out


def test_the_list_has_a_line_for_each_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kb", "list", "--folder", str(folder), *ON]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["ID", "KIND", "VERSION", "BUILDING"]
    assert len(rows) == len(list(folder.glob("*.md")))
    (row,) = [row for row in rows if row.startswith("amenity-hours-building-b ")]
    assert row.split()[1:6] == ["information", "1", "B", "2026-01-01", "-"]


def test_a_document_shows_what_it_decides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kb", "show", "approval-limits", "--folder", str(folder), *ON]) == 0
    told = capsys.readouterr().out
    assert "in force on 2026-07-01" in told
    assert yaml.safe_load(told)["rules"]["approvals"]["limits"]["Low"]["automatic"] == 150
    assert main(["kb", "show", "learning-from-outcomes", "--folder", str(folder), *ON]) == 0
    assert "decides nothing by rule" in capsys.readouterr().out


def test_an_unknown_document_or_folder_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kb", "show", "nothing", "--folder", str(folder)]) == 1
    assert "No document has the id nothing" in capsys.readouterr().err
    assert main(["kb", "check", "--folder", str(folder / "none")]) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_build_makes_the_index_and_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(folder: Path, scratch: Path) -> BuildReport:
        (scratch / "file").write_text(str(folder))
        return BuildReport(built_with={})

    made = tuple(artefacts.Recipe(name, lambda _: "i" * 64, make) for name in ("embedder", "text", "kb"))
    monkeypatch.setattr(artefacts, "recipes", lambda: made)
    monkeypatch.setenv("AAM_ARTEFACTS_DIR", str(tmp_path / "artefacts"))
    assert load_settings().artefacts_dir == tmp_path / "artefacts"
    assert main(["kb", "build"]) == 0
    assert sorted(path.name for path in (tmp_path / "artefacts").iterdir() if path.is_dir()) == ["embedder", "kb"]
