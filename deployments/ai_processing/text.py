"""The local text model: calibrated heads for category, urgency, intent and trade, served with NumPy alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import ArtefactRefused
from core.labels import Category, Intent, Trade, Urgency
from deployments.ai_processing.lexicon import VERSION as LEXICON_VERSION
from deployments.ai_processing.text_features import TextFeatures

Label = TypeVar("Label")
HeadName = Literal["category", "urgency", "intent", "trade"]
HEADS: dict[HeadName, tuple[str, ...]] = {
    "category": tuple(Category),
    "urgency": tuple(Urgency),
    "intent": tuple(Intent),
    "trade": tuple(Trade),
}


@dataclass(frozen=True)
class TextPrediction:
    """Calibrated probabilities for the labels of each head, and the labels chosen by them."""

    category_probabilities: Mapping[Category, float]
    urgency_probabilities: Mapping[Urgency, float]
    intent_probabilities: Mapping[Intent, float]
    trade_probabilities: Mapping[Trade, float]
    """Given that the category is Maintenance."""
    emergency_threshold: float
    """From this probability on, the urgency is Emergency, though another may be likelier: a miss costs more."""

    @property
    def category(self) -> Category:
        """The likeliest category."""
        return _likeliest(self.category_probabilities)

    @property
    def urgency(self) -> Urgency:
        """Emergency from its threshold on, else the likeliest of the others."""
        if self.urgency_probabilities[Urgency.EMERGENCY] >= self.emergency_threshold:
            return Urgency.EMERGENCY
        return _likeliest({urgency: p for urgency, p in self.urgency_probabilities.items() if urgency.rank < 3})

    @property
    def intent(self) -> Intent:
        """The likeliest intent."""
        return _likeliest(self.intent_probabilities)

    @property
    def maintenance_trade(self) -> Trade:
        """The likeliest trade, should the category be Maintenance."""
        return _likeliest(self.trade_probabilities)

    @property
    def trade(self) -> Trade | None:
        """The likeliest trade; None where the category is another one."""
        return self.maintenance_trade if self.category is Category.MAINTENANCE else None

    @property
    def confidences(self) -> dict[HeadName, float]:
        """The probability of each chosen label; without `trade` where there is none."""
        found: dict[HeadName, float] = {
            "category": self.category_probabilities[self.category],
            "urgency": self.urgency_probabilities[self.urgency],
            "intent": self.intent_probabilities[self.intent],
        }
        if self.trade is not None:
            found["trade"] = self.trade_probabilities[self.trade]
        return found

    def probabilities(self, head: HeadName) -> list[float]:
        """The probabilities of a head's labels, in the order of `HEADS`."""
        return list(getattr(self, f"{head}_probabilities").values())

    def unsure(self, floor: float) -> tuple[HeadName, ...]:
        """The heads on which the model abstains: those whose chosen label is less probable than `floor`."""
        return tuple(head for head, confidence in self.confidences.items() if confidence < floor)


class TextModel:
    """Linear heads over `TextFeatures`, each with its temperature.

    Each text is computed by itself, so its answer is the same to the bit in any batch.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], version: str) -> None:
        """`arrays` as `models.text.train` writes them. Raises `ArtefactRefused` where they don't fit this code."""
        if str(arrays["lexicon"]) != LEXICON_VERSION:
            raise ArtefactRefused("The text model was trained on another lexicon; run `python -m aam build`.")
        for head, labels in HEADS.items():
            if tuple(arrays[f"{head}.labels"].tolist()) != labels:
                raise ArtefactRefused(f"The text model has other labels for {head}; run `python -m aam build`.")
        self.version = version
        self.emergency_threshold = float(arrays["emergency_threshold"])
        self.rule_precision = float(arrays["rule_precision"])
        """How often a message on which a safety rule fired was an Emergency, on the development voices."""
        self._features = TextFeatures([str(term) for term in arrays["vocabulary"]], arrays["idf"].astype(np.float64))
        self._weights: NDArray[np.float64] = arrays["weights"].astype(np.float64)
        self._bias: NDArray[np.float64] = arrays["bias"].astype(np.float64)
        if self._weights.shape != (self._features.size, sum(map(len, HEADS.values()))):
            raise ArtefactRefused("The text model's weights have the wrong shape; run `python -m aam build`.")

    def predict(self, texts: Sequence[str], embeddings: Sequence[bytes]) -> list[TextPrediction]:
        """Probabilities for each text; `embeddings` are its unit vectors, 384 float32 little-endian."""
        return [self._predict(text, embedding) for text, embedding in zip(texts, embeddings, strict=True)]

    def _predict(self, text: str, embedding: bytes) -> TextPrediction:
        indices, values = self._features.sparse(text, embedding)
        scores = values @ self._weights[indices] + self._bias
        found: dict[str, dict[Any, float]] = {}
        start = 0
        for head, labels in HEADS.items():
            probabilities = _softmax(scores[start : start + len(labels)])
            found[f"{head}_probabilities"] = dict(zip(labels, probabilities.tolist(), strict=True))
            start += len(labels)
        return TextPrediction(**found, emergency_threshold=self.emergency_threshold)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def _likeliest(probabilities: Mapping[Label, float]) -> Label:
    return max(probabilities, key=probabilities.__getitem__)
