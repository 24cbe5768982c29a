"""The language model Gemini: second opinions on messages, answers worded from sentences, and drafts of options."""

import json
import logging
from collections.abc import Sequence

from adapters.gemini_answers import (
    OPINION_SCHEMA,
    WORDING_SCHEMA,
    read_opinion,
    read_wording,
    sentence_id,
)
from adapters.gemini_client import GeminiClient, StructuredQuestion, token_bound
from adapters.gemini_options import OPTIONS_SCHEMA, given_content, given_sources, read_drafts
from adapters.gemini_prompts import ANSWER, CLASSIFY, PROPOSE
from adapters.masking import mask
from core.errors import LanguageModelUnavailable
from core.messages import Retrieved
from core.ports.intelligence import LanguageModel, ProposedOption
from core.request import Answer, Classification
from core.rules import CataloguedOption

LABEL_TOKENS = 256
"""What the labels take; the issues' texts, copied from the message, come on top."""
MOST_LABEL_TOKENS = 2048
WORDING_TOKENS = 512
DRAFT_TOKENS = 1536

_log = logging.getLogger(__name__)


class GeminiLanguageModel:
    """Asks Gemini with personal data masked, and passes on only what stands up to a check."""

    source = "llm"

    def __init__(
        self, client: GeminiClient, quoting: LanguageModel, *, opinion_deadline_s: float, answer_deadline_s: float
    ) -> None:
        """`quoting` answers where Gemini can't."""
        self._client, self._quoting = client, quoting
        self._opinion_deadline_s, self._answer_deadline_s = opinion_deadline_s, answer_deadline_s

    async def classify(self, message_text: str) -> Classification | None:
        """Gemini's labels. Raises `LanguageModelUnavailable`, whose reason says why there are none."""
        masked = mask(message_text)
        question = StructuredQuestion(
            instruction=CLASSIFY,
            content=json.dumps({"message": masked.text}, ensure_ascii=False),
            schema=OPINION_SCHEMA,
            output_tokens=min(LABEL_TOKENS + token_bound(masked.text), MOST_LABEL_TOKENS),
            purpose="classify",
        )
        answer = await self._client.ask(question, self._opinion_deadline_s)
        return read_opinion(answer, message_text, masked, self._client.model)

    async def answer(self, question: str, sentences: Sequence[Retrieved]) -> Answer | None:
        """An answer of which each sentence rests on given ones; quoted where Gemini can't be asked or is not valid."""
        if not sentences:
            return None
        try:
            return await self._word(question, sentences)
        except LanguageModelUnavailable as problem:
            _log.warning("the language model did not answer (%s): %s", problem.reason, problem.detail)
        return await self._quoting.answer(question, sentences)

    async def propose(
        self,
        message_text: str,
        labels: Classification,
        passages: Sequence[Retrieved],
        catalogue: Sequence[CataloguedOption],
    ) -> tuple[ProposedOption, ...]:
        """Gemini's drafts of options, unchecked but for their form. Raises `LanguageModelUnavailable`."""
        if not catalogue:
            return ()
        masked = mask(message_text)
        content = given_content(masked, labels, passages, catalogue)
        question = StructuredQuestion(PROPOSE, content, OPTIONS_SCHEMA, DRAFT_TOKENS, "propose")
        answer = await self._client.ask(question, self._answer_deadline_s)
        return read_drafts(answer, masked, given_sources(passages, catalogue))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _word(self, question: str, sentences: Sequence[Retrieved]) -> Answer | None:
        masked = mask(question)
        given = [
            {"id": sentence_id(place), "about": f"{sentence.title}, {sentence.section}", "text": sentence.text}
            for place, sentence in enumerate(sentences)
        ]
        content = json.dumps({"question": masked.text, "sentences": given}, ensure_ascii=False)
        asked = StructuredQuestion(ANSWER, content, WORDING_SCHEMA, WORDING_TOKENS, "answer")
        answer = await self._client.ask(asked, self._answer_deadline_s)
        return read_wording(answer, question, masked, sentences)
