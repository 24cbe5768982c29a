"""The documents of a folder as the check sees them: those that could be read, those that could not, and who holds."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from core.rules import DocumentRules, FrontMatter, OptionTemplate
from kb.asked import Asked, AskedFault, AskedQuestion, read_asked
from kb.check.finding import Finding, error
from kb.check.lines import key_line
from kb.compile import in_force
from kb.reader import Document, DocumentFault, read_document

Item = TypeVar("Item")
_HEAD = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Library:
    """Every document of one folder, on one day."""

    documents: tuple[Document, ...]
    day: date
    unread: tuple[str, ...] = ()
    """The sources of the files that could not be read. What they may state is not reported as missing: their own fault
    is reported, and the rest shows when that is repaired."""
    safety_rule_ids: frozenset[str] = field(default_factory=frozenset[str])
    asked: Asked = field(default_factory=dict[str, tuple[AskedQuestion, ...]])
    """The questions kept for the documents."""

    @cached_property
    def held(self) -> list[Document]:
        """Those in force on the day."""
        return in_force(self.documents, self.day)

    @cached_property
    def general(self) -> list[Document]:
        """Those in force for all buildings."""
        return [document for document in self.held if document.front.building == "all"]

    @cached_property
    def buildings(self) -> list[str]:
        """The buildings that have documents of their own in force."""
        return sorted({document.front.building for document in self.held} - {"all"})

    def own(self, building: str) -> list[Document]:
        """Those in force for this building alone."""
        return [document for document in self.held if document.front.building == building]

    def read_in(self, building: str) -> list[Document]:
        """Those in force for this building: its own, and the general ones that none of them replaces."""
        own = self.own(building)
        replaced = {old for document in own for old in document.front.supersedes}
        return [*(document for document in self.general if document.front.id not in replaced), *own]

    def options(self, building: str | None = None) -> list[tuple[Document, OptionTemplate]]:
        """The options offered everywhere, or in this building: its own take the place of general ones of that id."""
        general = list(_options(self.general))
        if building is None:
            return general
        own = list(_options(self.own(building)))
        replaced = {option.option_id for _, option in own}
        return [*((document, option) for document, option in general if option.option_id not in replaced), *own]

    def items(self, of: Callable[[DocumentRules], Iterable[Item]]) -> list[tuple[Document, Item]]:
        """The items of one list that documents in force for all buildings state, each with its document."""
        return [(document, item) for document in self.general for item in of(document.front.rules)]

    def may_state(self, key: str) -> bool:
        """Whether a file that could not be read seems to state this key."""
        return any(re.search(rf"^\s+{re.escape(key)}:", source, re.MULTILINE) for source in self.unread)

    def may_name(self, name: str) -> bool:
        """Whether a file that could not be read mentions this id."""
        return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", source) for source in self.unread)


def _options(documents: Sequence[Document]) -> Iterator[tuple[Document, OptionTemplate]]:
    for document in documents:
        for option in document.front.rules.options:
            yield document, option


def read_library(folder: Path, day: date, safety_rules: Path) -> tuple[Library, list[Finding]]:
    """The folder's documents, and what keeps some of them from being read."""
    documents: list[Document] = []
    unread: list[str] = []
    findings: list[Finding] = []
    for path in sorted(folder.glob("*.md")):
        try:
            documents.append(read_document(path))
        except (DocumentFault, ValueError) as fault:
            # A date that is not in the calendar and bytes that are not UTF-8 are ValueErrors.
            source = path.read_text(encoding="utf-8", errors="replace")
            unread.append(source)
            detail = fault.detail if isinstance(fault, DocumentFault) else f"{path.name}: {fault}"
            findings.append(error("schema", path.name, detail, _fault_line(source)))
    if not documents:
        findings.append(error("no_documents", "-", f"{folder} holds no document that can be read."))
    try:
        asked = read_asked(folder)
    except AskedFault as fault:
        asked = dict[str, tuple[AskedQuestion, ...]]()
        findings.append(error("schema", fault.file, fault.detail, fault.line))
    return Library(tuple(documents), day, tuple(unread), _safety_rule_ids(safety_rules), asked), findings


def _fault_line(source: str) -> int | None:
    """The line of the first fault of the front matter."""
    head = _HEAD.match(source)
    if head is None:
        return 1
    try:
        FrontMatter.model_validate(yaml.load(head[1], Loader=_LOADER))
    except yaml.MarkedYAMLError as fault:
        return fault.problem_mark.line + 2 if fault.problem_mark else None
    except ValidationError as fault:
        return key_line(source, *fault.errors()[0]["loc"])
    except ValueError:
        return None
    return None


def _safety_rule_ids(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    loaded: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    return frozenset(str(rule["id"]) for rule in loaded["rules"])
