"""Renders kustomizations that use resources, a namespace and JSON patches, and refuses whatever names nothing.

`kubectl kustomize` renders the same; this is so that the files can be checked where there is no kubectl.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from aam.configuration.documents import read_documents, read_mapping
from aam.configuration.findings import Finding, Unreadable, unknown, within

FILE = "kustomization.yaml"
_KEYS = ("apiVersion", "kind", "namespace", "resources", "patches")
_PATCH_KEYS = ("path", "target")
_TARGET_KEYS = ("group", "version", "kind", "name")
_OF_NO_NAMESPACE = ("Namespace",)
_OPERATIONS = ("add", "replace", "remove", "test")


@dataclass
class Rendering:
    """What a kustomization makes."""

    objects: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    findings: list[Finding] = field(default_factory=list[Finding])


def render(path: Path) -> Rendering:
    """The objects of a `kustomization.yaml`, with what is wrong with it and with its patches."""
    made = Rendering()
    try:
        given = read_mapping(path)
    except Unreadable as problem:
        made.findings.append(problem.finding)
        return made
    made.findings += [Finding(path, key, unknown(key, _KEYS)) for key in given if key not in _KEYS]
    for number, name in enumerate(given.get("resources") or []):
        _take(made, path, within("resources", number), path.parent / str(name))
    for number, patch in enumerate(given.get("patches") or []):
        made.findings += _apply(made.objects, path, within("patches", number), patch)
    namespace = given.get("namespace")
    for each in made.objects if namespace else ():
        if each.get("kind") not in _OF_NO_NAMESPACE:
            each.setdefault("metadata", {})["namespace"] = namespace
    return made


def _take(made: Rendering, path: Path, place: str, resource: Path) -> None:
    if (resource / FILE).is_file():
        below = render(resource / FILE)
        made.objects += below.objects
        made.findings += below.findings
        return
    try:
        documents = read_documents(resource)
    except Unreadable as problem:
        made.findings.append(problem.finding if resource.exists() else Finding(path, place, f"no file {resource.name}"))
        return
    for document in documents:
        if isinstance(document, dict):
            # A copy, since what stands behind an anchor is one object in several places.
            made.objects.append(_separated(document))
        else:
            made.findings.append(Finding(resource, "", "holds something that is no object of Kubernetes"))


def _separated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _separated(inner) for key, inner in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_separated(inner) for inner in cast(list[Any], value)]
    return value


def _apply(objects: list[dict[str, Any]], path: Path, place: str, patch: Any) -> Iterator[Finding]:
    if not isinstance(patch, dict):
        yield Finding(path, place, "must be a mapping of path and target")
        return
    given = cast(dict[str, Any], patch)
    wanted = cast(dict[str, Any], given.get("target") or {})
    for holder, keys, at in ((given, _PATCH_KEYS, place), (wanted, _TARGET_KEYS, within(place, "target"))):
        yield from (Finding(path, within(at, key), unknown(key, keys)) for key in holder if key not in keys)
    targets = [each for each in objects if _is(each, wanted)]
    if not wanted or not targets:
        known = [f"{each.get('kind')} {_name(each)}" for each in objects]
        name = f"{wanted.get('kind')} {wanted.get('name')}"
        yield Finding(path, within(place, "target"), unknown(name, known, "object"))
        return
    file = path.parent / str(given.get("path"))
    try:
        operations = [each for document in read_documents(file) for each in cast(list[Any], document)]
    except Unreadable as problem:
        yield problem.finding
        return
    for target in targets:
        for number, operation in enumerate(operations):
            problem = _operate(target, operation)
            if problem:
                yield Finding(file, f"[{number}]", f"{_name(target)}: {problem}")


def _is(each: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    group, _, version = str(each.get("apiVersion")).rpartition("/")
    own = {"group": group, "version": version, "kind": each.get("kind"), "name": _name(each)}
    return all(own.get(key) == value for key, value in wanted.items())


def _name(each: Mapping[str, Any]) -> str:
    return str(cast(Mapping[str, Any], each.get("metadata") or {}).get("name"))


def _operate(target: dict[str, Any], operation: Any) -> str | None:
    """Carry out one operation of RFC 6902; what is wrong with it, if anything."""
    if not isinstance(operation, dict) or operation.get("op") not in _OPERATIONS:  # pyright: ignore[reportUnknownMemberType]
        return f"op must be one of {', '.join(_OPERATIONS)}"
    given = cast(dict[str, Any], operation)
    strange = [key for key in given if key not in ("op", "path", "value")]
    if strange:
        return unknown(strange[0], ("op", "path", "value"))
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in str(given.get("path", "")).split("/")[1:]]
    holder: Any = target
    for part in parents:
        holder = _child(holder, part)
        if holder is None:
            return f"there is no {given['path']}; the patch names nothing"
    if given["op"] == "add":
        return _add(holder, last, given)
    if _child(holder, last) is None:
        return f"there is no {given['path']}; the patch names nothing"
    key: Any = int(last) if isinstance(holder, list) else last
    if given["op"] == "test":
        return None if holder[key] == given.get("value") else f"{given['path']} is {holder[key]!r}, not what it says"
    if given["op"] == "replace":
        holder[key] = copy.deepcopy(given.get("value"))
    else:
        del holder[key]
    return None


def _add(holder: Any, last: str, given: Mapping[str, Any]) -> str | None:
    value = copy.deepcopy(given.get("value"))
    if isinstance(holder, dict):
        holder[last] = value
    elif isinstance(holder, list):
        entries = cast(list[Any], holder)
        entries.insert(len(entries) if last == "-" else int(last), value)
    else:
        return f"there is nothing to add {given['path']} to"
    return None


def _child(holder: Any, part: str) -> Any:
    if isinstance(holder, dict):
        return cast(dict[str, Any], holder).get(part)
    if isinstance(holder, list) and part.isdigit() and int(part) < len(cast(list[Any], holder)):
        return cast(list[Any], holder)[int(part)]
    return None
