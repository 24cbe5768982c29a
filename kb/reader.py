"""Reads the documents: typed front matter, and the sections below it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from core.errors import ArtefactRefused
from core.rules import FrontMatter

DOCUMENTS = Path(__file__).parent / "documents"
# The parser in C is ten times as fast; wheels for some platforms come without it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HEAD = re.compile(r"\A---\n(.*?\n)---\n(.*)\Z", re.DOTALL)
_HEADING = re.compile(r"^(#{1,4}) +(.+?) *$")


@dataclass(frozen=True)
class Section:
    """One heading of a document with the text that follows it, up to the next heading."""

    heading: str
    path: tuple[str, ...]
    """The headings from the title down to this one."""
    text: str


@dataclass(frozen=True)
class Document:
    """A document as it stands on disk."""

    path: Path
    source: str
    front: FrontMatter
    sections: tuple[Section, ...]

    def section(self, heading: str) -> Section | None:
        """The section with this heading, or None."""
        return next((section for section in self.sections if section.heading == heading), None)


class DocumentFault(ArtefactRefused):
    """A document that can't be read; the text names the file and what is wrong."""

    code = "document_fault"


def read_document(path: Path) -> Document:
    """The document in this file. Raises `DocumentFault`."""
    source = path.read_text(encoding="utf-8")
    match = _HEAD.match(source)
    if match is None:
        raise DocumentFault(f"{path.name}: there is no front matter between two lines of ---.")
    head, body = match.groups()
    return Document(path, source, _front_matter(path, head), tuple(_sections(body)))


def read_documents(folder: Path = DOCUMENTS) -> list[Document]:
    """Every document of the folder, in the order of file names. Raises `DocumentFault` for one that can't be read."""
    return [read_document(path) for path in sorted(folder.glob("*.md"))]


def _front_matter(path: Path, head: str) -> FrontMatter:
    try:
        loaded: Any = yaml.load(head, Loader=_LOADER)
        return FrontMatter.model_validate(loaded)
    except yaml.YAMLError as error:
        raise DocumentFault(f"{path.name}: the front matter is not YAML: {error}") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise DocumentFault(f"{path.name}: {faults}") from None


def _sections(body: str) -> list[Section]:
    found: list[Section] = []
    path: list[str] = []
    lines: list[str] = []

    def close() -> None:
        text = "\n".join(lines).strip()
        if path:
            found.append(Section(path[-1], tuple(path), text))
        lines.clear()

    for line in body.splitlines():
        heading = _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        close()
        depth = len(heading[1])
        path[:] = [*path[: depth - 1], heading[2]]
    close()
    return found
