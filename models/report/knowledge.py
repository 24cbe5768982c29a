"""Measures answers with their intervals, beside what a simpler way would answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.knowledge_files import ARTEFACT, KnowledgeContents
from adapters.llm_offline import OfflineLanguageModel
from core.messages import Retrieved, RetrieveQuery
from core.settings import Settings
from deployments.decision_simulation.answer import CONFIDENCE_FLOOR
from kb.calibrate import Outcome
from kb.evaluate import TOP, ask
from kb.queries import LabelledQuery, read_queries
from models.text.figures import Interval, share

CONTENTS = "contents.json"


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
    """What the knowledge base answers."""

    version: str
    answers: tuple[AnswerFigures, ...]


def evaluate_knowledge(settings: Settings) -> KnowledgeEvaluation:
    """Measure the built index. Raises `ArtefactRefused`."""
    folder = settings.artefacts_dir / ARTEFACT
    embedder, knowledge = OnnxEmbedder(settings.artefacts_dir / "embedder"), ChromaKnowledge(folder)
    contents = KnowledgeContents.model_validate_json((folder / CONTENTS).read_bytes())
    unseen = [query for query in read_queries() if query.split == "test"]
    outcomes = asyncio.run(ask(unseen, knowledge, OfflineLanguageModel.open(folder), embedder))
    nearest = knowledge.sentences([_query(query) for query in unseen], embedder.embed([q.query for q in unseen]))
    figures = KnowledgeEvaluation(
        version=contents.embedding_version,
        answers=(
            _answers("always the nearest sentence", [_first(*pair) for pair in zip(unseen, nearest, strict=True)]),
            _answers("as served", outcomes),
        ),
    )
    knowledge.close()
    return figures


def _query(query: LabelledQuery) -> RetrieveQuery:
    return RetrieveQuery(text=query.query, top_k=TOP, building_id=query.building, min_score=-1.0)


def _rank(query: LabelledQuery, found: Sequence[Retrieved]) -> int:
    right = (rank for rank, each in enumerate(found, 1) if query.answered_by(each.doc_id, each.text))
    return next(right, 0)


def _first(query: LabelledQuery, found: Sequence[Retrieved]) -> Outcome:
    return Outcome(query, 1.0 if found else 0.0, _rank(query, found[:1]) == 1)


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
