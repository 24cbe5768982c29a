"""The language model of an installation without one: it answers in the documents' own sentences."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from adapters.answer_confidence import SURENESS, sureness
from adapters.answer_evidence import FEATURES, measure, read_question
from adapters.artefacts import load
from adapters.knowledge_files import ANSWERS, ARTEFACT
from core.contract import Contract
from core.errors import ArtefactRefused
from core.messages import Retrieved
from core.ports.intelligence import ProposedOption
from core.request import Answer, Citation, Classification
from core.rules import CataloguedOption

MOST_SENTENCES = 3
_MORE_LIKELY_THAN_NOT = 0.5
_CLOSE_SECOND = 0.5
"""A further sentence of the same section is quoted from this share of the best one's odds on."""
_QUALIFIES = re.compile(
    r"(?:but|however|except|unless|only|otherwise|this does not|that does not|not)\b", re.IGNORECASE
)
"""How a sentence begins that takes back a part of the one before it."""


class AnswerCalibration(Contract):
    """How evidence becomes the probability that a sentence answers the question, fitted on `kb/queries.jsonl`."""

    features: tuple[str, ...]
    weights: tuple[float, ...]
    """What orders the sentences: the weights of `features`."""
    sureness: tuple[str, ...]
    sureness_weights: tuple[float, ...]
    intercept: float
    frequencies: dict[str, int]
    """In how many sections each stem occurs."""
    sections: int = Field(ge=1)


class OfflineLanguageModel:
    """Answers by quoting, says how likely the quotation is the answer, and gives no labels."""

    source = "extract"

    def __init__(self, calibration: AnswerCalibration) -> None:
        """Take the calibration that was fitted for the indexed documents. Raises `ArtefactRefused` for another make."""
        fits = (calibration.features, calibration.sureness) == (FEATURES, SURENESS) and (
            len(calibration.weights),
            len(calibration.sureness_weights),
        ) == (len(FEATURES), len(SURENESS))
        if not fits:
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
        levels, confidence = self.weigh(question, sentences)
        if confidence < _MORE_LIKELY_THAN_NOT:
            return None
        quoted = [sentences[place] for place in places_to_quote(sentences, levels)]
        return Answer(
            text=" ".join(sentence.text for sentence in quoted),
            confidence=round(confidence, 4),
            source="extract",
            citations=tuple(
                Citation(doc_id=sentence.doc_id, section=sentence.section, quote=sentence.text) for sentence in quoted
            ),
        )

    async def propose(
        self,
        message_text: str,
        labels: Classification,
        passages: Sequence[Retrieved],
        catalogue: Sequence[CataloguedOption],
    ) -> tuple[ProposedOption, ...]:
        """None: without a language model, the catalogue's options are the ones there are."""
        return ()

    def weigh(self, question: str, sentences: Sequence[Retrieved]) -> tuple[list[float], float]:
        """For each sentence, the log-odds of being the one that answers but for a constant of the question.

        And the probability, 0 to 1, that the best of them answers it.
        """
        fitted, asked = self._calibration, read_question(question)
        rows = np.array(measure(asked, sentences, fitted.frequencies, fitted.sections))
        levels = rows @ np.array(fitted.weights)
        shown = sureness(asked, sentences, rows, levels)
        odds = fitted.intercept + sum(
            weight * value for weight, value in zip(fitted.sureness_weights, shown, strict=True)
        )
        return levels.tolist(), 1.0 / (1.0 + math.exp(-odds))


def places_to_quote(sentences: Sequence[Retrieved], log_odds: Sequence[float]) -> list[int]:
    """The place of the best sentence, then those of its section that qualify it or are nearly as likely; three at most.

    A sentence that begins with an exception is quoted however unlikely it is: without it, the best one says too much.
    """
    best = max(range(len(sentences)), key=lambda place: log_odds[place])
    floor = log_odds[best] + math.log(_CLOSE_SECOND)
    near = [
        place
        for place, sentence in enumerate(sentences)
        if place != best
        and (sentence.doc_id, sentence.section) == (sentences[best].doc_id, sentences[best].section)
        and (log_odds[place] >= floor or _QUALIFIES.match(sentence.text))
    ]
    near.sort(key=lambda place: (not _QUALIFIES.match(sentences[place].text), -log_odds[place]))
    return [best, *near[: MOST_SENTENCES - 1]]
