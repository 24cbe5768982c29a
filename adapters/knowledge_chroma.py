"""The knowledge base: near in meaning by ChromaDB and near in words by BM25, made one calibrated score.

Each query sees its own building's documents, those in force today, and those of the kind that it asks for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from adapters.artefacts import load
from adapters.asked_questions import read_asked_questions
from adapters.chroma_neighbours import Neighbours, open_copy, open_server
from adapters.knowledge_files import (
    ARTEFACT,
    CHROMA,
    CONTENTS,
    RULES,
    CollectionName,
    IndexedText,
    KnowledgeContents,
    VectorsName,
    documents_in_scope,
    lexical_folder,
    read_parts,
    vectors_file,
)
from adapters.knowledge_library import ArtefactLibrary
from adapters.lexical_index import LexicalIndex, best_places
from adapters.relevance import ASKED_SIGNAL, Matched, Relevance, TextIndex, query_traits, read_relevance
from core.errors import ArtefactRefused, Invalid
from core.messages import Retrieved, RetrieveQuery
from core.rules import RuleBook

DEPTH = 50
"""Candidates from each of the three searches; `top_k` is at most as many."""
_ENOUGH = 20
"""Visible neighbours that are enough to choose from, where no more are wanted."""
_SPARE = 20
"""Neighbours that are asked for beyond `DEPTH`, as some of them may be hidden from the query."""
_AGAIN = 1000
"""Neighbours that are asked for where too few of the first ones are visible."""
_ASKED = 100
"""Nearest kept questions whose texts are candidates."""
_HIGHEST = 0.999999


@dataclass(frozen=True)
class _Searched:
    """One collection as it is searched."""

    texts: tuple[IndexedText, ...]
    index: TextIndex
    """Mapped from the artefact."""
    relevance: Relevance
    minimum: float


@dataclass(frozen=True)
class _Wanted:
    """One query with its filters worked out."""

    query: RetrieveQuery
    vector: NDArray[np.float32]
    visible: NDArray[np.bool_]
    """(n,)"""
    shown: int
    """How many are visible."""


def _today() -> date:
    return datetime.now(UTC).date()


class ChromaKnowledge:
    """A built knowledge base, opened for reading; any number of processes can open the same artefact.

    Which texts a query may see is worked out here and not by Chroma's metadata filter: that keeps queries with
    different filters in one call and is several times as fast. Where too few of the neighbours are visible, the visible
    vectors are compared one by one.
    """

    def __init__(self, folder: Path, *, chroma_url: str | None = None, today: Callable[[], date] = _today) -> None:
        """Open the artefact in `folder`, its vectors searched by the Chroma server at `chroma_url` if any.

        Raises `ArtefactRefused`, and `Unavailable` where there is no such server.
        """
        manifest = load(folder, ARTEFACT)
        self.version = manifest.version
        self._today = today
        try:
            self._rules = RuleBook.model_validate_json((folder / RULES).read_bytes())
            self._contents = KnowledgeContents.model_validate_json((folder / CONTENTS).read_bytes())
            self._searched = _read_searched(folder, self._contents)
        except (OSError, KeyError, ValueError, ValidationError) as problem:
            raise ArtefactRefused(
                f"The knowledge base in {folder} is of another make; run `python -m aam build`."
            ) from problem
        self._titles = {document.doc_id: document for document in self._contents.documents}
        self._visible = lru_cache(maxsize=256)(self._find_visible)
        self._library = ArtefactLibrary(self._contents, self._rules, today)
        self._neighbours = self._open_neighbours(folder, chroma_url)

    @property
    def rules(self) -> RuleBook:
        """The rules that the documents state."""
        return self._rules

    @property
    def library(self) -> ArtefactLibrary:
        """The documents, for people to read."""
        return self._library

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
        """The calibrated minimum for passages, 0 to 1."""
        return self._contents.passage_minimum

    def search(self, queries: Sequence[RetrieveQuery], vectors: Sequence[bytes]) -> list[tuple[Retrieved, ...]]:
        """The best passages for each query, best first, none below its minimum. Raises `Invalid`, `Unavailable`."""
        return self._query("passages", queries, vectors)

    def sentences(self, queries: Sequence[RetrieveQuery], vectors: Sequence[bytes]) -> list[tuple[Retrieved, ...]]:
        """As `search`, over single sentences."""
        return self._query("sentences", queries, vectors)

    def close(self) -> None:
        """Free the index and its private copy; the instance can't be used afterwards."""
        self._neighbours.close()

    def _query(
        self, name: CollectionName, queries: Sequence[RetrieveQuery], vectors: Sequence[bytes]
    ) -> list[tuple[Retrieved, ...]]:
        if not queries:
            return []
        on = self._today()
        wanted = [
            _Wanted(query, self._unpacked(vector), *self._visible(name, query.building_id, query.doc_type, on))
            for query, vector in zip(queries, vectors, strict=True)
        ]
        searched = self._searched[name]
        count = min(DEPTH + _SPARE, len(searched.texts))
        near = self._neighbours.nearest(name, np.stack([each.vector for each in wanted]), count)
        short = [place for place, found in enumerate(near) if not _is_enough(wanted[place], found)]
        if short and count < len(searched.texts):
            vectors_again = np.stack([wanted[place].vector for place in short])
            again = self._neighbours.nearest(name, vectors_again, min(_AGAIN, len(searched.texts)))
            for place, found in zip(short, again, strict=True):
                near[place] = found
        return [self._best(searched, each, places) for each, places in zip(wanted, near, strict=True)]

    def _best(self, searched: _Searched, wanted: _Wanted, near: Sequence[int]) -> tuple[Retrieved, ...]:
        """The best of what any search found, by the one score."""
        matched = searched.index.match(wanted.query.text, wanted.vector)
        by_words = best_places(matched.own + matched.meant + matched.asked_words, wanted.visible, DEPTH)
        by_meaning = _visible_neighbours(searched, wanted, near)
        by_question = self._by_question(searched.index, matched, wanted)
        places = np.unique(np.concatenate([by_words, by_meaning, by_question]))
        signals = searched.index.signals(matched, places)
        scores = searched.relevance.scores(signals, query_traits(wanted.query.text, matched.terms))
        given = wanted.query.min_score
        minimum = searched.minimum if given is None else given
        order = np.argsort(-scores, kind="stable")[: wanted.query.top_k]
        return tuple(
            self._retrieved(searched.texts[int(places[rank])], float(scores[rank]), signals[rank])
            for rank in order
            if scores[rank] >= minimum
        )

    def _by_question(self, index: TextIndex, matched: Matched, wanted: _Wanted) -> NDArray[np.intp]:
        """The visible places whose questions are nearest to the query, in no order."""
        if index.asked is None:
            return np.zeros(0, dtype=np.intp)
        if matched.asked is not None:
            near = np.argpartition(-matched.asked, min(_ASKED, len(matched.asked) - 1))[:_ASKED]
        else:
            near = np.array(self._neighbours.nearest("asked", wanted.vector[None], _ASKED)[0], dtype=np.intp)
        places = index.asked.own.texts(near)
        return places[wanted.visible[places]]

    def _retrieved(self, entry: IndexedText, score: float, signals: NDArray[np.float64]) -> Retrieved:
        document = self._titles[entry.doc_id]
        return Retrieved(
            doc_id=entry.doc_id,
            title=document.title,
            section=entry.section,
            doc_type=document.kind,
            building_id=document.building,
            text=entry.text,
            score=min(round(score, 6), _HIGHEST),
            asked_similarity=round(float(signals[ASKED_SIGNAL]), 6),
            section_asked_similarity=round(float(signals[ASKED_SIGNAL + 1]), 6),
        )

    def _unpacked(self, vector: bytes) -> NDArray[np.float32]:
        if len(vector) != 4 * self.dimensions:
            raise Invalid(f"A query's vector must have {self.dimensions} dimensions.")
        return np.frombuffer(vector, dtype="<f4")

    def _find_visible(
        self, name: CollectionName, building: str | None, kind: str | None, on: date
    ) -> tuple[NDArray[np.bool_], int]:
        scope = documents_in_scope(self._contents.documents, building, on)
        shown = {doc_id for doc_id in scope if kind is None or self._titles[doc_id].kind == kind}
        mask = np.array([entry.doc_id in shown for entry in self._searched[name].texts], dtype=np.bool_)
        return mask, int(mask.sum())

    def _open_neighbours(self, folder: Path, url: str | None) -> Neighbours:
        vectors: dict[VectorsName, NDArray[np.float32]] = {
            name: each.index.vectors for name, each in self._searched.items()
        }
        asked = self._searched["passages"].index.asked
        vectors["asked"] = asked.vectors if asked else np.zeros((0, self.dimensions), dtype=np.float32)
        if url is not None:
            return open_server(url, self.version, vectors)
        opened = open_copy(folder / CHROMA)
        for name, rows in vectors.items():
            if (held := opened.count(name)) != len(rows):
                opened.close()
                raise ArtefactRefused(
                    f"The index in {folder} holds {held} {name} and not {len(rows)}; run `python -m aam build`."
                )
            # The first query loads the graph; a replica does that before it takes traffic.
            opened.nearest(name, np.eye(1, self.dimensions, dtype=np.float32), 1)
        return opened


def _read_searched(folder: Path, contents: KnowledgeContents) -> dict[CollectionName, _Searched]:
    relevance = read_relevance(folder)
    texts: dict[CollectionName, tuple[IndexedText, ...]] = {
        "passages": contents.passages,
        "sentences": contents.sentences,
    }
    minima = {"passages": contents.passage_minimum, "sentences": contents.sentence_minimum}
    fitted = {"passages": relevance.passages, "sentences": relevance.sentences}
    found: dict[CollectionName, _Searched] = {}
    for name in texts:
        vectors = np.load(vectors_file(folder, name), mmap_mode="r", allow_pickle=False)
        words = LexicalIndex.open(lexical_folder(folder, name))
        if vectors.shape != (len(texts[name]), contents.dimensions) or len(words) != len(texts[name]):
            raise ValueError(f"{name} and their vectors or words are not of one make.")
        parts = read_parts(folder) if name == "passages" else None
        index = TextIndex(vectors, words, parts, read_asked_questions(folder, name))
        found[name] = _Searched(texts[name], index, fitted[name], minima[name])
    return found


def _visible_neighbours(searched: _Searched, wanted: _Wanted, near: Sequence[int]) -> NDArray[np.intp]:
    """The nearest visible places, at most `DEPTH`, in no order."""
    if _is_enough(wanted, near):
        places = np.array(near, dtype=np.intp)
        return places[wanted.visible[places]][:DEPTH]
    shown = np.flatnonzero(wanted.visible)
    similarity = searched.index.vectors[shown] @ wanted.vector
    return shown[np.argsort(-similarity)[:DEPTH]]


def _is_enough(wanted: _Wanted, near: Sequence[int]) -> bool:
    """Whether so many of the neighbours are visible that the best of them can be told."""
    visible = int(wanted.visible[np.array(near, dtype=np.intp)].sum())
    return visible >= min(max(_ENOUGH, wanted.query.top_k), wanted.shown)
