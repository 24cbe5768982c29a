"""The knowledge base as people read it: which documents there are, what each says, and what it decides."""

from datetime import date
from typing import Any

from pydantic import Field

from core.contract import Contract
from core.rules import DocumentKind


class KnowledgeQuery(Contract):
    """Which documents are wanted; what is None does not narrow."""

    doc_type: DocumentKind | None = None
    building_id: str | None = None
    """Those that hold in this building: its own, and those for all that none of its own takes the place of."""
    words: str | None = None
    """Every word must stand in the title, a heading, the text or the id, in whatever letters."""


class KnowledgeEntry(Contract):
    """One document, without its text."""

    doc_id: str
    title: str
    doc_type: DocumentKind
    building_id: str
    """A building, or `all`."""
    jurisdictions: tuple[str, ...] = ()
    """The codes of the jurisdictions whose statutes it states, or, of a building's own document, under which it is."""
    version: int | None
    """None for a document that decides nothing yet, since it is not in force."""
    effective_from: date
    effective_to: date | None
    supersedes: tuple[str, ...]
    decides: tuple[str, ...]
    """The keys of its checked rules, as `approvals` or `options`; () for a document that only tells."""


class KnowledgeSection(Contract):
    """One heading with its text."""

    heading: str
    parents: tuple[str, ...] = ()
    """The headings above it, the title left out."""
    text: str
    """Markdown."""


class KnowledgeDocument(KnowledgeEntry):
    """One document with all that the artefact in service holds of it."""

    kb_version: str
    sections: tuple[KnowledgeSection, ...]
    rules: dict[str, Any]
    """What it decides, as its front matter states it: each of `decides` with its value."""


class KnowledgePage(Contract):
    """A page of the documents, by their ids."""

    kb_version: str
    policy_version: str
    buildings: tuple[str, ...]
    """Every building that the knowledge base knows."""
    total: int = Field(ge=0)
    """How many documents match."""
    items: tuple[KnowledgeEntry, ...]
    next_cursor: str | None
