"""Explains the text model's labels by leaving out one part of the message at a time (Zeiler and Fergus, 2014)."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from core.errors import Invalid
from core.explanation import DrivingWord, Explanation
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.text import TextModel, TextPrediction

MOST_PARTS = 48
"""The model reads the message once for each; a longer message is cut into parts of several words."""
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_LEAST = 1e-6
"""Probabilities are kept this far from 0 and 1, so that their log-odds are finite."""

Label = TypeVar("Label")
Span = tuple[int, int]


def explain(text: str, model: TextModel, screen: SafetyScreen, version: str) -> Explanation:
    """What each part of the message adds to its category and urgency. Raises `Invalid` for a text without words."""
    spans = parts_of(text)
    if not spans:
        raise Invalid("The message has no words.")
    whole, *without = model.predict([text, *(_left_out(text, span) for span in spans)])
    finding = screen.screen(text)

    def words(before: float, after: Sequence[float]) -> tuple[DrivingWord, ...]:
        return tuple(
            DrivingWord(text=text[start:end], start=start, end=end, contribution=round(before - each, 4))
            for (start, end), each in zip(spans, after, strict=True)
        )

    category, urgency = whole.category, whole.urgency
    return Explanation(
        label=category,
        words=words(_category_odds(whole, category), [_category_odds(each, category) for each in without]),
        urgency=urgency,
        urgency_words=words(_urgency_odds(whole, urgency), [_urgency_odds(each, urgency) for each in without]),
        safety_rule=finding.rule_id if finding else None,
        model_version=version,
    )


def parts_of(text: str, most: int = MOST_PARTS) -> tuple[Span, ...]:
    """Where the parts of the text begin and end: single words, or as few neighbours together as keep to `most`."""
    words = [found.span() for found in _WORD.finditer(text)]
    size = max(1, math.ceil(len(words) / most))
    groups = [words[place : place + size] for place in range(0, len(words), size)]
    return tuple((group[0][0], group[-1][1]) for group in groups)


def _left_out(text: str, span: Span) -> str:
    return f"{text[: span[0]]}{text[span[1] :]}".strip() or "."


def _category_odds(prediction: TextPrediction, label: object) -> float:
    return _log_odds(prediction.category_probabilities, label)


def _urgency_odds(prediction: TextPrediction, label: object) -> float:
    return _log_odds(prediction.urgency_probabilities, label)


def _log_odds(probabilities: Mapping[Label, float], label: object) -> float:
    found = next(value for each, value in probabilities.items() if each == label)
    kept = min(max(found, _LEAST), 1.0 - _LEAST)
    return math.log(kept / (1.0 - kept))
