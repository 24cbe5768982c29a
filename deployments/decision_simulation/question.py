"""Splits a message into the things that it asks."""

import re

MOST_PARTS = 3
"""A message that asks more than this is for a person."""

_ASKING_WORD = (
    r"(?:what|what's|when|where|which|who|whose|how|why|can|could|may|do|does|did|is|are|am|will|would|should)\b"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_SEAM = re.compile(rf"(?:,?\s+and\s+(?:also\s+)?|;\s*|,\s+(?:also\s+)?)(?={_ASKING_WORD})", re.IGNORECASE)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|that|this|these|those|(?<!is )(?<!are )there|same)\b", re.IGNORECASE
)
_LEAST_WORDS = 4
"""A part of fewer words says too little to stand alone."""


def question_parts(message: str) -> list[str]:
    """Each thing that the message asks, in words that stand alone; the message itself where it asks one thing.

    A part that points back ("and when does it close?") or is very short stays with the one before it.
    """
    asking = [sentence for sentence in _SENTENCE.split(message.strip()) if "?" in sentence]
    pieces = [piece.strip() for sentence in asking for piece in _SEAM.split(sentence)]
    parts: list[str] = []
    for piece in pieces:
        if parts and not (_stands_alone(piece) and _stands_alone(parts[-1])):
            parts[-1] = f"{parts[-1]} {piece}"
        else:
            parts.append(piece)
    return parts if len(parts) > 1 else [message]


def _stands_alone(piece: str) -> bool:
    return len(piece.split()) >= _LEAST_WORDS and not _POINTS_BACK.search(piece)
