"""An embedder for tests that is quick and needs no artefact."""

import hashlib
from collections.abc import Sequence
from datetime import date

import numpy as np

from adapters.question_words import stems

DAY = date(2026, 7, 1)


class WordEmbedder:
    """Vectors of word counts, hashed: texts with the same words are near each other."""

    name, version = "words", "7"
    dimensions = 256

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> bytes:
        vector = np.full(self.dimensions, 1e-3, dtype="<f4")
        for word in stems(text):
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little") % self.dimensions] += 1
        return (vector / np.linalg.norm(vector)).astype("<f4").tobytes()
