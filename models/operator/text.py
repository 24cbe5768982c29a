"""What a report says, as a few columns: sentence vectors or hashed terms, reduced on training reports alone."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from core.errors import ArtefactRefused
from models.operator.features import Columns, Rows

COMPONENTS = 100
BUCKETS = 4096
FITTED_ON = 4_000
"""Reports; the directions are found among these."""
GRAMS = (3, 4, 5)
TERMS = "terms"
CHUNK = 4096
TERM = re.compile(r"[^\W_]+")

Encode = Callable[[Sequence[str]], Rows]


class Embedder(Protocol):
    """Makes unit vectors of texts."""

    version: str

    def embed(self, texts: Sequence[str]) -> list[bytes]: ...


@dataclass(frozen=True)
class Projection:
    """A truncated singular value decomposition (principal components) of the training reports' vectors."""

    kind: str
    scale: Rows
    """What each dimension is multiplied by, before the vector is made a unit again."""
    mean: Rows
    components: Rows
    """Of shape (dimensions, k)."""

    def columns(self, vectors: Rows) -> Columns:
        """The vectors' coordinates, as columns named after their kind."""
        names = tuple(f"{self.kind}_{index}" for index in range(self.components.shape[1]))
        return Columns(names, ((_units(vectors * self.scale) - self.mean) @ self.components).astype(np.float32))

    def save(self, file: Path) -> None:
        """As arrays, without objects."""
        kind, scale = np.array(self.kind), self.scale
        np.savez_compressed(file, kind=kind, scale=scale, mean=self.mean, components=self.components)

    @classmethod
    def load(cls, file: Path) -> Projection:
        """Raises `ArtefactRefused` where the file can't be read."""
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return cls(str(arrays["kind"]), arrays["scale"], arrays["mean"], arrays["components"])
        except (OSError, KeyError, ValueError) as error:
            raise ArtefactRefused(f"{file} can't be read; train anew.") from error


def text_columns(kind: str, encode: Encode, texts: Sequence[str], training: int) -> tuple[Projection, Columns]:
    """Columns of all texts, by a projection fitted on the first `training` of them."""
    step = max(1, training // FITTED_ON)
    projection = fit_projection(kind, encode(texts[:training:step]))
    chunks = [texts[first : first + CHUNK] for first in range(0, len(texts), CHUNK)]
    parts = [projection.columns(encode(chunk)) for chunk in chunks]
    return projection, Columns(parts[0].names, np.vstack([part.values for part in parts]).astype(np.float32))


def fit_projection(kind: str, vectors: Rows, components: int = COMPONENTS) -> Projection:
    """From the eigenvectors of the vectors' inner products, or of their covariance where they are more than wide.

    Terms are first multiplied by how rare they are (inverse document frequency).
    """
    scale = _rarity(vectors) if kind == TERMS else np.ones(vectors.shape[1], np.float32)
    units = _units(vectors * scale)
    mean = units.mean(axis=0)
    centred = (units - mean).astype(np.float64)
    few = len(centred) < centred.shape[1]
    values, directions = np.linalg.eigh(centred @ centred.T if few else centred.T @ centred)
    # A direction in which nothing varies is none.
    count = min(components, int((values > 1e-6 * max(float(values[-1]), 1e-12)).sum()))
    kept = directions[:, ::-1][:, :count]
    kept = centred.T @ kept / np.sqrt(values[::-1][:count]) if few else kept
    if not count:
        return Projection(kind, scale, mean, np.zeros((vectors.shape[1], 1), np.float32))
    # An eigenvector's sign is arbitrary; fixed, the same reports give the same columns.
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])
    return Projection(kind, scale, mean, (kept * signs).astype(np.float32))


def _rarity(vectors: Rows) -> Rows:
    holding = (vectors > 0.0).sum(axis=0)
    return np.log((len(vectors) + 1.0) / (holding + 1.0)).astype(np.float32)


def _units(vectors: Rows) -> Rows:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def hashed_terms(texts: Sequence[str]) -> Rows:
    """Unit vectors over `BUCKETS` buckets of words and their parts: log of 1 + how often a bucket's occur."""
    counts = np.zeros((len(texts), BUCKETS), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in TERM.findall(text.lower()):
            np.add.at(counts[row], _buckets(word), 1.0)
    return _units(np.log1p(counts))


@lru_cache(maxsize=100_000)
def _buckets(word: str) -> list[int]:
    """Of the word itself and of its parts of some letters, with its ends marked."""
    whole = f"<{word}>"
    parts = [whole[at : at + size] for size in GRAMS for at in range(len(whole) - size + 1)]
    return [zlib.crc32(term.encode()) % BUCKETS for term in (word, *(f"#{part}" for part in parts))]


def sentence_vectors(embedder: Embedder) -> Encode:
    """Texts to vectors; each text is embedded once."""
    known: dict[str, npt.NDArray[np.float32]] = {}

    def encode(texts: Sequence[str]) -> Rows:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        for text, vector in zip(new, embedder.embed(new), strict=True):
            known[text] = np.frombuffer(vector, dtype="<f4")
        return np.stack([known[text] for text in texts])

    return encode
