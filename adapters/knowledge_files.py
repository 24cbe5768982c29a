"""What the knowledge-base artefact holds beside the vectors, and which of it a reader may see."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from adapters.artefacts import load
from core.contract import Contract
from core.errors import ArtefactRefused
from core.rules import DocumentKind, RuleBook

ARTEFACT = "kb"
RULES = "rules.json"
CONTENTS = "contents.json"
ANSWERS = "answers.json"
CHROMA = "chroma"

CollectionName = Literal["passages", "sentences"]
DISTANCE = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
"""HNSW settings at which the graph's answers equal an exhaustive search for some thousands of vectors."""


class IndexedDocument(Contract):
    """A document's scope: for whom and when it holds."""

    doc_id: str
    title: str
    kind: DocumentKind
    building: str
    """A building id, or `all`."""
    effective_from: date
    effective_to: date | None
    supersedes: tuple[str, ...]


class IndexedText(Contract):
    """A passage or a sentence; its place in its list is its id in the vector index."""

    doc_id: str
    section: str
    """The heading, below its parent headings where it has any."""
    text: str


class KnowledgeContents(Contract):
    """Everything that was indexed, and the scores that were calibrated for it."""

    embedding_model: str
    embedding_version: str
    dimensions: int
    passage_minimum: float
    """Cosine similarity below which a passage is not shown."""
    sentence_minimum: float
    documents: tuple[IndexedDocument, ...]
    passages: tuple[IndexedText, ...]
    sentences: tuple[IndexedText, ...]


def read_rules(folder: Path) -> RuleBook:
    """The rules of the artefact in `folder`. Raises `ArtefactRefused`."""
    load(folder, ARTEFACT)
    try:
        return RuleBook.model_validate_json((folder / RULES).read_bytes())
    except (OSError, ValidationError) as problem:
        raise ArtefactRefused(f"The rules in {folder} are of another make; run `python -m aam build`.") from problem


def documents_in_scope(documents: Sequence[IndexedDocument], building: str | None, on: date) -> frozenset[str]:
    """The ids of the documents that hold for this building on this day.

    Without a building, those of every building hold. A document that another one in scope supersedes is left out; one
    that a building's own document supersedes is left out for that building only.
    """
    dated = [
        document
        for document in documents
        if document.effective_from <= on and (document.effective_to is None or on <= document.effective_to)
    ]
    held = [document for document in dated if building is None or document.building in ("all", building)]
    replaced = {old for document in held if document.building in ("all", building) for old in document.supersedes}
    return frozenset(document.doc_id for document in held if document.doc_id not in replaced)
