"""Reads the life-safety rules from their YAML file."""

from pathlib import Path
from typing import Any, cast

import yaml

from core.errors import ArtefactRefused


def read_safety_rules(path: Path) -> dict[str, Any]:
    """The file's content as plain data, for `SafetyScreen.from_rules`. Raises `ArtefactRefused`."""
    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtefactRefused(f"There are no safety rules in {path}.") from None
    except yaml.YAMLError as problem:
        raise ArtefactRefused(f"{path} is not valid YAML: {problem}") from problem
    if not isinstance(content, dict):
        raise ArtefactRefused(f"{path} must hold a mapping.")
    return cast(dict[str, Any], content)
