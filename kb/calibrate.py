"""Fits how evidence becomes confidence, and the scores below which nothing is shown, on the labelled questions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from adapters.answer_evidence import FEATURES, measure, read_question, word_frequencies
from adapters.knowledge_files import IndexedDocument, IndexedText, documents_in_scope
from adapters.llm_offline import AnswerCalibration, places_to_quote
from core.messages import Retrieved
from kb.queries import LabelledQuery

Matrix = NDArray[np.float64]
CANDIDATES = 12
"""Sentences that are weighed for each question."""
FOLDS = 5
_HIDDEN = 0.05
"""The share of right texts that a minimum score may hide; mostly those for questions in other languages."""
_RIDGE = 1.0


@dataclass(frozen=True)
class Indexed:
    """One collection in memory: texts and their unit vectors, (n, dimensions)."""

    documents: Sequence[IndexedDocument]
    texts: Sequence[IndexedText]
    vectors: NDArray[np.float32]

    def nearest(self, vector: NDArray[np.float32], building: str, on: date, count: int) -> list[Retrieved]:
        """The nearest texts in scope, best first, by exhaustive search."""
        scope = documents_in_scope(self.documents, building, on)
        by_id = {document.doc_id: document for document in self.documents}
        scores = self.vectors @ vector
        order = [place for place in _descending(scores) if self.texts[place].doc_id in scope][:count]
        return [_retrieved(by_id[self.texts[place].doc_id], self.texts[place], float(scores[place])) for place in order]


@dataclass(frozen=True)
class Evidence:
    """A labelled question with its candidate sentences measured."""

    query: LabelledQuery
    candidates: Sequence[Retrieved]
    rows: Matrix
    """(candidates, features)"""
    right: NDArray[np.bool_]
    """(candidates,)"""
    fold: int


@dataclass(frozen=True)
class Outcome:
    """What was answered to a question by a calibration that had not seen it."""

    query: LabelledQuery
    confidence: float
    right: bool


def gather(
    queries: Sequence[LabelledQuery], vectors: NDArray[np.float32], sentences: Indexed, on: date
) -> list[Evidence]:
    """The evidence for each query; `vectors` are the queries' own, (n, dimensions)."""
    frequencies, sections = section_frequencies(sentences)
    gathered: list[Evidence] = []
    for query, vector in zip(queries, vectors, strict=True):
        candidates = sentences.nearest(vector, query.building, on, CANDIDATES)
        rows = measure(read_question(query.query), candidates, frequencies, sections)
        right = [query.answered_by(candidate.doc_id, candidate.text) for candidate in candidates]
        fold = hashlib.sha256(query.query.encode()).digest()[0] % FOLDS
        gathered.append(Evidence(query, candidates, np.array(rows), np.array(right), fold))
    return gathered


@dataclass(frozen=True)
class Fitted:
    """How rows of features become confidence."""

    weights: Matrix
    """(features,)"""
    intercept: float
    scale: float
    shift: float

    def answer(self, item: Evidence) -> Outcome:
        """What it answers to this question."""
        log_odds, right = _best(item, self.weights, self.intercept)
        return Outcome(item.query, float(_sigmoid(np.array(self.scale * log_odds + self.shift))), right)


def fit(evidence: Sequence[Evidence]) -> Fitted:
    """Fitted on all of the evidence: the ranking of sentences, then how sure the best one is.

    The second is fitted on rankings that had not seen the question, as the best of many is too sure otherwise.
    """
    weights, intercept = _fit_ranker(evidence)
    held_out = _held_out_odds(evidence)
    scale, shift = _fit_logistic(
        np.array([[odds] for odds, _ in held_out]), np.array([right for _, right in held_out]), ridge=0.01
    )
    return Fitted(weights, intercept, max(float(scale[0]), 1e-3), shift)


def calibration(fitted: Fitted, sentences: Indexed) -> AnswerCalibration:
    """What the artefact holds of it."""
    frequencies, sections = section_frequencies(sentences)
    return AnswerCalibration(
        features=FEATURES,
        weights=tuple(float(weight) for weight in fitted.weights),
        intercept=fitted.intercept,
        scale=fitted.scale,
        shift=fitted.shift,
        frequencies=frequencies,
        sections=sections,
    )


def cross_validate(evidence: Sequence[Evidence]) -> list[Outcome]:
    """For each question, the answer of a calibration that was fitted without its fold."""
    outcomes: list[Outcome] = []
    for fold in range(FOLDS):
        fitted = fit([item for item in evidence if item.fold != fold])
        outcomes += [fitted.answer(item) for item in evidence if item.fold == fold]
    return outcomes


def minimum_score(queries: Sequence[LabelledQuery], vectors: NDArray[np.float32], texts: Indexed, on: date) -> float:
    """The score that the right text of all but a small share of the answerable questions reaches."""
    scores = [
        max((text.score for text in found if query.answered_by(text.doc_id, text.text)), default=None)
        for query, vector in zip(queries, vectors, strict=True)
        if query.answerable
        for found in [texts.nearest(vector, query.building, on, len(texts.texts))]
    ]
    reached = [score for score in scores if score is not None]
    return round(float(np.quantile(np.array(reached), _HIDDEN)), 4)


def section_frequencies(sentences: Indexed) -> tuple[dict[str, int], int]:
    """In how many sections each stem occurs, and how many sections there are."""
    titles = {document.doc_id: document.title for document in sentences.documents}
    sections: dict[tuple[str, str], list[str]] = {}
    for entry in sentences.texts:
        sections.setdefault((entry.doc_id, entry.section), [titles[entry.doc_id], entry.section]).append(entry.text)
    return word_frequencies(" ".join(parts) for parts in sections.values()), len(sections)


def _retrieved(document: IndexedDocument, entry: IndexedText, score: float) -> Retrieved:
    return Retrieved(
        doc_id=entry.doc_id,
        title=document.title,
        section=entry.section,
        doc_type=document.kind,
        building_id=document.building,
        text=entry.text,
        score=score,
    )


def _descending(scores: NDArray[np.float32]) -> list[int]:
    return np.argsort(-scores).tolist()


def _held_out_odds(evidence: Sequence[Evidence]) -> list[tuple[float, bool]]:
    """For each question the best log-odds by a ranker that had not seen it, and whether what it quotes is right."""
    held_out: list[tuple[float, bool]] = []
    for fold in range(FOLDS):
        rest = [item for item in evidence if item.fold != fold]
        weights, intercept = _fit_ranker(rest)
        held_out += [_best(item, weights, intercept) for item in evidence if item.fold == fold]
    return held_out


def _best(item: Evidence, weights: Matrix, intercept: float) -> tuple[float, bool]:
    odds: list[float] = (item.rows @ weights + intercept).tolist()
    return max(odds), any(bool(item.right[place]) for place in places_to_quote(item.candidates, odds))


def _fit_ranker(evidence: Sequence[Evidence]) -> tuple[Matrix, float]:
    rows = np.concatenate([item.rows for item in evidence])
    right = np.concatenate([item.right for item in evidence])
    return _fit_logistic(rows, right, ridge=_RIDGE)


def _fit_logistic(rows: Matrix, right: NDArray[np.bool_], ridge: float) -> tuple[Matrix, float]:
    """Weights and intercept of a logistic regression with a ridge on standardised features, by Newton's method."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    design = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
    penalty = np.diag([ridge] * rows.shape[1] + [1e-6])
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        chance = _sigmoid(design @ beta)
        gradient = design.T @ (right - chance) - penalty @ beta
        hessian = (design * (chance * (1 - chance))[:, None]).T @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-8:
            break
    weights = beta[:-1] / spread
    return weights, float(beta[-1] - weights @ mean)


def _sigmoid(value: Matrix) -> Matrix:
    return 1.0 / (1.0 + np.exp(-np.clip(value, -30, 30)))
