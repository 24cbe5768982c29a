"""The questions that are kept for texts: a query is often nearer to one of them than to what the document says."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.knowledge_files import CollectionName, lexical_folder, vectors_file
from adapters.lexical_index import LexicalIndex

EXHAUSTIVE = 20_000
"""Up to so many questions, comparing each is faster than the index of neighbours, and exact."""
_NONE = 0.0
"""The similarity of a text for which no question is kept."""

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Links:
    """Which questions belong to which texts."""

    questions: NDArray[np.int64]
    """Places of questions, in the order of the texts."""
    starts: NDArray[np.int64]
    """(texts + 1,): the questions of text i are from starts[i] to starts[i + 1] of `questions`."""

    @classmethod
    def of(cls, by_text: list[list[int]]) -> "Links":
        """From the questions of each text."""
        return cls(
            np.array([question for each in by_text for question in each], dtype=np.int64),
            np.concatenate([[0], np.cumsum([len(each) for each in by_text])]).astype(np.int64),
        )

    def rows(self, places: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The questions of these texts, one text after the other, and how many each has."""
        counts = self.starts[places + 1] - self.starts[places]
        ends = np.cumsum(counts)
        at = np.repeat(self.starts[places] - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)
        return self.questions[at], counts

    @cached_property
    def _by_question(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.questions, kind="stable")
        texts = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        return self.questions[order], texts[order]

    def texts(self, questions: NDArray[np.intp]) -> NDArray[np.intp]:
        """The places of the texts that these questions are kept for, each once."""
        held, texts = self._by_question
        starts, ends = np.searchsorted(held, questions), np.searchsorted(held, questions, side="right")
        found = [texts[start:end] for start, end in zip(starts, ends, strict=True)]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.intp)


@dataclass(frozen=True)
class AskedQuestions:
    """The questions of the texts of one collection."""

    vectors: Vector
    """(questions, dimensions), of unit length."""
    own: Links
    """The questions that the text itself answers."""
    section: Links
    """Those that its section answers."""
    words: LexicalIndex
    """The words of each text's own questions."""

    def similarity(self, vector: Vector) -> Vector:
        """The cosine similarity of every question, (questions,)."""
        return self.vectors @ vector

    def nearest(self, places: NDArray[np.intp], vector: Vector, similarity: Vector | None = None) -> Vector:
        """Of each of these texts, the similarity of the nearest of its own and of its section's questions, (n, 2).

        `similarity` is of every question, where it is known already. 0 for a text without any.
        """
        return np.column_stack([self._nearest(links, places, vector, similarity) for links in (self.own, self.section)])

    def _nearest(self, links: Links, places: NDArray[np.intp], vector: Vector, similarity: Vector | None) -> Vector:
        rows, counts = links.rows(places)
        found = np.full(len(places), _NONE, dtype=np.float32)
        if len(rows):
            near = self.vectors[rows] @ vector if similarity is None else similarity[rows]
            held = counts > 0
            found[held] = np.maximum.reduceat(near, (np.cumsum(counts) - counts)[held])
        return found

    def save(self, folder: Path, name: CollectionName) -> None:
        """Write them for `read_asked_questions`; the vectors are written with the collections."""
        np.savez(
            _links_file(folder, name),
            own=self.own.questions,
            own_starts=self.own.starts,
            section=self.section.questions,
            section_starts=self.section.starts,
        )
        self.words.save(lexical_folder(folder, name, asked=True))


def read_asked_questions(folder: Path, name: CollectionName) -> AskedQuestions | None:
    """The questions of a collection of the artefact in `folder`, mapped; None where no question is kept.

    Raises `OSError`, `ValueError`, `KeyError`.
    """
    if not _links_file(folder, name).is_file():
        return None
    with np.load(_links_file(folder, name), allow_pickle=False) as held:
        own, section = Links(held["own"], held["own_starts"]), Links(held["section"], held["section_starts"])
    return AskedQuestions(
        vectors=np.load(vectors_file(folder, "asked"), mmap_mode="r", allow_pickle=False),
        own=own,
        section=section,
        words=LexicalIndex.open(lexical_folder(folder, name, asked=True)),
    )


def _links_file(folder: Path, name: CollectionName) -> Path:
    return folder / f"asked_{name}.npz"
