"""Reads a Dockerfile: its stages, and in each the instructions in their order."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import ArtefactRefused

_KNOWN = ("ARG", "CMD", "COPY", "ENV", "ENTRYPOINT", "LABEL", "RUN", "USER", "WORKDIR")
_FROM = re.compile(r"(?P<base>\S+)(?:\s+AS\s+(?P<name>[a-z][a-z0-9_-]*))?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined."""

    name: str
    value: str
    line: int


@dataclass(frozen=True)
class Copy:
    """What a COPY copies."""

    sources: tuple[str, ...]
    target: str
    stage: str | None
    """The stage that it copies from; None for the sources' tree."""


@dataclass
class Stage:
    """What follows one FROM."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list[Instruction])

    def all(self, name: str) -> list[Instruction]:
        """Those of this name."""
        return [each for each in self.instructions if each.name == name]


def read_stages(path: Path) -> list[Stage]:
    """The stages of a file. Raises `ArtefactRefused` for an instruction that is not known here."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for each in _instructions(path.read_text(encoding="utf-8")):
        if each.name == "FROM":
            stages.append(_stage(each, arguments, path, len(stages)))
        elif each.name not in _KNOWN:
            raise ArtefactRefused(f"{path}, line {each.line}: {each.name} is not used here; take it out.")
        elif stages:
            stages[-1].instructions.append(each)
        else:
            name, _, value = each.value.partition("=")
            arguments[name] = value
    if not stages:
        raise ArtefactRefused(f"{path} has no FROM; it makes no image.")
    return stages


def parse_copy(instruction: Instruction) -> Copy:
    """Of a COPY."""
    words = shlex.split(instruction.value)
    stage = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), None)
    *sources, target = [word for word in words if not word.startswith("--")]
    return Copy(tuple(sources), target, stage)


def parse_pairs(instruction: Instruction) -> Mapping[str, str]:
    """Of an ENV or LABEL with `name=value` pairs."""
    return dict(word.split("=", 1) for word in shlex.split(instruction.value) if "=" in word)


def parse_command(instruction: Instruction) -> list[str]:
    """Of a CMD in JSON's form. Raises `ArtefactRefused` for one in a shell's."""
    try:
        return [str(word) for word in json.loads(instruction.value)]
    except ValueError:
        raise ArtefactRefused(f"Line {instruction.line}: write {instruction.name} as a JSON list.") from None


def _instructions(text: str) -> list[Instruction]:
    found: list[Instruction] = []
    joined, began = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#") or not (joined or line.strip()):
            continue
        began = began or number
        if line.rstrip().endswith("\\"):
            joined += line.rstrip()[:-1].lstrip() if joined else line.rstrip()[:-1]
            continue
        name, _, value = (joined + (line.strip() if joined else line)).strip().partition(" ")
        found.append(Instruction(name.upper(), value.strip(), began))
        joined, began = "", 0
    return found


def _stage(instruction: Instruction, arguments: Mapping[str, str], path: Path, number: int) -> Stage:
    filled = _VARIABLE.sub(lambda gap: arguments.get(gap[1], gap[0]), instruction.value)
    match = _FROM.fullmatch(filled)
    if match is None or "${" in filled:
        raise ArtefactRefused(f"{path}, line {instruction.line}: FROM {filled} can't be read.")
    return Stage(match["name"] or str(number), match["base"])
