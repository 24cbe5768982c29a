"""The language model of an installation without one: it answers in the documents' own sentences."""

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from adapters.answer_evidence import FEATURES, measure, read_question
from adapters.artefacts import load
from adapters.knowledge_files import ANSWERS, ARTEFACT
from core.contract import Contract
from core.errors import ArtefactRefused
from core.messages import Retrieved
from core.request import Answer, Citation, Classification

MOST_SENTENCES = 3
_MORE_LIKELY_THAN_NOT = 0.5
_CLOSE_SECOND = 0.5
"""A further sentence of the same section is quoted from this share of the best one's odds on."""


class AnswerCalibration(Contract):
    """How evidence becomes the probability that a sentence answers the question, fitted on `kb/queries.jsonl`."""

    features: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float
    scale: float = Field(gt=0.0)
    """The best sentence's log-odds are stretched by this and shifted by `shift`, as the best of many is too sure."""
    shift: float
    frequencies: dict[str, int]
    """In how many sections each stem occurs."""
    sections: int = Field(ge=1)


class OfflineLanguageModel:
    """Answers by quoting, says how likely the quotation is the answer, and gives no labels."""

    source = "extract"

    def __init__(self, calibration: AnswerCalibration) -> None:
        """Take the calibration that was fitted for the indexed documents. Raises `ArtefactRefused` for another make."""
        if calibration.features != FEATURES or len(calibration.weights) != len(FEATURES):
            raise ArtefactRefused("The calibration of answers is of another make; run `python -m aam build`.")
        self._calibration = calibration

    @classmethod
    def open(cls, folder: Path) -> "OfflineLanguageModel":
        """With the calibration of the knowledge-base artefact in `folder`. Raises `ArtefactRefused`."""
        load(folder, ARTEFACT)
        try:
            return cls(AnswerCalibration.model_validate_json((folder / ANSWERS).read_bytes()))
        except (OSError, ValidationError) as problem:
            raise ArtefactRefused(
                f"The calibration of answers in {folder} can't be read; run `python -m aam build`."
            ) from problem

    async def classify(self, message_text: str) -> Classification | None:
        """None: quoting documents gives no labels."""
        return None

    async def answer(self, question: str, sentences: Sequence[Retrieved]) -> Answer | None:
        """The one to three sentences that answer best, quoted; None where the best is more likely wrong than right."""
        if not sentences:
            return None
        odds = self.log_odds(question, sentences)
        confidence = self.confidence(max(odds))
        if confidence < _MORE_LIKELY_THAN_NOT:
            return None
        quoted = [sentences[place] for place in places_to_quote(sentences, odds)]
        return Answer(
            text=" ".join(sentence.text for sentence in quoted),
            confidence=round(confidence, 4),
            source="extract",
            citations=tuple(
                Citation(doc_id=sentence.doc_id, section=sentence.section, quote=sentence.text) for sentence in quoted
            ),
        )

    def log_odds(self, question: str, sentences: Sequence[Retrieved]) -> list[float]:
        """For each sentence, the log-odds that it answers the question."""
        fitted = self._calibration
        rows = measure(read_question(question), sentences, fitted.frequencies, fitted.sections)
        return [
            fitted.intercept + sum(weight * value for weight, value in zip(fitted.weights, row, strict=True))
            for row in rows
        ]

    def confidence(self, log_odds: float) -> float:
        """The probability that the best sentence, which has these log-odds, answers the question."""
        return 1.0 / (1.0 + math.exp(-(self._calibration.scale * log_odds + self._calibration.shift)))


def places_to_quote(sentences: Sequence[Retrieved], log_odds: Sequence[float]) -> list[int]:
    """The place of the best sentence, then of those of its section that are nearly as likely; three at most."""
    best = max(range(len(sentences)), key=lambda place: log_odds[place])
    floor = log_odds[best] + math.log(_CLOSE_SECOND)
    near = [
        place
        for place, sentence in enumerate(sentences)
        if place != best
        and (sentence.doc_id, sentence.section) == (sentences[best].doc_id, sentences[best].section)
        and log_odds[place] >= floor
    ]
    near.sort(key=lambda place: -log_odds[place])
    return [best, *near[: MOST_SENTENCES - 1]]
