"""All kinds of configuration files, and the check of some files or of the whole tree."""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from aam.configuration.environment import check_environment
from aam.configuration.findings import Finding
from aam.configuration.kinds import ConfigurationKind
from core.settings import ROOT

MODULES = (
    "aam.configuration.serve_config",
    "aam.configuration.cluster_config",
    "aam.configuration.kuberay",
    "aam.configuration.cloudformation",
    "aam.configuration.cloudformation_parameters",
    "aam.configuration.dockerfile",
    "aam.configuration.workflows",
    "aam.configuration.prices_file",
    "aam.configuration.collector",
    "aam.configuration.prometheus_rules",
    "aam.configuration.compose",
)
"""Each has `KINDS`, a tuple of `ConfigurationKind`."""


def kinds() -> tuple[ConfigurationKind, ...]:
    """Every kind, from every module."""
    return tuple(kind for name in MODULES for kind in importlib.import_module(name).KINDS)


def check_files(files: Sequence[Path]) -> Iterator[Finding]:
    """What is wrong with these files."""
    known = kinds()
    for path in files:
        of_kind = [kind for kind in known if kind.matches(path)]
        if not of_kind:
            patterns = ", ".join(pattern for kind in known for pattern in kind.patterns)
            yield Finding(path, "", f"is of no kind that is checked here; those are {patterns}")
        for kind in of_kind:
            yield from kind.examine(path)


def check_tree(root: Path = ROOT) -> Iterator[Finding]:
    """What is wrong with the tree's files, and with the `AAM_` variables of this environment."""
    yield from check_environment()
    for kind in kinds():
        files = list(kind.files(root))
        if kind.required and not files:
            yield Finding(root / kind.patterns[0], "", f"is missing; it is the {kind.name}")
        for path in files:
            yield from kind.examine(path)
