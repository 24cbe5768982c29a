"""What a check found: where it is, and what to do about it."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    path: Path
    """The file; `environment` for a variable."""
    place: str
    """Such as `applications[0].deployments[1].ray_actor_options`; empty for the file as a whole."""
    message: str
    """Says what to do."""

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.path), self.place, self.message) if part)


class Unreadable(Exception):
    """A file that can't be read or parsed."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


def within(place: str, key: str | int) -> str:
    """The place of a key of a mapping, or of an entry of a list."""
    if isinstance(key, int):
        return f"{place}[{key}]"
    return f"{place}.{key}" if place else key


def unknown(name: object, known: Iterable[str], what: str = "key") -> str:
    """The message for a name that nobody knows, with the known one that is most like it."""
    choices = sorted(known)
    near = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.6)
    if near:
        return f"unknown {what} {name!r}; did you mean {near[0]!r}?"
    return f"unknown {what} {name!r}; take it out, or use one of: {', '.join(choices[:12])}"
