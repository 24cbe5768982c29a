"""What the knowledge-base artefact holds beside the vectors, and which of it a reader may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
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
PART_VECTORS, PART_STARTS = "passage_parts.npy", "passage_parts_from.npy"

CollectionName = Literal["passages", "sentences"]
VectorsName = Literal["passages", "sentences", "asked"]
"""What has vectors: the texts, and the questions kept for them."""
DISTANCE = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
"""HNSW settings at which the graph's answers equal an exhaustive search for some thousands of vectors."""


def vectors_file(folder: Path, name: VectorsName) -> Path:
    """Where the vectors of a collection lie: NumPy, float32, (texts, dimensions), in the order of the texts."""
    return folder / f"{name}.npy"


@dataclass(frozen=True)
class Parts:
    """The sentences of each text of a collection, as vectors."""

    vectors: NDArray[np.float16]
    """(sentences, dimensions), in the order of the texts."""
    starts: NDArray[np.int64]
    """(texts + 1,): the sentences of text i are from starts[i] to starts[i + 1]."""

    def nearest(self, places: NDArray[np.intp], vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine similarity of the nearest sentence of each of these texts, (n,); -1 for one without sentences."""
        counts = self.starts[places + 1] - self.starts[places]
        ends = np.cumsum(counts)
        rows = np.repeat(self.starts[places] - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)
        found = np.full(len(places), -1.0, dtype=np.float32)
        if len(rows):
            similarity = self.vectors[rows].astype(np.float32) @ vector
            held = counts > 0
            found[held] = np.maximum.reduceat(similarity, (ends - counts)[held])
        return found

    def save(self, folder: Path) -> None:
        """Write them for `read_parts`."""
        np.save(folder / PART_VECTORS, self.vectors, allow_pickle=False)
        np.save(folder / PART_STARTS, self.starts, allow_pickle=False)


def read_parts(folder: Path) -> Parts:
    """The sentences of the passages of the artefact in `folder`, mapped. Raises `OSError`, `ValueError`."""
    vectors = np.load(folder / PART_VECTORS, mmap_mode="r", allow_pickle=False)
    return Parts(vectors, np.load(folder / PART_STARTS, allow_pickle=False))


def lexical_folder(folder: Path, name: CollectionName, *, asked: bool = False) -> Path:
    """Where the index of the words of a collection lies, or of the questions kept for it."""
    return folder / "lexical" / (f"asked_{name}" if asked else name)


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
    """Relevance, 0 to 1, below which a passage is not shown."""
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
