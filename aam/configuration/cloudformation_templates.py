"""Reads CloudFormation's YAML, and tells what a template exports and imports.

A template `data.yaml` exports `<name of its stack>-RequestsTableArn`; another takes the name of that stack as its
parameter `DataStack` and imports `${DataStack}-RequestsTableArn`.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from aam.configuration.findings import Finding, Unreadable, within

Template = dict[str, Any]
_EXPORT = re.compile(r"^\$\{AWS::StackName\}-(\w+)$")
_IMPORT = re.compile(r"^\$\{(\w+Stack)\}-(\w+)$")


class _Loader(yaml.SafeLoader):
    """`!Ref` and its like in their long form."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(cast(yaml.MappingNode, node), deep=True)}


cast(Any, _Loader).add_multi_constructor("!", _long_form)


def read_template(path: Path) -> Template:
    """The template with `!Ref` and its like in their long form. Raises `Unreadable`."""
    try:
        found = _parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise Unreadable(Finding(path, "", f"can't be read ({type(problem).__name__})")) from None
    except yaml.MarkedYAMLError as problem:
        place = f"line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise Unreadable(Finding(path, place, f"is no valid YAML: {problem.problem}")) from None
    if not isinstance(found, dict) or "Resources" not in found:
        raise Unreadable(Finding(path, "", "must hold one template with `Resources`"))
    return cast(Template, found)


@cache
def _parse(text: str) -> object:
    # Each template is read once for itself and once for each that may import from it.
    return cast(object, yaml.load(text, _Loader))


def stack_parameter_of(path: Path) -> str:
    """The parameter by which others name the stack of this template."""
    return f"{path.stem.capitalize()}Stack"


def siblings_of(path: Path) -> Mapping[str, Template]:
    """The other templates of the folder by `stack_parameter_of`; what can't be read is told of where it is checked."""
    found: dict[str, Template] = {}
    for other in sorted(path.parent.glob("*.yaml")):
        try:
            found[stack_parameter_of(other)] = read_template(other)
        except Unreadable:
            continue
    return found


def exports_of(template: Template) -> frozenset[str]:
    """The names after the name of the stack."""
    outputs: Mapping[str, Any] = template.get("Outputs") or {}
    texts = (_substituted(output.get("Export", {}).get("Name")) for output in outputs.values())
    return frozenset(found[1] for text in texts if (found := _EXPORT.match(text)))


def imports_of(node: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """The place, the parameter that names the stack, and the name of each import."""
    if isinstance(node, list):
        for index, each in enumerate(cast(list[Any], node)):
            yield from imports_of(each, within(place, index))
    if not isinstance(node, dict):
        return
    for key, value in cast(dict[str, Any], node).items():
        if key != "Fn::ImportValue":
            yield from imports_of(value, within(place, key))
            continue
        found = _IMPORT.match(_substituted(value))
        yield (place, found[1], found[2]) if found else (place, str(value), "")


def _substituted(value: Any) -> str:
    """The text of a `!Sub`; nothing for anything else."""
    return str(cast(dict[str, Any], value).get("Fn::Sub", "")) if isinstance(value, dict) else ""
