"""Compares ways of finding the section that answers a question: as shipped, by meaning alone, and by words alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adapters.asked_questions import read_asked_questions
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.knowledge_files import CONTENTS, KnowledgeContents, lexical_folder, read_parts, vectors_file
from adapters.lexical_index import LexicalIndex
from adapters.relevance import SIGNALS
from core.messages import Retrieved, RetrieveQuery
from core.ports.intelligence import Embedder
from kb.calibrate import Indexed, Read
from kb.queries import LabelledQuery
from models.text.figures import Interval, share

TOP = 5
DEEPEST = 10
"""A right section that comes later counts as 0 in the mean reciprocal rank."""
SHOWN_BY_MISTAKE = 0.10
"""The share of unanswerable questions of the `fit` part that the strict minimum lets through."""
OWN_WORDS = SIGNALS.index("own_words")
_RESAMPLES = 2000
_SEED = 11

Part = Literal["fit", "test", "all"]
PARTS: tuple[Part, ...] = ("test", "fit", "all")


@dataclass(frozen=True)
class AtMinimum:
    """What is left when only what reaches a minimum score is shown."""

    minimum: float
    among_top: Interval
    """Of the answerable questions, those whose right section is shown among the first `TOP`."""
    shown_by_mistake: Interval
    """Of the unanswerable ones, those for which anything is shown."""


@dataclass(frozen=True)
class RetrievalFigures:
    """How one way of searching does on one part of the questions."""

    way: str
    part: Part
    answerable: int
    unanswerable: int
    first: Interval
    """Recall@1: a right section comes first."""
    among_top: Interval
    """Recall@5."""
    reciprocal_rank: Interval
    """Mean reciprocal rank over the first `DEEPEST`, with a percentile bootstrap over questions."""
    lenient: AtMinimum | None
    """At the minimum that is shipped; None for ways that are not shipped."""
    strict: AtMinimum
    """At the minimum that lets one unanswerable question of the `fit` part in ten through."""


@dataclass(frozen=True)
class _Ranked:
    """What one way found for one question."""

    query: LabelledQuery
    rank: int
    """The place of the first right section from 1, or 0."""
    right_score: float
    """Of the first right text among the first `TOP`; -inf where there is none."""
    best_score: float


def compare_retrieval(
    folder: Path, embedder: Embedder, queries: Sequence[LabelledQuery], on: date | None = None
) -> tuple[RetrievalFigures, ...]:
    """Figures of each way for each part, of the artefact in `folder`. Raises `ArtefactRefused`."""
    ways = _rank_all(folder, embedder, queries, on or date.today())
    shipped = KnowledgeContents.model_validate_json((folder / CONTENTS).read_bytes()).passage_minimum
    return tuple(
        _figures(way, part, ranked, shipped if way == SHIPPED else None)
        for part in PARTS
        for way, ranked in ways.items()
    )


SHIPPED, BY_MEANING, BY_WORDS = "fused, as shipped", "vectors alone", "BM25 alone"


def _rank_all(
    folder: Path, embedder: Embedder, queries: Sequence[LabelledQuery], on: date
) -> Mapping[str, list[_Ranked]]:
    packed = embedder.embed([query.query for query in queries])
    indexed = read_indexed(folder)
    reads = [
        indexed.read(query, np.frombuffer(vector, dtype="<f4"), on)
        for query, vector in zip(queries, packed, strict=True)
    ]
    knowledge = ChromaKnowledge(folder, today=lambda: on)
    try:
        asked = [
            RetrieveQuery(text=query.query, top_k=DEEPEST, building_id=query.building, min_score=0.0)
            for query in queries
        ]
        found = knowledge.search(asked, packed)
    finally:
        knowledge.close()
    return {
        SHIPPED: [_ranked(*pair) for pair in zip(queries, found, strict=True)],
        BY_MEANING: [_ranked_by(read, indexed, lambda each: each.signals[:, 0]) for read in reads],
        BY_WORDS: [_ranked_by(read, indexed, lambda each: each.signals[:, OWN_WORDS]) for read in reads],
    }


def read_indexed(folder: Path) -> Indexed:
    """The passages of the artefact in `folder`, for exhaustive search."""
    contents = KnowledgeContents.model_validate_json((folder / CONTENTS).read_bytes())
    vectors = np.load(vectors_file(folder, "passages"), mmap_mode="r", allow_pickle=False)
    words = LexicalIndex.open(lexical_folder(folder, "passages"))
    asked = read_asked_questions(folder, "passages")
    return Indexed(contents.documents, contents.passages, vectors, words, read_parts(folder), asked)


def _ranked(query: LabelledQuery, found: Sequence[Retrieved]) -> _Ranked:
    right = [place for place, text in enumerate(found) if query.found_in(text.doc_id, text.section)]
    return _Ranked(
        query=query,
        rank=right[0] + 1 if right else 0,
        right_score=found[right[0]].score if right and right[0] < TOP else float("-inf"),
        best_score=found[0].score if found else float("-inf"),
    )


def _ranked_by(read: Read, indexed: Indexed, score: Callable[[Read], NDArray[np.float64]]) -> _Ranked:
    scores = np.where(read.visible, score(read), -np.inf)
    order = np.argsort(-scores, kind="stable")[:DEEPEST]
    right = [
        place
        for place, at in enumerate(order)
        if read.query.found_in(indexed.texts[int(at)].doc_id, indexed.texts[int(at)].section)
    ]
    return _Ranked(
        query=read.query,
        rank=right[0] + 1 if right else 0,
        right_score=float(scores[order[right[0]]]) if right and right[0] < TOP else float("-inf"),
        best_score=float(scores[order[0]]),
    )


def _figures(way: str, part: Part, ranked: Sequence[_Ranked], shipped: float | None) -> RetrievalFigures:
    held = [each for each in ranked if part in ("all", each.query.split)]
    asked = [each for each in held if each.query.answerable]
    others = [each for each in held if not each.query.answerable]
    return RetrievalFigures(
        way=way,
        part=part,
        answerable=len(asked),
        unanswerable=len(others),
        first=share(sum(each.rank == 1 for each in asked), len(asked)),
        among_top=share(sum(0 < each.rank <= TOP for each in asked), len(asked)),
        reciprocal_rank=_mean([1.0 / each.rank if each.rank else 0.0 for each in asked]),
        lenient=None if shipped is None else _at(shipped, asked, others),
        strict=_at(strict_minimum(ranked), asked, others),
    )


def strict_minimum(ranked: Sequence[_Ranked]) -> float:
    """The score that `SHOWN_BY_MISTAKE` of the unanswerable questions of the `fit` part exceed."""
    scores = [each.best_score for each in ranked if each.query.split == "fit" and not each.query.answerable]
    return float(np.quantile(np.array(scores), 1.0 - SHOWN_BY_MISTAKE, method="higher"))


def _at(minimum: float, asked: Sequence[_Ranked], others: Sequence[_Ranked]) -> AtMinimum:
    return AtMinimum(
        minimum=minimum,
        among_top=share(sum(each.right_score >= minimum for each in asked), len(asked)),
        shown_by_mistake=share(sum(each.best_score >= minimum for each in others), len(others)),
    )


def _mean(values: Sequence[float]) -> Interval:
    if not values:
        return Interval(float("nan"), 0.0, 1.0)
    held = np.array(values)
    random = np.random.default_rng(_SEED)
    means = held[random.integers(len(held), size=(_RESAMPLES, len(held)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(held.mean()), float(low), float(high))
