"""The form that Gemini's answers must have, and the check that makes them into the system's own values."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from adapters.masking import Masked
from adapters.polarity import keeps_sense
from adapters.question_words import stems
from core.contract import Contract, Probability
from core.errors import LanguageModelUnavailable
from core.labels import Category, Intent, Trade, Urgency
from core.messages import Retrieved
from core.request import Answer, Citation, Classification, Issue

MOST_ISSUES = 6
MOST_SENTENCES = 3
MOST_CHARACTERS = 400
"""Of one sentence of an answer."""
SUPPORTED = 0.6
"""The share of a sentence's words that its citations or the question must hold."""

Form = TypeVar("Form", bound=Contract)

_NUMBER = re.compile(r"\d+(?:[:.,]\d+)*")
_MARKUP = re.compile(r"[<>`{}\[\]]|https?:|www\.", re.IGNORECASE)


class OpinionIssue(Contract):
    """One thing that somebody must act on."""

    text: str
    """Copied word for word from the message."""
    category: Category
    urgency: Urgency
    trade: Trade | None


class Opinion(Contract):
    """The labels of a message."""

    category: Category
    urgency: Urgency
    intent: Intent
    trade: Trade | None
    """Only with the category Maintenance; else null."""
    confidence: Probability
    issues: tuple[OpinionIssue, ...] = Field(max_length=MOST_ISSUES)
    """Empty for a message with one issue."""


class WordedSentence(Contract):
    """One sentence of an answer."""

    text: str
    cites: tuple[str, ...] = Field(max_length=MOST_SENTENCES)
    """Ids of the given sentences that it rests on."""


class Wording(Contract):
    """An answer, sentence by sentence."""

    sentences: tuple[WordedSentence, ...] = Field(max_length=MOST_SENTENCES)
    confidence: Probability


OPINION_SCHEMA: dict[str, Any] = Opinion.model_json_schema()
WORDING_SCHEMA: dict[str, Any] = Wording.model_json_schema()


def read_opinion(answer: str, message: str, masked: Masked, model_version: str) -> Classification:
    """The classification that the answer states. Raises `LanguageModelUnavailable`, reason `invalid`."""
    opinion = read_form(answer, Opinion)
    if not all(_is_legal(part) for part in (opinion, *opinion.issues)):
        raise _invalid("The answer's labels don't go together.")
    issues = tuple(
        Issue(text=masked.unmask(issue.text), category=issue.category, urgency=issue.urgency, trade=issue.trade)
        for issue in opinion.issues
    )
    if not all(issue.text.strip() and issue.text in message for issue in issues):
        raise _invalid("An issue of the answer is no part of the message.")
    return Classification(
        category=opinion.category,
        urgency=opinion.urgency,
        intent=opinion.intent,
        trade=opinion.trade,
        confidence=opinion.confidence,
        source="llm",
        emergency=opinion.urgency is Urgency.EMERGENCY,
        issues=issues if len(issues) > 1 else (),
        model_version=model_version,
    )


def read_wording(answer: str, question: str, masked: Masked, given: Sequence[Retrieved]) -> Answer | None:
    """Those sentences of the answer that rest on what they cite; None where none does.

    Raises `LanguageModelUnavailable`, reason `invalid`.
    """
    wording = read_form(answer, Wording)
    known = {sentence_id(place): sentence for place, sentence in enumerate(given)}
    kept: list[tuple[str, list[Retrieved]]] = []
    for worded in wording.sentences:
        text = masked.unmask(worded.text).strip()
        if all(cited in known for cited in worded.cites):
            cited = [known[each] for each in dict.fromkeys(worded.cites)]
            if _rests_on(text, cited, question):
                kept.append((text, cited))
    if not kept:
        return None
    quoted = list(dict.fromkeys((each.doc_id, each.section, each.text) for _, cited in kept for each in cited))
    return Answer(
        text=" ".join(text for text, _ in kept),
        # What had to be dropped speaks against the rest.
        confidence=round(wording.confidence * len(kept) / len(wording.sentences), 4),
        source="llm",
        citations=tuple(Citation(doc_id=doc, section=section, quote=quote) for doc, section, quote in quoted),
    )


def sentence_id(place: int) -> str:
    """`S1` for the first sentence."""
    return f"S{place + 1}"


def read_form(answer: str, form: type[Form]) -> Form:
    """The answer in its form. Raises `LanguageModelUnavailable`, reason `invalid`."""
    try:
        return form.model_validate_json(answer)
    except ValidationError as problem:
        where = f"{problem.error_count()} times, first {problem.errors(include_input=False)[0]['type']}"
    # What was said is not repeated: it may hold the message.
    raise _invalid(f"The answer does not fit its schema ({where}).")


def _is_legal(part: Opinion | OpinionIssue) -> bool:
    return (part.trade is not None) == (part.category is Category.MAINTENANCE)


def _rests_on(text: str, cited: Sequence[Retrieved], question: str) -> bool:
    """Whether its numbers and most of its words are in what it cites, and it does not say something else with them."""
    quotes = " ".join(sentence.text for sentence in cited)
    if not cited or not text or len(text) > MOST_CHARACTERS or (_MARKUP.search(text) and text not in quotes):
        return False
    if not set(_NUMBER.findall(text)) <= set(_NUMBER.findall(quotes)):
        return False
    words, known = stems(text), {*stems(quotes), *stems(question)}
    return sum(word in known for word in words) >= SUPPORTED * len(words) and keeps_sense(text, quotes)


def _invalid(detail: str) -> LanguageModelUnavailable:
    return LanguageModelUnavailable(detail, "invalid")
