"""How sure the best sentence is, from how far it is ahead of the others and what the question itself shows."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.answer_evidence import FEATURES, Question
from core.messages import Retrieved

TAKEN = ("asked_similarity", "section_asked_similarity", "unknown_words", "unknown_subject", "asks_for_news")
"""Those of the evidence's features that count once more."""
SURENESS = ("level", "ahead_of_sections", "share_of_section", *TAKEN, "length")
_AHEAD_OF_NOTHING = 2.0
"""Levels; where all candidates are of one section."""
_TAKEN_PLACES = [FEATURES.index(name) for name in TAKEN]


def sureness(
    question: Question, candidates: Sequence[Retrieved], rows: NDArray[np.float64], levels: NDArray[np.float64]
) -> tuple[float, ...]:
    """The `SURENESS` of the candidate with the highest level.

    `rows` is its and the others' evidence, (candidates, features), and `levels` orders them, (candidates,).
    """
    best = int(np.argmax(levels))
    section = (candidates[best].doc_id, candidates[best].section)
    same = np.array([(candidate.doc_id, candidate.section) == section for candidate in candidates])
    second = float(levels[~same].max()) if not same.all() else float(levels.min()) - _AHEAD_OF_NOTHING
    raised = np.exp(levels - levels[best])
    return (
        float(levels[best]),
        float(levels[best]) - second,
        float(raised[same].sum() / raised.sum()),
        *(float(rows[best, place]) for place in _TAKEN_PLACES),
        math.log1p(len(question.all_words)),
    )
