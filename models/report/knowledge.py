"""Measures retrieval and answers with their intervals, beside what simpler ways would find."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.knowledge_files import ARTEFACT, KnowledgeContents, documents_in_scope
from adapters.llm_offline import OfflineLanguageModel
from core.messages import Retrieved, RetrieveQuery
from core.settings import Settings
from deployments.decision_simulation.answer import CONFIDENCE_FLOOR
from kb.calibrate import Outcome
from kb.evaluate import TOP, ask
from kb.queries import LabelledQuery, read_queries
from models.text.figures import Interval, share

# scikit-learn has no types of its own.
_extraction: Any = import_module("sklearn.feature_extraction.text")
CONTENTS = "contents.json"


@dataclass(frozen=True)
class RetrievalFigures:
    """How one way of searching finds the passage that answers."""

    way: str
    questions: int
    first: Interval
    """The right passage comes first."""
    among_top: Interval
    """It is among the first `TOP`."""


@dataclass(frozen=True)
class AnswerFigures:
    """How one way of answering does for writers that nothing was fitted on."""

    way: str
    answerable: int
    unanswerable: int
    right: Interval
    """Of the answerable questions, those answered rightly."""
    wrong: Interval
    """Of the answerable ones, those answered wrongly."""
    false: Interval
    """Of the unanswerable ones, those answered at all."""


@dataclass(frozen=True)
class KnowledgeEvaluation:
    """What the knowledge base finds and answers."""

    version: str
    retrieval: tuple[RetrievalFigures, ...]
    answers: tuple[AnswerFigures, ...]


def evaluate_knowledge(settings: Settings) -> KnowledgeEvaluation:
    """Measure the built index. Raises `ArtefactRefused`."""
    folder = settings.artefacts_dir / ARTEFACT
    embedder, knowledge = OnnxEmbedder(settings.artefacts_dir / "embedder"), ChromaKnowledge(folder)
    contents = KnowledgeContents.model_validate_json((folder / CONTENTS).read_bytes())
    queries = read_queries()
    asked = [query for query in queries if query.answerable]
    unseen = [query for query in queries if query.split == "test"]
    vectors = embedder.embed([query.query for query in asked])
    found = knowledge.search([_query(query) for query in asked], vectors)
    outcomes = asyncio.run(ask(unseen, knowledge, OfflineLanguageModel.open(folder), embedder))
    nearest = knowledge.sentences([_query(query) for query in unseen], embedder.embed([q.query for q in unseen]))
    figures = KnowledgeEvaluation(
        version=contents.embedding_version,
        retrieval=(
            _retrieval("shared words (TF-IDF)", word_ranks(asked, contents)),
            _retrieval("sentence vectors, as served", [_rank(*pair) for pair in zip(asked, found, strict=True)]),
        ),
        answers=(
            _answers("always the nearest sentence", [_first(*pair) for pair in zip(unseen, nearest, strict=True)]),
            _answers("as served", outcomes),
        ),
    )
    knowledge.close()
    return figures


def word_ranks(queries: Sequence[LabelledQuery], contents: KnowledgeContents) -> list[int]:
    """The place, from 1, of the passage that answers each query, by the words that the two share; 0 for none."""
    terms = _extraction.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, stop_words="english")
    titles = {document.doc_id: document.title for document in contents.documents}
    rows = terms.fit_transform([f"{titles[e.doc_id]} {e.section} {e.text}" for e in contents.passages])
    scores = cast(NDArray[np.float64], (terms.transform([query.query for query in queries]) @ rows.T).toarray())
    return [_word_rank(query, row, contents) for query, row in zip(queries, scores, strict=True)]


def _word_rank(query: LabelledQuery, scores: NDArray[np.float64], contents: KnowledgeContents) -> int:
    scope = documents_in_scope(contents.documents, query.building, date.today())
    places = cast(list[int], np.argsort(-scores, kind="stable").tolist())
    order = [contents.passages[place] for place in places if scores[place] > 0]
    held = [passage for passage in order if passage.doc_id in scope]
    right = (rank for rank, each in enumerate(held, 1) if query.answered_by(each.doc_id, each.text))
    return next(right, 0)


def _query(query: LabelledQuery) -> RetrieveQuery:
    return RetrieveQuery(text=query.query, top_k=TOP, building_id=query.building, min_score=-1.0)


def _rank(query: LabelledQuery, found: Sequence[Retrieved]) -> int:
    right = (rank for rank, each in enumerate(found, 1) if query.answered_by(each.doc_id, each.text))
    return next(right, 0)


def _first(query: LabelledQuery, found: Sequence[Retrieved]) -> Outcome:
    return Outcome(query, 1.0 if found else 0.0, _rank(query, found[:1]) == 1)


def _retrieval(way: str, ranks: Sequence[int]) -> RetrievalFigures:
    return RetrievalFigures(
        way=way,
        questions=len(ranks),
        first=share(sum(rank == 1 for rank in ranks), len(ranks)),
        among_top=share(sum(0 < rank <= TOP for rank in ranks), len(ranks)),
    )


def _answers(way: str, outcomes: Sequence[Outcome]) -> AnswerFigures:
    answerable = [each for each in outcomes if each.query.answerable]
    unanswerable = [each for each in outcomes if not each.query.answerable]
    given = [each for each in answerable if each.confidence >= CONFIDENCE_FLOOR]
    return AnswerFigures(
        way=way,
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        right=share(sum(each.right for each in given), len(answerable)),
        wrong=share(sum(not each.right for each in given), len(answerable)),
        false=share(sum(each.confidence >= CONFIDENCE_FLOOR for each in unanswerable), len(unanswerable)),
    )
