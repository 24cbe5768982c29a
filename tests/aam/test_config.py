"""`aam config`: what it prints, and the exit status that `make` and the deployment go by."""

import os
import shutil
from pathlib import Path

import pytest

from aam.__main__ import main
from aam.configuration import registry
from aam.configuration.registry import check_tree
from core.settings import ROOT


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("AAM_", "NODE_")):
            monkeypatch.delenv(name)


def check(*arguments: str | Path) -> int:
    return main(["config", *map(str, arguments)])


def test_a_sound_file_gives_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("check", ROOT / "cluster.yaml") == 0
    assert "Nothing is wrong." in capsys.readouterr().out


def test_a_typo_gives_1_and_a_line_with_place_and_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    path = tmp_path / "cluster.yaml"
    path.write_text((ROOT / "cluster.yaml").read_text().replace("upscaling_speed", "upscaling_sped"))
    assert check("check", path) == 1
    assert f"{path}: upscaling_sped: unknown key 'upscaling_sped'; did you mean 'upscaling_speed'?" in (
        capsys.readouterr().out.splitlines()
    )


def test_a_file_of_no_kind_and_one_that_is_missing_give_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("check", tmp_path / "notes.txt") == 1
    assert "is of no kind that is checked here" in capsys.readouterr().out
    assert check("check", tmp_path / "cluster.yaml") == 1
    assert "can't be read (No such file or directory)" in capsys.readouterr().out


def test_a_tree_without_its_files_says_which(tmp_path: Path) -> None:
    found = [str(each) for each in check_tree(tmp_path)]
    for name in ("serve_config*.yaml", "cluster*.yaml", "deploy/Dockerfile"):
        assert any(name in each and "is missing" in each for each in found), found


def test_an_unknown_variable_gives_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(registry, "kinds", lambda: ())
    assert check("check") == 0
    monkeypatch.setenv("AAM_STROE", "sqlite")
    assert check("check") == 1
    assert "did you mean 'AAM_STORE'?" in capsys.readouterr().out


def test_fill_prints_the_file_or_says_what_is_not_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("image: ${NODE_IMAGE}\n")
    assert check("fill", path) == 1
    assert "needs the environment variables NODE_IMAGE; set them" in capsys.readouterr().err
    monkeypatch.setenv("NODE_IMAGE", "i")
    assert check("fill", path) == 0
    assert capsys.readouterr().out == "image: i\n"


def test_all_files_of_the_tree_belong_to_kinds_that_find_them() -> None:
    for kind in registry.kinds():
        assert not kind.required or list(kind.files(ROOT)), kind.name
