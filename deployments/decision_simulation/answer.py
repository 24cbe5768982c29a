"""Answers a question from the knowledge base, or says that it can't: only what can be cited is passed on."""

import logging
import re
from collections.abc import Sequence

from core.errors import Unavailable
from core.messages import Retrieved
from core.ports.intelligence import LanguageModel
from core.request import Answer, Citation

LOG = logging.getLogger(__name__)

CONFIDENCE_FLOOR = 0.7
"""An answer less sure than this is not given: a wrong answer costs the resident more than twice what the wait for a
person does, and with calibrated confidence c it is worth giving from c / (1 - c) = 7 / 3 on."""

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

        Raises `Unavailable` where no model could be asked.
        """
        evidence = in_scope(sentences, building_id)
        if not evidence:
            return None
        failure: Unavailable | None = None
        for model in self._models:
            try:
                answer = await model.answer(question, evidence)
            except Unavailable as problem:
                LOG.warning("A language model is unavailable", extra={"source": model.source, "code": problem.code})
                failure = problem
                continue
            if answer is None or is_grounded(answer, evidence):
                return answer if answer is not None and answer.confidence >= self._floor else None
            LOG.warning("An answer is not borne out by its sentences", extra={"source": model.source})
            failure = None
        if failure is not None:
            raise failure
        return None


def in_scope(sentences: Sequence[Retrieved], building_id: str | None) -> list[Retrieved]:
    """The sentences that hold for this building; without one, only those that hold for every building."""
    return [sentence for sentence in sentences if sentence.building_id in ("all", building_id)]


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
