"""Checks the parameters of each environment against the templates that take them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from aam.configuration.cloudformation_templates import siblings_of
from aam.configuration.findings import Finding, Unreadable, unknown, within
from aam.configuration.kinds import ConfigurationKind


def read_parameters(path: Path) -> Any:
    """The file's JSON. Raises `Unreadable`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise Unreadable(Finding(path, "", f"is no JSON that can be read: {problem}")) from None


def check(path: Path, document: Any = None) -> list[Finding]:
    """What is wrong with a file of parameters; `document` is what `read_parameters` made of it."""
    try:
        found = read_parameters(path) if document is None else document
    except Unreadable as problem:
        return [problem.finding]
    whole = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    given: Any = whole.get("Parameters")
    if not isinstance(given, dict) or set(whole) != {"Parameters"}:
        return [Finding(path, "", 'must be {"Parameters": {...}} and nothing else')]
    return list(_faults(path, cast(dict[str, Any], given)))


def _faults(path: Path, given: Mapping[str, Any]) -> Iterator[Finding]:
    declared = _declared(path)
    for name, value in given.items():
        place = within("Parameters", name)
        if name not in declared:
            yield Finding(path, place, unknown(name, declared, "parameter"))
        elif not isinstance(value, str):
            yield Finding(path, place, "must be a text in quotes; CloudFormation takes no other")
        else:
            yield from (Finding(path, place, fault) for fault in _misfits(value, declared[name]))
    for name, declaration in declared.items():
        if name not in given and "Default" not in declaration:
            yield Finding(path, within("Parameters", name), "is missing; the template has no default for it")
    environment = given.get("Environment")
    if environment not in (None, path.stem):
        yield Finding(path, "Parameters.Environment", f"is {environment!r} in the file of {path.stem!r}")


def _declared(path: Path) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for template in siblings_of(path.parent.parent / "any.yaml").values():
        found |= cast(dict[str, Mapping[str, Any]], template.get("Parameters") or {})
    return found


def _misfits(value: str, declaration: Mapping[str, Any]) -> Iterator[str]:
    allowed = [str(each) for each in declaration.get("AllowedValues", ())]
    if allowed and value not in allowed:
        yield f"is {value!r}; it must be one of {', '.join(allowed)}"
    pattern = declaration.get("AllowedPattern")
    if pattern is not None and re.fullmatch(pattern, value) is None:
        yield f"is {value!r}, which does not match {pattern}"
    if declaration["Type"] == "Number":
        yield from _number_misfits(value, declaration)


def _number_misfits(value: str, declaration: Mapping[str, Any]) -> Iterator[str]:
    if re.fullmatch(r"-?\d+(\.\d+)?", value) is None:
        yield f"is {value!r}, which is no number"
        return
    low, high = declaration.get("MinValue", float("-inf")), declaration.get("MaxValue", float("inf"))
    if not low <= float(value) <= high:
        yield f"is {value}; it must lie between {low} and {high}"


KINDS = (
    ConfigurationKind("parameters of the stacks", ("deploy/aws/parameters/*.json",), read_parameters, check, True),
)
