"""Checks CloudFormation templates: each by cfn-lint against AWS's own schemas, and what one imports from another."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

from aam.configuration.cloudformation_templates import (
    Template,
    exports_of,
    imports_of,
    read_template,
    siblings_of,
    stack_parameter_of,
)
from aam.configuration.findings import Finding, Unreadable, unknown
from aam.configuration.kinds import ConfigurationKind

REGIONS = ["us-east-1"]
MISSING = "can't be checked without cfn-lint; `python -m pip install -c constraints.txt cfn-lint` brings it"


def check(path: Path, document: Template | None = None) -> list[Finding]:
    """What is wrong with a template; `document` is what `read_template` made of it."""
    try:
        template = read_template(path) if document is None else document
    except Unreadable as problem:
        return [problem.finding]
    return [*_lint(path), *_unknown_imports(path, template)]


def _lint(path: Path) -> Iterator[Finding]:
    try:
        from cfnlint.decode import decode
    except ImportError:
        yield Finding(path, "", MISSING)
        return
    template, problems = cast(tuple[Any, list[Any]], cast(Any, decode)(str(path)))
    for match in problems or _linter().validate_template(template):
        place = ".".join(map(str, getattr(match, "path", None) or ())) or f"line {match.linenumber}"
        yield Finding(path, place, f"{match.message} ({match.rule.id}, line {match.linenumber})")


@cache
def _linter() -> Any:
    """Its several hundred rules are loaded once, which takes longer than a template."""
    from cfnlint.config import ConfigMixIn
    from cfnlint.runner import Runner

    # Without arguments of its own it would read this process's.
    return Runner(ConfigMixIn([], regions=REGIONS))


def _unknown_imports(path: Path, template: Template) -> Iterator[Finding]:
    """cfn-lint sees one template; that a name is exported by another it can't know."""
    exported = {parameter: exports_of(other) for parameter, other in siblings_of(path).items()}
    for place, parameter, name in imports_of(template):
        if parameter not in exported:
            known = {stack_parameter_of(other) for other in path.parent.glob("*.yaml")}
            yield Finding(path, place, unknown(parameter, known, "stack"))
        elif name not in exported[parameter]:
            yield Finding(path, place, unknown(name, exported[parameter], f"export of {parameter}"))


KINDS = (ConfigurationKind("stacks of CloudFormation", ("deploy/aws/*.yaml",), read_template, check, required=True),)
