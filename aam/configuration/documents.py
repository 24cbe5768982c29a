"""Reads configuration files; YAML strictly, so that a key that stands twice is refused."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, cast

import yaml

from aam.configuration.findings import Finding, Unreadable


class _StrictLoader(yaml.SafeLoader):
    """YAML's own rule, which PyYAML does not enforce: no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            # A merge stands once, too: give it a list.
            is_merge = key_node.tag.endswith(":merge")
            key = "<<" if is_merge else cast(object, self.construct_object(key_node, deep=True))  # pyright: ignore[reportUnknownMemberType]
            if key in seen:
                problem = f"the key {key!r} stands twice; take one out"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_text(path: Path) -> str:
    """The whole file. Raises `Unreadable`."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or type(problem).__name__
        raise Unreadable(Finding(path, "", f"can't be read ({reason}); give a file of UTF-8 text")) from None


def read_documents(path: Path) -> list[Any]:
    """The documents of a YAML file, those that are empty left out. Raises `Unreadable`."""
    text = read_text(path)
    try:
        documents = list(yaml.load_all(text, _StrictLoader))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        place = f"line {mark.line + 1}" if mark else ""
        raise Unreadable(Finding(path, place, f"is no valid YAML: {problem.problem}")) from None
    except yaml.YAMLError as problem:
        raise Unreadable(Finding(path, "", f"is no valid YAML: {problem}")) from None
    if any(_holds_itself(document, ()) for document in documents):
        raise Unreadable(Finding(path, "", "has an anchor that is used within itself; write it out"))
    return [document for document in documents if document is not None]


def _holds_itself(value: object, around: tuple[int, ...]) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = cast(dict[object, object], value).values() if isinstance(value, dict) else cast(list[object], value)
    own = id(cast(object, value))
    return own in around or any(_holds_itself(each, (*around, own)) for each in inner)


def read_mapping(path: Path) -> dict[str, Any]:
    """The single mapping of a YAML file. Raises `Unreadable`."""
    documents = read_documents(path)
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise Unreadable(Finding(path, "", "must hold one YAML mapping of keys and values"))
    return cast(dict[str, Any], documents[0])
