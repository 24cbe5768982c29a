"""Answers a question from the knowledge base, or says that it can't: only what can be cited is passed on."""

import asyncio
import logging
import math
import re
from collections.abc import Sequence

from core.errors import Unavailable
from core.messages import Retrieved
from core.ports.intelligence import LanguageModel
from core.request import Answer, Citation
from deployments.decision_simulation.question import MOST_PARTS, question_parts

LOG = logging.getLogger(__name__)

CONFIDENCE_FLOOR = 0.7
"""An answer less sure than this is not given: a wrong answer costs the resident more than twice what the wait for a
person does, and with calibrated confidence c it is worth giving from c / (1 - c) = 7 / 3 on."""

_COMMAND = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules?|polic(?:y|ies)|prompts?|previous|above)\b"
    r"|\bsystem prompt\b|\bas an ai\b|\byou are (?:now )?(?:an? )?(?:ai|assistant|language model)\b",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"\d+(?:[:.,]\d+)*")


class KnowledgeAnswerer:
    """Asks the language model, checks what it says against the sentences it was given, and falls back to quoting."""

    def __init__(
        self, model: LanguageModel, quoting: LanguageModel | None = None, floor: float = CONFIDENCE_FLOOR
    ) -> None:
        """`quoting` takes over where `model` is unavailable or its answer does not stand up to the check."""
        self._models = [model] if quoting is None or quoting is model else [model, quoting]
        self._floor = floor

    async def answer(
        self,
        question: str,
        building_id: str | None,
        passages: Sequence[Retrieved],
        sentences: Sequence[Retrieved],
    ) -> Answer | None:
        """The answer, or None where the sentences don't hold one that is sure enough.

        A message that asks several things is answered as a whole or not at all: what is left out would be forgotten.
        Raises `Unavailable` where no model could be asked.
        """
        evidence = in_scope(sentences, building_id)
        parts = question_parts(question)
        if not evidence or len(parts) > MOST_PARTS:
            return None
        answers = await asyncio.gather(*(self._answer_part(part, evidence) for part in parts))
        found = [answer for answer in answers if answer is not None]
        if len(found) < len(parts):
            return None
        whole = joined(found)
        return whole if whole.confidence >= self._floor else None

    async def _answer_part(self, question: str, evidence: Sequence[Retrieved]) -> Answer | None:
        failure: Unavailable | None = None
        for model in self._models:
            try:
                answer = await model.answer(question, evidence)
            except Unavailable as problem:
                LOG.warning("A language model is unavailable", extra={"source": model.source, "code": problem.code})
                failure = problem
                continue
            if answer is None or is_grounded(answer, evidence):
                return answer
            LOG.warning("An answer is not borne out by its sentences", extra={"source": model.source})
            failure = None
        if failure is not None:
            raise failure
        return None


def joined(answers: Sequence[Answer]) -> Answer:
    """The answers to the parts of a question as one, as sure as all of them together."""
    if len(answers) == 1:
        return answers[0]
    return Answer(
        text=" ".join(dict.fromkeys(answer.text for answer in answers)),
        confidence=round(math.prod(answer.confidence for answer in answers), 4),
        source="llm" if any(answer.source == "llm" for answer in answers) else "extract",
        citations=tuple(dict.fromkeys(citation for answer in answers for citation in answer.citations)),
    )


def in_scope(sentences: Sequence[Retrieved], building_id: str | None) -> list[Retrieved]:
    """The sentences that hold for this building; without one, only those that hold for every building.

    One that speaks to a machine in place of a resident is no evidence.
    """
    return [
        sentence
        for sentence in sentences
        if sentence.building_id in ("all", building_id) and not commands_a_machine(sentence.text)
    ]


def commands_a_machine(text: str) -> bool:
    """Whether a passage tries to tell a language model what to do; a first sieve, and no check rests on it."""
    return _COMMAND.search(text) is not None


def is_grounded(answer: Answer, evidence: Sequence[Retrieved]) -> bool:
    """Whether every citation quotes the evidence word for word, and every number of the text is in a quotation."""
    if not answer.citations or not all(_is_quoted(citation, evidence) for citation in answer.citations):
        return False
    quoted = {number for citation in answer.citations for number in _NUMBER.findall(citation.quote)}
    return all(number in quoted for number in _NUMBER.findall(answer.text))


def _is_quoted(citation: Citation, evidence: Sequence[Retrieved]) -> bool:
    return bool(citation.quote.strip()) and any(
        (citation.doc_id, citation.section) == (sentence.doc_id, sentence.section) and citation.quote in sentence.text
        for sentence in evidence
    )
