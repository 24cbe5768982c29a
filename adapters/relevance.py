"""How near a text is in meaning and in words, made one number: the probability that it answers the query."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from adapters.answer_evidence import read_question
from adapters.asked_questions import EXHAUSTIVE, AskedQuestions
from adapters.knowledge_files import Parts
from adapters.lexical_index import LexicalIndex, QueryTerms, log_length
from core.contract import Contract
from core.errors import ArtefactRefused

RELEVANCE = "relevance.json"
SIGNALS = (
    "similarity",
    "sentence_similarity",
    "asked_similarity",
    "section_asked_similarity",
    "nearest",
    "own_words",
    "meant_words",
    "asked_words",
)
"""Of a query and a text; they order the texts: cosine similarity of the whole, of its nearest sentence, of the nearest
question kept for it and for its section, and of the nearest of all these; BM25 of what it says and of the questions
kept for it."""
ASKED_SIGNAL = SIGNALS.index("asked_similarity")
FEATURES = (*SIGNALS, "unknown_words", "asks_for_news", "length")
"""The others are of the query alone and say how sure the first text is."""

Vector = NDArray[np.float64]


class Relevance(Contract):
    """A logistic regression over `FEATURES`, fitted on `kb/queries.jsonl`."""

    features: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float

    def scores(self, signals: Vector, traits: tuple[float, ...]) -> Vector:
        """The probability, 0 to 1, for texts with these `SIGNALS`, (n, s), for a query with these traits; (n,)."""
        of_text, of_query = self.weights[: len(SIGNALS)], self.weights[len(SIGNALS) :]
        level = self.intercept + sum(weight * trait for weight, trait in zip(of_query, traits, strict=True))
        odds = signals @ np.array(of_text) + level
        return 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))


class RelevanceOf(Contract):
    """How each collection is scored."""

    passages: Relevance
    sentences: Relevance


def read_relevance(folder: Path) -> RelevanceOf:
    """The fitted weights of the artefact in `folder`. Raises `ArtefactRefused` for another make."""
    try:
        found = RelevanceOf.model_validate_json((folder / RELEVANCE).read_bytes())
    except (OSError, ValidationError) as problem:
        raise ArtefactRefused(f"The scores in {folder} are of another make; run `python -m aam build`.") from problem
    for each in (found.passages, found.sentences):
        if each.features != FEATURES or len(each.weights) != len(FEATURES):
            raise ArtefactRefused(f"The scores in {folder} are of another make; run `python -m aam build`.")
    return found


@dataclass(frozen=True)
class Matched:
    """One query against the words of every text of a collection, and against its questions where they are few."""

    vector: NDArray[np.float32]
    terms: QueryTerms
    own: NDArray[np.float32]
    """(n,): BM25 by the query's own words."""
    meant: NDArray[np.float32]
    """(n,): by the words that they stand for."""
    asked_words: NDArray[np.float32]
    """(n,): by both, over the questions kept for each text."""
    asked: NDArray[np.float32] | None
    """(questions,): cosine similarity; None where the questions are too many to compare each."""


@dataclass(frozen=True)
class TextIndex:
    """What one collection is searched by."""

    vectors: NDArray[np.float32]
    """(n, dimensions), of unit length."""
    words: LexicalIndex
    parts: Parts | None = None
    """The sentences of each text; None where the texts are sentences themselves."""
    asked: AskedQuestions | None = None
    """None where no question is kept for any text."""

    def match(self, query: str, vector: NDArray[np.float32]) -> Matched:
        """Compare the query with what does not depend on the choice of candidates."""
        terms = self.words.read(query)
        own, meant = self.words.scores(terms)
        asked_words, asked = np.zeros_like(own), None
        if self.asked is not None:
            asked_words = sum(self.asked.words.scores(self.asked.words.read(query)), start=asked_words)
            asked = self.asked.similarity(vector) if len(self.asked.vectors) <= EXHAUSTIVE else None
        return Matched(vector, terms, own, meant, asked_words, asked)

    def signals(self, matched: Matched, places: NDArray[np.intp]) -> Vector:
        """The `SIGNALS` of the texts at these places, (n, s)."""
        whole = self.vectors[places] @ matched.vector
        nearest = whole if self.parts is None else np.maximum(self.parts.nearest(places, matched.vector), whole)
        asked = np.zeros((len(places), 2), dtype=np.float32)
        if self.asked is not None:
            asked = self.asked.nearest(places, matched.vector, matched.asked)
        most = np.maximum(nearest, asked.max(axis=1))
        words = (matched.own[places], matched.meant[places], matched.asked_words[places])
        return np.column_stack([whole, nearest, asked, most, *words]).astype(np.float64)


def query_traits(query: str, terms: QueryTerms) -> tuple[float, ...]:
    """The features that are of the query alone, in their order."""
    return terms.unknown, _asks_for_news(query), log_length(terms)


@lru_cache(maxsize=4096)
def _asks_for_news(query: str) -> float:
    return float(read_question(query).asks_for_news)
