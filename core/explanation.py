"""Which words of a message its labels hang on."""

from typing import Literal

from pydantic import Field

from core.contract import Contract
from core.labels import Category, Urgency


class DrivingWord(Contract):
    """A part of the message, and what it adds to a label."""

    text: str
    start: int = Field(ge=0)
    """Its place in the message, in characters."""
    end: int = Field(ge=0)
    """The place after its last character."""
    contribution: float = Field(allow_inf_nan=False)
    """How much the label's log-odds fall when the part is left out; below 0 where it speaks against the label."""


class Explanation(Contract):
    """What each word adds to the local model's category and urgency."""

    label: Category
    """What the local model reads; a rule, a person or a language model may have said otherwise."""
    words: tuple[DrivingWord, ...]
    """In the order of the message; all of it is covered, but for what stands between words."""
    urgency: Urgency
    urgency_words: tuple[DrivingWord, ...]
    safety_rule: str | None = None
    """The life-safety rule that fires on the message, which decides whatever the words add."""
    method: Literal["occlusion"] = "occlusion"
    """Zeiler and Fergus, 2014: each part is left out once, and the model is asked again."""
    model_version: str
