"""The local text model: calibrated labels from what the encoder reads and from the words of the trade."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import ArtefactRefused
from core.labels import Category, Intent, Trade, Urgency
from core.ports.intelligence import MessageEncoder, Reading
from deployments.ai_processing.lexicon import VERSION as LEXICON_VERSION
from deployments.ai_processing.text_features import TextFeatures

Label = TypeVar("Label")
HeadName = Literal["category", "urgency", "intent", "trade"]
Certainty = Mapping[HeadName, float]
"""How probable the chosen label of each head is; without `trade` where there is none."""
HEADS: dict[HeadName, tuple[str, ...]] = {
    "category": tuple(Category),
    "urgency": tuple(Urgency),
    "intent": tuple(Intent),
    "trade": tuple(Trade),
}
MOST_ISSUES = 4
"""A message is read as raising one to so many issues."""
FOREIGN = 0.3
"""From this share of letters of another script than the Latin on, a message is in no language that the model knows."""
_DOUBT = 0.9
"""How much of the probability is then spread evenly over the labels: a person must look."""


@dataclass(frozen=True)
class RulePrecision:
    """How often a safety rule is right, measured on messages that it was not written for."""

    urgency: float
    """That a message on which one fires is an Emergency."""
    category: float
    """That such a message is of the rule's category."""


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
    several: bool
    """Whether the message raises more than one issue."""
    counts: tuple[float, ...]
    """Log-odds that it raises one, two, ... `MOST_ISSUES` of them."""
    starts: tuple[tuple[int, float], ...]
    """Each word's place in the text, and the log-odds that an issue begins there."""

    @property
    def category(self) -> Category:
        """The likeliest category."""
        return _likeliest(self.category_probabilities)

    @property
    def urgency(self) -> Urgency:
        """Emergency from its threshold on, else the likeliest of the others."""
        if self.urgency_probabilities[Urgency.EMERGENCY] >= self.emergency_threshold:
            return Urgency.EMERGENCY
        return self.urgency_but_emergency

    @property
    def urgency_but_emergency(self) -> Urgency:
        """The likeliest urgency below Emergency."""
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
        """The probability of each chosen label, as `Certainty`."""
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
    """Linear in the encoder's scores and in `TextFeatures`; each head has its weights and its temperature.

    Each text is computed by itself, so its answer is the same to the bit in any batch.
    """

    def __init__(self, encoder: MessageEncoder, arrays: Mapping[str, NDArray[Any]], version: str) -> None:
        """`arrays` as `models.text.train` writes them. Raises `ArtefactRefused` where they don't fit this code."""
        if str(arrays["lexicon"]) != LEXICON_VERSION:
            raise ArtefactRefused("The text model was trained on another lexicon; run `python -m aam build`.")
        for head, labels in HEADS.items():
            if tuple(arrays[f"{head}.labels"].tolist()) != labels:
                raise ArtefactRefused(f"The text model has other labels for {head}; run `python -m aam build`.")
        self.version = version
        self.emergency_threshold = float(arrays["emergency_threshold"])
        if arrays["rule_precision"].shape != (2,):
            raise ArtefactRefused("The text model says too little of the rules; run `python -m aam build`.")
        self.rule_precision = RulePrecision(*arrays["rule_precision"].tolist())
        self._several_threshold = float(arrays["several_threshold"])
        self._encoder = encoder
        self._scale: NDArray[np.float64] = arrays["encoder_scale"].astype(np.float64)
        self._features = TextFeatures([str(term) for term in arrays["vocabulary"]], arrays["idf"].astype(np.float64))
        self._weights: NDArray[np.float64] = arrays["weights"].astype(np.float64)
        self._bias: NDArray[np.float64] = arrays["bias"].astype(np.float64)
        if self._weights.shape != (self._features.size, sum(map(len, HEADS.values()))):
            raise ArtefactRefused("The text model's weights have the wrong shape; run `python -m aam build`.")

    def predict(self, texts: Sequence[str]) -> list[TextPrediction]:
        """Labels and issues of each text, in order."""
        return [self._predict(text, reading) for text, reading in zip(texts, self._encoder.read(texts), strict=True)]

    def _predict(self, text: str, reading: Reading) -> TextPrediction:
        indices, values = self._features.sparse(text)
        scores = np.array(reading.scores) * self._scale + values @ self._weights[indices] + self._bias
        doubt = _DOUBT if foreign_share(text) >= FOREIGN else 0.0
        found: dict[str, dict[Any, float]] = {}
        start = 0
        for head, labels in HEADS.items():
            probabilities = (1.0 - doubt) * _softmax(scores[start : start + len(labels)]) + doubt / len(labels)
            found[f"{head}_probabilities"] = dict(zip(labels, probabilities.tolist(), strict=True))
            start += len(labels)
        return TextPrediction(
            **found,
            emergency_threshold=self.emergency_threshold,
            several=raises_several(reading.counts, self._several_threshold),
            counts=reading.counts,
            starts=reading.starts,
        )


def raises_several(counts: Sequence[float], threshold: float) -> bool:
    """Whether there is more than one issue with at least this probability; `counts` are log-odds of one, two, ..."""
    return bool(1.0 - _softmax(np.array(counts))[0] >= threshold)


def foreign_share(text: str) -> float:
    """The share of the text's letters that are of another script than the Latin."""
    if text.isascii():
        return 0.0
    letters = [character for character in text if character.isalpha()]
    foreign = sum(not character.isascii() and not _is_latin(character) for character in letters)
    return foreign / max(1, len(letters))


def _is_latin(character: str) -> bool:
    return unicodedata.name(character, "").startswith("LATIN")


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def _likeliest(probabilities: Mapping[Label, float]) -> Label:
    return max(probabilities, key=probabilities.__getitem__)
