"""The workflows are sound, and a misspelled key or a name of nothing is found."""

import shutil
import subprocess
from pathlib import Path

import pytest

from aam.configuration import workflows
from aam.configuration.workflows import check
from core.settings import ROOT

FOLDER = ROOT / ".github" / "workflows"
NAMES = ("ci.yaml", "deploy.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_in_the_tree_is_sound(name: str) -> None:
    assert [str(each) for each in check(FOLDER / name)] == []


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("ci.yaml", "runs-on:", "run-on:", "run-on"),
        ("ci.yaml", "pull_request:", "pull_requests:", "pull_requests"),
        ("ci.yaml", "- run: make lint", "- rnu: make lint", "rnu"),
        ("ci.yaml", "make types", "make typs", "did you mean 'types'"),
        ("ci.yaml", "contents: read", "contents: reed", "reed"),
        ("ci.yaml", "@0.28.0", "@main", "is not pinned"),
        ("ci.yaml", "timeout-minutes: 15", "timeout-minutes: soon", "soon"),
        ("deploy.yaml", "needs: checks", "needs: check", "did you mean 'checks'"),
        ("deploy.yaml", "needs.staging.outputs.image", "needs.staging.outputs.imgae", "has no output 'imgae'"),
        ("deploy.yaml", "${{ steps.push.outputs.image }}", "${{ steps.psh.outputs.image }}", "did you mean 'push'"),
        ("deploy.yaml", 'docker push "$REPOSITORY:$GITHUB_SHA"', "docker push ${{ github.ref }}", "pass it by env"),
        ("deploy.yaml", "id-token: write", "id-tokn: write", "id-tokn"),
    ],
)
def test_what_is_wrong_is_found(name: str, old: str, new: str, expected: str, tmp_path: Path) -> None:
    text = (FOLDER / name).read_text()
    assert old in text
    path = tmp_path / name
    path.write_text(text.replace(old, new))
    findings = [str(each) for each in check(path)]
    assert any(expected in each for each in findings), findings


def test_staging_comes_before_production_and_production_needs_an_environment() -> None:
    jobs = workflows.read_mapping(FOLDER / "deploy.yaml")["jobs"]
    assert jobs["staging"]["needs"] == "checks"
    assert jobs["production"]["needs"] == "staging"
    assert (jobs["staging"]["environment"], jobs["production"]["environment"]) == ("staging", "production")


def test_actionlint_finds_a_typo(tmp_path: Path) -> None:
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed")
    path = tmp_path / "ci.yaml"
    path.write_text((FOLDER / "ci.yaml").read_text().replace("github.ref", "github.reff"))
    assert subprocess.run([program, str(path)], check=False).returncode == 1
    assert any("actionlint" in each.message for each in check(path))
