"""Finds messages that are written nearly alike, by the character sequences that they share."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import numpy as np

from models.corpus_reader import Message

# scikit-learn has no types of its own.
_extraction: Any = import_module("sklearn.feature_extraction.text")

ALIKE = 0.85
"""Cosine of the character sequences from which two texts are the same but for a word or a slip."""
SAME = 0.93
"""Cosine from which they say the same in the same words, so that their labels must not differ."""
SHORT = 4
"""Texts of at most so many words ("no hot water") are what anybody would write; they may recur."""
CHUNK = 512
_NOT_WORDS = re.compile(r"[^\w]+")


@dataclass(frozen=True)
class Pair:
    """Two messages, and how alike they are written, 0 to 1."""

    first: Message
    second: Message
    likeness: float

    @property
    def excused(self) -> bool:
        """One is so short that anybody may have written much the same."""
        return max(len(self.first.text.split()), len(self.second.text.split())) <= SHORT

    @property
    def differences(self) -> tuple[str, ...]:
        """The labels on which the two differ."""
        heads = ("category", "urgency", "intent", "trade")
        differ = [head for head in heads if getattr(self.first, head) != getattr(self.second, head)]
        return (*differ, "issues") if _labels(self.first) != _labels(self.second) else tuple(differ)


def like_pairs(messages: Sequence[Message], alike: float = ALIKE) -> list[Pair]:
    """All pairs at least so alike, the most alike first; some seconds for six thousand messages.

    The likeness is the cosine of TF-IDF weights of four-character sequences; case, accents and punctuation don't count,
    figures do: flats and dates are what two real messages differ in.
    """
    if len(messages) < 2:
        return []
    sequences = _extraction.TfidfVectorizer(
        analyzer="char_wb", ngram_range=(4, 4), preprocessor=_plain, dtype=np.float32
    )
    matrix = sequences.fit_transform([message.text for message in messages])
    columns = matrix.T.tocsr()
    pairs: list[Pair] = []
    for begin in range(0, len(messages), CHUNK):
        found = (matrix[begin : begin + CHUNK] @ columns).tocoo()
        near = (found.data >= alike) & (found.row + begin < found.col)
        rows, others = cast(list[int], found.row[near].tolist()), cast(list[int], found.col[near].tolist())
        for row, other, likeness in zip(rows, others, cast(list[float], found.data[near].tolist()), strict=True):
            pairs.append(Pair(messages[begin + row], messages[other], min(1.0, likeness)))
    return sorted(pairs, key=lambda pair: -pair.likeness)


def contradictions(pairs: Sequence[Pair], same: float = SAME) -> list[Pair]:
    """Those that say the same and are labelled differently."""
    return [pair for pair in pairs if pair.likeness >= same and pair.differences]


def _plain(text: str) -> str:
    letters = (each for each in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(each))
    return _NOT_WORDS.sub(" ", "".join(letters)).strip()


def _labels(message: Message) -> list[tuple[str, str, str | None]]:
    return [(issue.category, issue.urgency, issue.trade) for issue in message.issues]
