"""Finds texts by the words that they share with a query: Okapi BM25 over stems, in files that processes map and share.

The formula and its sparse matrix of precomputed weights are those of `bm25s` (Lù 2024, "BM25S: Orders of magnitude
faster lexical search via eager sparse scoring"), with Lucene's inverse document frequency.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from numpy.typing import NDArray

from adapters.question_words import stems
from adapters.resident_words import EVERYDAY
from adapters.spanish import in_english

K1, B = 1.2, 0.5
"""Saturation by repetition, and by length: sections are short and of much the same length."""
_HIGH = 0.4
_SHORTEST_TYPO = 5
"""Letters; in shorter words one letter makes another word."""

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class QueryTerms:
    """A query as the index knows its words."""

    own: tuple[int, ...]
    """The index's terms that the query holds itself, misspelt by one letter at most."""
    meant: tuple[int, ...]
    """Those that stand for a word of the query in the documents' language."""
    words: int
    """How many different content words the query has."""
    unknown: float
    """The share of them, 0..1, that neither the documents nor the table of residents' words knows."""


def plain_stems(text: str) -> list[str]:
    """The stems of a text without its accents."""
    decomposed = unicodedata.normalize("NFD", text)
    return stems("".join(letter for letter in decomposed if not unicodedata.combining(letter)))


class LexicalIndex:
    """BM25 over one collection of texts."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self._terms: dict[str, int] = {term: place for term, place in index.vocab_dict.items() if term}
        self._lacking: dict[str, list[str]] | None = None
        self._nearly = lru_cache(maxsize=4096)(self._find_nearly)

    @classmethod
    def build(cls, texts: Sequence[str]) -> "LexicalIndex":
        """Index these texts; a text's place is its id. The same texts give the same bytes."""
        held = [plain_stems(text) for text in texts]
        terms = {term: place for place, term in enumerate(sorted({term for each in held for term in each}))}
        index: Any = bm25s.BM25(k1=K1, b=B, method="lucene")
        index.index(([[terms[term] for term in each] for each in held], terms), show_progress=False)
        return cls(index)

    @classmethod
    def open(cls, folder: Path) -> "LexicalIndex":
        """The index in `folder`, mapped and not read: processes share its pages. Raises `OSError`, `ValueError`."""
        opening: Any = bm25s.BM25
        return cls(opening.load(folder, mmap=True, show_progress=False))

    def save(self, folder: Path) -> None:
        """Write it for `open`."""
        self._index.save(folder, show_progress=False)

    def __len__(self) -> int:
        """How many texts are indexed."""
        return int(self._index.scores["num_docs"])

    def read(self, query: str) -> QueryTerms:
        """The query's words as this index knows them."""
        said = plain_stems(in_english(query))
        meant, explained = _meant_by(said)
        found = {word: self._nearly(word) for word in dict.fromkeys(said)}
        own = dict.fromkeys(place for place in found.values() if place is not None)
        others = dict.fromkeys(self._terms[word] for word in meant if word in self._terms)
        unknown = sum(place is None and word not in explained for word, place in found.items())
        return QueryTerms(
            own=tuple(own),
            meant=tuple(place for place in others if place not in own),
            words=len(found),
            unknown=unknown / len(found) if found else 0.0,
        )

    def scores(self, terms: QueryTerms) -> tuple[Scores, Scores]:
        """The BM25 scores of every text, (n,) and at least 0: by the query's own words, and by those that they mean."""
        return self._sum(terms.own), self._sum(terms.meant)

    def _sum(self, terms: Sequence[int]) -> Scores:
        if not terms:
            return np.zeros(len(self), dtype=np.float32)
        return self._index.get_scores_from_ids(np.array(terms))

    def _find_nearly(self, word: str) -> int | None:
        """The term that is this word, or the first that one letter more, less, other or swapped makes of it."""
        if (place := self._terms.get(word)) is not None or len(word) < _SHORTEST_TYPO or not word.isalpha():
            return place
        if self._lacking is None:
            self._lacking = _by_lacking_letter(term for term in self._terms if len(term) >= _SHORTEST_TYPO)
        shortened = (word, *_lacking_letter(word))
        near = (term for each in shortened for term in self._lacking.get(each, ()) if _differ_by_one(word, term))
        return self._terms.get(next(near, ""))


def best_places(scores: Scores, visible: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """The places of the `count` best scores above 0 among the visible ones, in no order."""
    # Most of the texts share only everyday words with the query; the best are found among the others.
    for floor in (_HIGH * float(scores.max(initial=0.0)), 0.0):
        held = np.flatnonzero(scores > floor)
        held = held[visible[held]]
        if len(held) >= count:
            break
    if len(held) <= count:
        return held
    return held[np.argpartition(-scores[held], count)[:count]]


def _meant_by(said: Sequence[str]) -> tuple[list[str], set[str]]:
    """The documents' stems for what was said, and the stems said that they stand for."""
    meant: list[str] = []
    explained: set[str] = set()
    for length in range(1, _LONGEST + 1):
        for start in range(len(said) - length + 1):
            phrase = tuple(said[start : start + length])
            if phrase in _MEANINGS:
                meant += _MEANINGS[phrase]
                explained.update(phrase)
    return meant, explained


def _read_meanings(tables: Iterable[str]) -> Mapping[tuple[str, ...], tuple[str, ...]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for line in (line for table in tables for line in table.splitlines() if line):
        meaning, _, phrases = line.partition(":")
        for phrase in phrases.split(","):
            if key := tuple(plain_stems(phrase)):
                found.setdefault(key, []).extend(plain_stems(meaning))
    return {phrase: tuple(dict.fromkeys(meanings)) for phrase, meanings in found.items()}


_MEANINGS = _read_meanings((EVERYDAY,))
_LONGEST = max(len(phrase) for phrase in _MEANINGS)


def _lacking_letter(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place in range(len(word))]


def _by_lacking_letter(terms: Iterable[str]) -> dict[str, list[str]]:
    """The terms by each word that they are, or that they become by losing one letter (Garbe's SymSpell)."""
    found: dict[str, list[str]] = {}
    for term in terms:
        for each in dict.fromkeys((term, *_lacking_letter(term))):
            found.setdefault(each, []).append(term)
    return found


def _differ_by_one(word: str, term: str) -> bool:
    """Whether one inserted, left out, changed or swapped letter makes the one of the other; never the first letter."""
    if word[0] != term[0] or abs(len(word) - len(term)) > 1:
        return False
    same = next((place for place, pair in enumerate(zip(word, term, strict=False)) if pair[0] != pair[1]), None)
    if same is None:
        return True
    rest, other = word[same:], term[same:]
    swapped = rest[:2] == other[1::-1] and rest[2:] == other[2:] and len(rest) > 1
    return rest[1:] == other[1:] or rest[1:] == other or rest == other[1:] or swapped


def log_length(terms: QueryTerms) -> float:
    """How long a query is, on a scale on which a word more means less the longer it is."""
    return math.log1p(terms.words)
