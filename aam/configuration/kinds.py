"""A kind of configuration file: which files are of it, how they are read, and who checks them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aam.configuration.findings import Finding, Unreadable


@dataclass(frozen=True)
class ConfigurationKind:
    """What the registry knows of a kind of file; each checking module has one of these, or several."""

    name: str
    patterns: tuple[str, ...]
    """Globs from the tree's root, such as `deploy/aws/*.yaml`; a file elsewhere is known by its last parts."""
    read: Callable[[Path], Any]
    """The document of a file. Raises `Unreadable`."""
    check: Callable[[Path, Any], list[Finding]]
    """What is wrong with a file that could be read."""
    required: bool = False
    """Whether a tree without such a file is a finding."""

    def matches(self, path: Path) -> bool:
        """Whether this file is of this kind."""
        return any(path.resolve().match(pattern) for pattern in self.patterns)

    def files(self, root: Path) -> Iterator[Path]:
        """Those of the tree."""
        yield from sorted({path for pattern in self.patterns for path in root.glob(pattern) if path.is_file()})

    def examine(self, path: Path) -> list[Finding]:
        """Read and check one file."""
        try:
            document = self.read(path)
        except Unreadable as problem:
            return [problem.finding]
        return self.check(path, document)
