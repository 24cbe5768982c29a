"""Fits how evidence becomes confidence, and the scores below which nothing is shown, on the labelled questions."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from adapters.answer_confidence import SURENESS, sureness
from adapters.answer_evidence import FEATURES, measure, read_question, word_frequencies
from adapters.asked_questions import AskedQuestions
from adapters.knowledge_files import IndexedDocument, IndexedText, Parts, documents_in_scope
from adapters.lexical_index import LexicalIndex
from adapters.llm_offline import AnswerCalibration, places_to_quote
from adapters.relevance import ASKED_SIGNAL, SIGNALS, Relevance, TextIndex, query_traits
from adapters.relevance import FEATURES as RELEVANCE_FEATURES
from core.messages import Retrieved
from kb.queries import LabelledQuery
from kb.regression import RIDGE, Matrix, fit_logistic, fit_order, sigmoid

CANDIDATES = 12
"""Sentences that are weighed for each question."""
FOLDS = 5
_HIDDEN = 0.05
"""The share of right texts that a minimum score may hide."""
_WORDS = [place for place, name in enumerate(SIGNALS) if name.endswith("_words")]
_COMPARED = 50
"""Texts that each question's right ones are compared with: the best by each search."""

IsRight = Callable[[LabelledQuery, IndexedText], bool]


@dataclass(frozen=True)
class Indexed:
    """One collection in memory: texts, their unit vectors, (n, dimensions), and their words."""

    documents: Sequence[IndexedDocument]
    texts: Sequence[IndexedText]
    vectors: NDArray[np.float32]
    words: LexicalIndex
    parts: Parts | None = None
    """The sentences of each text; None where the texts are sentences themselves."""
    asked: AskedQuestions | None = None

    @property
    def index(self) -> TextIndex:
        """What the texts are searched by."""
        return TextIndex(self.vectors, self.words, self.parts, self.asked)

    def read(self, query: LabelledQuery, vector: NDArray[np.float32], on: date) -> "Read":
        """The query against every text in scope."""
        scope = documents_in_scope(self.documents, query.building, on)
        index = self.index
        matched = index.match(query.query, vector)
        return Read(
            query=query,
            signals=index.signals(matched, np.arange(len(self.texts))),
            visible=np.array([text.doc_id in scope for text in self.texts]),
            traits=query_traits(query.query, matched.terms),
        )

    def best(self, read: "Read", relevance: Relevance, count: int) -> list[Retrieved]:
        """The best texts for the query, best first, by exhaustive search."""
        by_id = {document.doc_id: document for document in self.documents}
        scores = read.scores(relevance)
        places = [place for place in _descending(scores) if read.visible[place]][:count]
        return [
            _retrieved(by_id[self.texts[place].doc_id], self.texts[place], float(scores[place]), read.signals[place])
            for place in places
        ]


@dataclass(frozen=True)
class Read:
    """How near each text of a collection is to one query; arrays are (n,)."""

    query: LabelledQuery
    signals: Matrix
    """(n, s), in the order of `SIGNALS`."""
    visible: NDArray[np.bool_]
    traits: tuple[float, ...]

    def scores(self, relevance: Relevance) -> Matrix:
        """The relevance of every text, visible or not."""
        return relevance.scores(self.signals, self.traits)

    def compared(self, right: NDArray[np.bool_]) -> tuple[Matrix, NDArray[np.bool_]]:
        """The signals, (m, s), of the visible texts that any search finds, and which of them are right, (m,)."""
        shown = np.flatnonzero(self.visible)
        signals = self.signals[shown]
        by = (signals[:, 0], signals[:, ASKED_SIGNAL], signals[:, _WORDS].sum(axis=1))
        near = [shown[np.argsort(-levels)[:_COMPARED]] for levels in by]
        places = np.unique(np.concatenate([*near, shown[right[shown]]]))
        return self.signals[places], right[places]


def fit_relevance(reads: Sequence[Read], texts: Sequence[IndexedText], is_right: IsRight) -> Relevance:
    """How the signals make one score, fitted on these questions.

    What orders the texts of a question is a conditional logit: the right ones against the others (McFadden 1974). How
    sure the first one is, given what the question itself shows, is a logistic regression on top of it.
    """
    marked = [np.array([is_right(read.query, text) for text in texts]) for read in reads]
    compared = [read.compared(right) for read, right in zip(reads, marked, strict=True) if right[read.visible].any()]
    order = fit_order(compared)
    firsts: list[tuple[float, ...]] = []
    right_firsts: list[bool] = []
    for read, right in zip(reads, marked, strict=True):
        levels = np.where(read.visible, read.signals @ order, -np.inf)
        first = int(np.argmax(levels))
        firsts.append((float(levels[first]), *read.traits))
        right_firsts.append(bool(right[first]))
    weights, intercept = fit_logistic(np.array(firsts), np.array(right_firsts), ridge=RIDGE)
    return Relevance(
        features=RELEVANCE_FEATURES,
        weights=(*(float(weights[0] * each) for each in order), *(float(weight) for weight in weights[1:])),
        intercept=intercept,
    )


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
    """What was answered to a question by a calibration that had not seen it.

    The search that brought up its candidates had: one relevance is fitted on the questions of all folds, so that these
    figures are somewhat too good. Those of the split `test` are of questions that nothing was fitted on.
    """

    query: LabelledQuery
    confidence: float
    right: bool


def gather(reads: Sequence[Read], sentences: Indexed, relevance: Relevance) -> list[Evidence]:
    """The evidence for each query."""
    frequencies, sections = section_frequencies(sentences)
    gathered: list[Evidence] = []
    for read in reads:
        query = read.query
        candidates = sentences.best(read, relevance, CANDIDATES)
        rows = measure(read_question(query.query), candidates, frequencies, sections)
        right = [query.answered_by(candidate.doc_id, candidate.text) for candidate in candidates]
        gathered.append(Evidence(query, candidates, np.array(rows), np.array(right), fold_of(query)))
    return gathered


def fold_of(query: LabelledQuery) -> int:
    """The part of the cross-validation that a question is in, by its text."""
    return hashlib.sha256(query.query.encode()).digest()[0] % FOLDS


@dataclass(frozen=True)
class Fitted:
    """How rows of features become confidence."""

    weights: Matrix
    """(features,): what orders the sentences."""
    sureness: Matrix
    """The weights of `SURENESS`."""
    intercept: float

    def answer(self, item: Evidence) -> Outcome:
        """What it answers to this question."""
        shown, right = _best(item, self.weights)
        return Outcome(item.query, float(sigmoid(np.array(shown @ self.sureness + self.intercept))), right)


def fit(evidence: Sequence[Evidence]) -> Fitted:
    """Fitted on all of the evidence: the ranking of sentences, then how sure the best one is.

    The second is fitted on rankings that had not seen the question, as the best of many is too sure otherwise.
    """
    held_out = _held_out(evidence)
    sure, intercept = fit_logistic(
        np.array([shown for shown, _ in held_out]), np.array([right for _, right in held_out]), ridge=RIDGE
    )
    return Fitted(_fit_ranker(evidence), sure, intercept)


def calibration(fitted: Fitted, sentences: Indexed) -> AnswerCalibration:
    """What the artefact holds of it."""
    frequencies, sections = section_frequencies(sentences)
    return AnswerCalibration(
        features=FEATURES,
        weights=tuple(float(weight) for weight in fitted.weights),
        sureness=SURENESS,
        sureness_weights=tuple(float(weight) for weight in fitted.sureness),
        intercept=fitted.intercept,
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


def minimum_score(
    reads: Sequence[Read], texts: Sequence[IndexedText], relevance: Relevance, is_right: IsRight
) -> float:
    """The score that the right text of all but a small share of the answerable questions reaches."""
    reached: list[float] = []
    for read in reads:
        right = np.array([is_right(read.query, text) for text in texts]) & read.visible
        if right.any():
            reached.append(float(read.scores(relevance)[right].max()))
    return round(float(np.quantile(np.array(reached), _HIDDEN)), 4)


def section_frequencies(sentences: Indexed) -> tuple[dict[str, int], int]:
    """In how many sections each stem occurs, and how many sections there are."""
    titles = {document.doc_id: document.title for document in sentences.documents}
    sections: dict[tuple[str, str], list[str]] = {}
    for entry in sentences.texts:
        sections.setdefault((entry.doc_id, entry.section), [titles[entry.doc_id], entry.section]).append(entry.text)
    return word_frequencies(" ".join(parts) for parts in sections.values()), len(sections)


def _retrieved(document: IndexedDocument, entry: IndexedText, score: float, signals: Matrix) -> Retrieved:
    return Retrieved(
        doc_id=entry.doc_id,
        title=document.title,
        section=entry.section,
        doc_type=document.kind,
        building_id=document.building,
        text=entry.text,
        score=score,
        asked_similarity=float(signals[ASKED_SIGNAL]),
        section_asked_similarity=float(signals[ASKED_SIGNAL + 1]),
    )


def _descending(scores: Matrix) -> list[int]:
    return np.argsort(-scores, kind="stable").tolist()


def _held_out(evidence: Sequence[Evidence]) -> list[tuple[Matrix, bool]]:
    """For each question the sureness of the best sentence by a ranker that had not seen it, and whether it is right."""
    held_out: list[tuple[Matrix, bool]] = []
    for fold in sorted({item.fold for item in evidence}):
        weights = _fit_ranker([item for item in evidence if item.fold != fold])
        held_out += [_best(item, weights) for item in evidence if item.fold == fold]
    return held_out


def _best(item: Evidence, weights: Matrix) -> tuple[Matrix, bool]:
    levels = item.rows @ weights
    shown = sureness(read_question(item.query.query), item.candidates, item.rows, levels)
    return np.array(shown), any(bool(item.right[place]) for place in places_to_quote(item.candidates, levels.tolist()))


def _fit_ranker(evidence: Sequence[Evidence]) -> Matrix:
    return fit_order([(item.rows, item.right) for item in evidence if item.right.any()])
