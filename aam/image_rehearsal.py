"""Carries out a Dockerfile's steps in a clean folder, without Docker, so that what it says is known to work.

Each stage has a folder in the place of the image's root, and paths below `/opt` and `/var/lib/aam` mean that folder.
The base image is this machine's Python; what only a system's own packages can do is told and left out.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from aam.dockerfile import Copy, Instruction, Stage, parse_command, parse_copy, parse_pairs
from core.errors import ArtefactRefused, Unavailable

OF_THE_SYSTEM = ("apt-get", "groupadd", "useradd")
_INSIDE = re.compile(r"(?<![\w.])/(?:opt|var/lib/aam)\b")
_PASSED_ON = ("HOME", "LANG", "SSL_CERT_FILE", "TMPDIR", "http_proxy", "https_proxy", "no_proxy")


@dataclass
class Rehearsal:
    """The stages that were carried out so far."""

    root: Path
    """An empty folder."""
    context: Path
    """The tree that COPY copies from."""
    tell: Callable[[str], None] = print
    ignored: Sequence[str] = ()
    """The rules of `.dockerignore`."""
    folders: dict[str, Path] = field(default_factory=dict[str, Path])

    def carry_out(self, stage: Stage) -> None:
        """All instructions of a stage. Raises `Unavailable` for a command that fails."""
        folder = self.root / stage.name
        folder.mkdir(parents=True)
        self.folders[stage.name] = folder
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        environment["PATH"] = f"{Path(sys.base_prefix, 'bin')}:/usr/bin:/bin"
        work = folder
        for each in stage.instructions:
            if each.name == "WORKDIR":
                work = self._within(folder, each.value)
                work.mkdir(parents=True, exist_ok=True)
            elif each.name == "ENV":
                environment |= {name: inside(value, folder) for name, value in parse_pairs(each).items()}
            elif each.name == "COPY":
                self._copy(parse_copy(each), folder, work)
            elif each.name == "RUN":
                self._run(each, each.value, folder, work, environment)
            elif each.name == "CMD":
                self._run(each, " ".join(parse_command(each)), folder, work, environment)

    def _run(self, each: Instruction, command: str, folder: Path, work: Path, environment: dict[str, str]) -> None:
        if command.split()[0] in OF_THE_SYSTEM:
            self.tell(f"  line {each.line}: left out, a system's own: {command[:60]}")
            return
        self.tell(f"  line {each.line}: {command[:100]}")
        done = subprocess.run(["/bin/sh", "-c", inside(command, folder)], cwd=work, env=environment, check=False)
        if done.returncode:
            raise Unavailable(f"Line {each.line} ends with {done.returncode}: {command[:200]}")

    def _copy(self, copy: Copy, folder: Path, work: Path) -> None:
        origin = self.context if copy.stage is None else self.folders.get(copy.stage)
        if origin is None:
            raise ArtefactRefused(f"COPY --from={copy.stage}: there is no such stage before.")
        for source in copy.sources:
            found = self._within(origin, source)
            target = self._within(folder, copy.target) if copy.target.startswith("/") else work / copy.target
            if copy.stage is None and is_ignored(source, self.ignored):
                raise ArtefactRefused(f"COPY {source}: .dockerignore leaves it out.")
            if found.is_dir():
                shutil.copytree(found, target, symlinks=True, dirs_exist_ok=True, ignore=self._skipped)
            elif found.is_file():
                target = target / found.name if copy.target.endswith("/") else target
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target)
            else:
                raise ArtefactRefused(f"COPY {source}: there is no such file.")

    def _skipped(self, folder: str, names: list[str]) -> set[str]:
        if not Path(folder).is_relative_to(self.context):
            return set()
        return {name for name in names if name == "__pycache__" or name.startswith(".") or name.endswith(".pyc")}

    def _within(self, folder: Path, path: str) -> Path:
        return folder / path.lstrip("/")


def inside(text: str, folder: Path) -> str:
    """The text with the image's own paths moved below the folder."""
    return _INSIDE.sub(lambda found: f"{folder}{found[0]}", text)


def is_ignored(source: str, rules: Sequence[str]) -> bool:
    """Whether `.dockerignore` leaves a path out; the last rule that fits decides."""
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        if pattern == "**" or fnmatch(source, pattern) or source.startswith(f"{pattern}/"):
            ignored = not rule.startswith("!")
    return ignored


def read_rules(path: Path) -> list[str]:
    """Of a `.dockerignore`."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
