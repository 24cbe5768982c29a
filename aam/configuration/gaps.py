"""Gaps in a configuration file, `${NAME}`, which the environment fills before it is used."""

import re
from collections.abc import Mapping
from pathlib import Path

from aam.configuration.documents import read_text
from aam.configuration.findings import Finding, Unreadable

GAP = re.compile(r"\$\{[A-Z][A-Z0-9_]{1,80}\}")


def fill(path: Path, environment: Mapping[str, str]) -> str:
    """The file's text with each gap filled, comments too. Raises `Unreadable` with what is not set."""
    text = read_text(path)
    wanted = sorted({gap[2:-1] for line in text.splitlines() for gap in GAP.findall(line.partition("# ")[0])})
    missing = [name for name in wanted if not environment.get(name)]
    if missing:
        raise Unreadable(Finding(path, "", f"needs the environment variables {', '.join(missing)}; set them"))
    return GAP.sub(lambda gap: environment.get(gap[0][2:-1], gap[0]), text)
