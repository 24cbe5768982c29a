"""Finds the line of a file at which something stands."""

import re
from functools import lru_cache
from typing import Any, cast

import yaml

from kb.reader import Document, Section

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HEAD = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)


def key_line(source: str, *path: str | int) -> int | None:
    """The line of a place of the front matter, or of the nearest place above it; None without front matter."""
    node = _front_matter(source)
    line: int | None = None
    for step in path:
        found = _step(node, step)
        if found is None:
            break
        line, node = found
    return line


def text_line(document: Document, section: Section, start: int = 0) -> int | None:
    """The line of the character at `start` of the section's text; of the heading where there is no text."""
    body = _HEAD.match(document.source)
    heading = re.compile(rf"^#+ +{re.escape(section.heading)} *$", re.MULTILINE)
    found = heading.search(document.source, body.end() if body else 0)
    if found is None:
        return None
    place = document.source.find(section.text, found.end()) + start if section.text else found.start()
    return document.source.count("\n", 0, place) + 1


@lru_cache(maxsize=256)
def _front_matter(source: str) -> Any:
    head = _HEAD.match(source)
    if head is None:
        return None
    compose: Any = cast(Any, yaml).compose
    try:
        return compose(head[1], Loader=_LOADER)
    except yaml.YAMLError:
        return None


def _step(node: Any, step: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        entries: list[tuple[Any, Any]] = node.value
        for key, value in entries:
            if key.value == str(step):
                return _file_line(key), value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return _file_line(item), item
    return None


def _file_line(node: Any) -> int:
    # Marks count from 0, and the first line of the file is the one of dashes.
    return int(node.start_mark.line) + 2
