"""The Dockerfile is sound, and what must not be in it is found."""

from pathlib import Path

import pytest

from aam.configuration import dockerfile
from aam.configuration.dockerfile import check, hadolint
from core.settings import ROOT

FILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture(autouse=True)
def with_hadolint() -> None:
    program = hadolint()
    if program is None:
        pytest.skip("hadolint is not installed")


def test_what_is_in_the_tree_is_sound() -> None:
    assert [str(each) for each in check(FILE)] == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("RUN groupadd", "RNU groupadd", "RNU"),
        ("wget=1.21.3-1+deb12u1", "wget", "DL3008"),
        ("BASE=python:3.11.11-slim-bookworm", "BASE=python:latest", "is not pinned"),
        ("USER 10001:10001", "USER aam", "give USER two numbers"),
        ("COPY --from=packages", "COPY --from=pakages", "'pakages'"),
        ("wget=1.21.3-1+deb12u1", "gcc=4:12.2.0-3", "in the last stage"),
        ("USER 10001:10001", "USER 10001:10001\nHEALTHCHECK CMD wget -q localhost", "HEALTHCHECK is not used here"),
        ('CMD ["python", "-m"', "CMD python -m", "DL3025"),
    ],
)
def test_what_is_wrong_is_found(old: str, new: str, expected: str, tmp_path: Path) -> None:
    text = FILE.read_text()
    assert old in text
    path = tmp_path / "Dockerfile"
    path.write_text(text.replace(old, new))
    findings = [str(each) for each in check(path)]
    assert any(expected in each for each in findings), findings


def test_without_hadolint_the_check_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dockerfile, "hadolint", lambda: None)
    assert [each.message for each in check(FILE)] == [dockerfile.MISSING]
