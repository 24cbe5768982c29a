"""A message as numbers: the concepts that it touches, its shape and its weighted terms."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from deployments.ai_processing.lexicon import CONCEPTS, concepts, terms

SHAPE = 5
CONCEPT_SCALE = 0.4
TERM_SCALE = 0.7
BLOCKS = {
    "concepts": slice(0, len(CONCEPTS)),
    "shape": slice(len(CONCEPTS), len(CONCEPTS) + SHAPE),
    "terms": slice(len(CONCEPTS) + SHAPE, None),
}
"""Where each block of features lies."""


class TextFeatures:
    """Turns a text into a sparse vector; the same code trains and serves."""

    def __init__(self, vocabulary: Sequence[str], idf: NDArray[np.float64]) -> None:
        """`idf` holds the inverse document frequency of each term of `vocabulary`."""
        self.vocabulary = tuple(vocabulary)
        self.idf = idf
        self.size = BLOCKS["shape"].stop + len(self.vocabulary)
        self._index = {term: index for index, term in enumerate(self.vocabulary)}

    @classmethod
    def fit(cls, texts: Iterable[str], *, min_documents: int = 2) -> "TextFeatures":
        """Features whose vocabulary is every term in at least `min_documents` of the texts."""
        documents = [set(terms(text)) for text in texts]
        counts = Counter(term for document in documents for term in document)
        vocabulary = sorted(term for term, count in counts.items() if count >= min_documents)
        idf = [log((1 + len(documents)) / (1 + counts[term])) + 1 for term in vocabulary]
        return cls(vocabulary, np.array(idf, dtype=np.float64))

    def sparse(self, text: str) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Indices and values of the features that are not zero, in blocks, in `BLOCKS`' order."""
        found = np.array(concepts(text), dtype=np.intp)
        term_indices, term_values = self._terms(text)
        indices = np.concatenate(
            [
                found + BLOCKS["concepts"].start,
                np.arange(SHAPE, dtype=np.intp) + BLOCKS["shape"].start,
                term_indices + BLOCKS["terms"].start,
            ]
        )
        values = np.concatenate([np.full(len(found), CONCEPT_SCALE), _shape(text), term_values])
        return indices, values

    def _terms(self, text: str) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        counts = Counter(self._index[term] for term in terms(text) if term in self._index)
        indices = np.array(sorted(counts), dtype=np.intp)
        weights = np.array([1 + log(counts[index]) for index in indices.tolist()], dtype=np.float64) * self.idf[indices]
        norm = float(np.linalg.norm(weights))
        return indices, weights * (TERM_SCALE / norm) if norm else weights


def _shape(text: str) -> NDArray[np.float64]:
    """Length, a question anywhere, exclamation marks, share of capitals, a question at the end; each about 0..1."""
    length = max(1, len(text))
    return np.array(
        [
            min(length / 400, 1.5),
            float("?" in text),
            min(text.count("!"), 3) / 3,
            sum(character.isupper() for character in text) / length,
            float(text.rstrip().endswith("?")),
        ],
        dtype=np.float64,
    )
