"""The knowledge base in ChromaDB: one vector query for many questions, each seeing its own building's documents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import chromadb
import numpy as np
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError
from numpy.typing import NDArray
from pydantic import ValidationError

from adapters.artefacts import load
from adapters.knowledge_files import (
    ARTEFACT,
    CHROMA,
    CONTENTS,
    RULES,
    CollectionName,
    IndexedText,
    KnowledgeContents,
    documents_in_scope,
)
from adapters.private_copy import PrivateCopy
from core.errors import ArtefactRefused, Invalid, Unavailable
from core.messages import Retrieved, RetrieveQuery
from core.rules import RuleBook

_SPARE = 8
"""Neighbours that are asked for beyond `top_k`, as some of them may be hidden from the query."""


class _Collection(Protocol):
    def query(
        self, *, query_embeddings: NDArray[np.float32], n_results: int, include: Sequence[str]
    ) -> Mapping[str, Any]: ...

    def count(self) -> int: ...


@dataclass(frozen=True)
class _Wanted:
    """One query with its filters worked out."""

    vector: NDArray[np.float32]
    top_k: int
    minimum: float
    visible: frozenset[int]

    def best(
        self, ids: Sequence[str], distances: Sequence[float], *, exhausted: bool
    ) -> list[tuple[int, float]] | None:
        """Place and score of the best visible ones; None where the neighbours ran out before it was sure."""
        best: list[tuple[int, float]] = []
        for key, distance in zip(ids, distances, strict=True):
            score = 1.0 - distance
            if score < self.minimum:
                return best
            if (place := int(key)) in self.visible:
                best.append((place, score))
                if len(best) == self.top_k:
                    return best
        return best if exhausted or len(best) == len(self.visible) else None


def _today() -> date:
    return datetime.now(UTC).date()


class ChromaKnowledge:
    """A built knowledge base, opened for reading.

    Chroma writes into its folder when it opens it, so each instance opens a copy of its own in a temporary folder: the
    artefact stays what its manifest says and any number of processes can open it. Which passages a query may see is
    worked out here and not by Chroma's metadata filter: that keeps queries with different filters in one call and is
    several times as fast. Where too few of the neighbours are visible, the query is repeated with more of them.
    """

    def __init__(self, folder: Path, *, today: Callable[[], date] = _today) -> None:
        """Open the artefact in `folder`. Raises `ArtefactRefused`."""
        manifest = load(folder, ARTEFACT)
        self.version = manifest.version
        try:
            self._rules = RuleBook.model_validate_json((folder / RULES).read_bytes())
            self._contents = KnowledgeContents.model_validate_json((folder / CONTENTS).read_bytes())
        except (OSError, ValidationError) as problem:
            raise ArtefactRefused(
                f"The knowledge base in {folder} is of another make; run `python -m aam build`."
            ) from problem
        self._today = today
        self._titles = {document.doc_id: document for document in self._contents.documents}
        self._texts: dict[CollectionName, tuple[IndexedText, ...]] = {
            "passages": self._contents.passages,
            "sentences": self._contents.sentences,
        }
        self._visible = lru_cache(maxsize=512)(self._find_visible)
        self._copy = _copy(folder / CHROMA)
        self._client, self._collections = _open(self._copy.path)
        self._check_sizes(folder)

    @property
    def rules(self) -> RuleBook:
        """The rules that the documents state."""
        return self._rules

    @property
    def documents(self) -> int:
        """How many documents are indexed."""
        return len(self._contents.documents)

    @property
    def chunks(self) -> int:
        """How many passages are indexed."""
        return len(self._contents.passages)

    @property
    def embedding_model(self) -> str:
        """The name of the embedder that the index was built with."""
        return self._contents.embedding_model

    @property
    def embedding_version(self) -> str:
        """Its version; the vectors of queries must come from the same."""
        return self._contents.embedding_version

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._contents.dimensions

    @property
    def min_score(self) -> float:
        """The calibrated minimum for passages: cosine similarity."""
        return self._contents.passage_minimum

    def search(self, queries: Sequence[RetrieveQuery], vectors: Sequence[bytes]) -> list[tuple[Retrieved, ...]]:
        """The best passages for each query, best first, none below its minimum. Raises `Invalid`, `Unavailable`."""
        return self._query("passages", self._contents.passage_minimum, queries, vectors)

    def sentences(self, queries: Sequence[RetrieveQuery], vectors: Sequence[bytes]) -> list[tuple[Retrieved, ...]]:
        """As `search`, over single sentences."""
        return self._query("sentences", self._contents.sentence_minimum, queries, vectors)

    def close(self) -> None:
        """Free the index and its private copy; the instance can't be used afterwards."""
        self._client.close()
        self._copy.close()

    def _query(
        self, name: CollectionName, minimum: float, queries: Sequence[RetrieveQuery], vectors: Sequence[bytes]
    ) -> list[tuple[Retrieved, ...]]:
        if not queries:
            return []
        on = self._today()
        wanted = [
            _Wanted(
                vector=self._unpacked(vector),
                top_k=query.top_k,
                minimum=query.min_score if query.min_score is not None else minimum,
                visible=self._visible(name, query.building_id, query.doc_type, on),
            )
            for query, vector in zip(queries, vectors, strict=True)
        ]
        found = self._nearest(name, wanted, max(query.top_k for query in queries) + _SPARE)
        short = [place for place, places in enumerate(found) if places is None]
        if short:
            hidden = max(len(self._texts[name]) - len(wanted[place].visible) for place in short)
            again = self._nearest(name, [wanted[place] for place in short], max(q.top_k for q in queries) + hidden)
            for place, places in zip(short, again, strict=True):
                found[place] = places
        return [tuple(self._retrieved(name, place, score) for place, score in places or ()) for places in found]

    def _nearest(
        self, name: CollectionName, wanted: Sequence["_Wanted"], count: int
    ) -> list[list[tuple[int, float]] | None]:
        """Place and score of the best visible texts; None where `count` neighbours were too few to be sure of them."""
        total = len(self._texts[name])
        try:
            found = self._collections[name].query(
                query_embeddings=np.stack([query.vector for query in wanted]),
                n_results=min(count, total),
                include=["distances"],
            )
        except ChromaError as problem:
            raise Unavailable("The knowledge base can't be searched at the moment.") from problem
        rows = zip(wanted, found["ids"], found["distances"], strict=True)
        return [query.best(ids, distances, exhausted=count >= total) for query, ids, distances in rows]

    def _retrieved(self, name: CollectionName, place: int, score: float) -> Retrieved:
        entry = self._texts[name][place]
        document = self._titles[entry.doc_id]
        return Retrieved(
            doc_id=entry.doc_id,
            title=document.title,
            section=entry.section,
            doc_type=document.kind,
            building_id=document.building,
            text=entry.text,
            score=max(-1.0, min(1.0, round(score, 6))),
        )

    def _unpacked(self, vector: bytes) -> NDArray[np.float32]:
        if len(vector) != 4 * self.dimensions:
            raise Invalid(f"A query's vector must have {self.dimensions} dimensions.")
        return np.frombuffer(vector, dtype="<f4")

    def _find_visible(self, name: CollectionName, building: str | None, kind: str | None, on: date) -> frozenset[int]:
        scope = documents_in_scope(self._contents.documents, building, on)
        return frozenset(
            place
            for place, entry in enumerate(self._texts[name])
            if entry.doc_id in scope and (kind is None or self._titles[entry.doc_id].kind == kind)
        )

    def _check_sizes(self, folder: Path) -> None:
        for name, texts in self._texts.items():
            held = self._collections[name].count()
            if held != len(texts):
                raise ArtefactRefused(
                    f"The index in {folder} holds {held} {name} and not {len(texts)}; run `python -m aam build`."
                )
            # The first query loads the graph; a replica does that before it takes traffic.
            self._collections[name].query(
                query_embeddings=np.eye(1, self.dimensions, dtype=np.float32), n_results=1, include=["distances"]
            )


def _copy(source: Path) -> PrivateCopy:
    try:
        return PrivateCopy(source, "aam-knowledge-")
    except OSError as problem:
        raise ArtefactRefused(f"The index in {source} can't be copied: {problem}") from problem


def _open(folder: Path) -> tuple[Any, dict[CollectionName, _Collection]]:
    try:
        client: Any = chromadb.PersistentClient(str(folder), ChromaSettings(anonymized_telemetry=False))
        names: tuple[CollectionName, ...] = ("passages", "sentences")
        return client, {name: cast(_Collection, client.get_collection(name, embedding_function=None)) for name in names}
    except ChromaError as problem:
        raise ArtefactRefused("Chroma can't open the knowledge base's index; run `python -m aam build`.") from problem
