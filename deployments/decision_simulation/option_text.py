"""What the text of an option may say: lengths, no markup, no amounts of its own, and no promise that policy forbids."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.ports.intelligence import ProposedOption
from core.rules import ForbiddenPromise, OptionTemplate

TITLE_CHARACTERS = (3, 80)
LEAST_STEPS, MOST_STEPS = 2, 8
STEP_CHARACTERS = 160
REASONING_CHARACTERS = 300

_SPACE = re.compile(r"\s+")
_MARKUP = re.compile(r"[<>`{}\[\]\\|@]|\bhttps?:|\bwww\.|\b\w+\.(?:com|net|org|io|example)\b|\*\*", re.IGNORECASE)
_AMOUNT = re.compile(
    r"[$€£]\s?\d[\d,.]*\d|[$€£]\s?\d|\b\d[\d,.]*\s?(?:k\s)?(?:dollars?|usd|bucks|euros?|grand)\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")
_BETWEEN = r"[\w'’]*(?:[^\w'’]+[\w'’]+){0,3}?[^\w'’]+"
"""The end of a stem, and up to three words before the next."""


class Unfit(Exception):
    """An option that may not be offered; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class OptionText:
    """The checked words of an option."""

    title: str
    steps: tuple[str, ...]
    reasoning: str


class TextRules:
    """The rules for the words of an option; what a reviewed one promises, those drawn from it may promise too."""

    def __init__(self, promises: Iterable[ForbiddenPromise]) -> None:
        self._promises = [[_Phrase.of(words) for words in promise.phrases] for promise in promises]

    def checked(self, draft: ProposedOption, reviewed: Sequence[OptionTemplate], repairs: Counter[str]) -> OptionText:
        """The draft's words, mended where that is safe. Raises `Unfit`."""
        title, reasoning = tidied(draft.title), _whole_sentences(tidied(draft.reasoning))
        if not TITLE_CHARACTERS[0] <= len(title) <= TITLE_CHARACTERS[1]:
            raise Unfit("title_length")
        if not reasoning:
            raise Unfit("no_reasoning")
        if len(reasoning) < len(tidied(draft.reasoning)):
            repairs["reasoning_shortened"] += 1
        steps = _steps(draft.steps, repairs)
        # All that was drafted is judged, what is cut off included: a draft that promises is not to be trusted.
        self._require_honest(" \n".join([draft.title, *draft.steps, draft.reasoning]), reviewed)
        return OptionText(title, steps, reasoning)

    def is_plain(self, text: str) -> bool:
        """Whether a text of somebody else's may be repeated: without markup, amounts and what sounds like a promise."""
        try:
            self._require_honest(text, ())
        except Unfit:
            return False
        return True

    def _require_honest(self, said: str, reviewed: Sequence[OptionTemplate]) -> None:
        folded = tidied(unicodedata.normalize("NFKC", said))
        known = tidied(" \n".join(words for one in reviewed for words in (one.title, *one.steps, one.reasoning)))
        if _MARKUP.search(folded):
            raise Unfit("markup")
        if not set(_AMOUNT.findall(folded)) <= set(_AMOUNT.findall(known)):
            raise Unfit("amount_in_text")
        if any(_promises(folded, phrases) and not _promises(known, phrases) for phrases in self._promises):
            raise Unfit("forbidden_promise")


@dataclass(frozen=True)
class _Phrase:
    """Word stems in their order, with a few words between them."""

    stems: tuple[str, ...]
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, words: str) -> "_Phrase":
        stems = tuple(words.lower().split())
        return cls(stems, re.compile(r"\b" + _BETWEEN.join(map(re.escape, stems))))

    def is_in(self, lowered: str) -> bool:
        # Most texts hold not even one of the stems, which is far quicker to see than that the pattern does not fit.
        return all(stem in lowered for stem in self.stems) and self.pattern.search(lowered) is not None


def _promises(text: str, phrases: Iterable[_Phrase]) -> bool:
    lowered = text.lower()
    return any(phrase.is_in(lowered) for phrase in phrases)


def tidied(text: str) -> str:
    """The text in single spaces, without characters that nobody sees."""
    if text.isascii() and text.isprintable():
        return _SPACE.sub(" ", text).strip()
    visible = "".join(" " if unicodedata.category(each) == "Cc" else each for each in text if not _is_hidden(each))
    return _SPACE.sub(" ", visible).strip()


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Co", "Cs")


def _steps(drafted: Sequence[str], repairs: Counter[str]) -> tuple[str, ...]:
    distinct = {step.casefold(): step for step in reversed([tidied(each) for each in drafted])}
    short = [step for step in reversed(distinct.values()) if 0 < len(step) <= STEP_CHARACTERS]
    kept = tuple(short[:MOST_STEPS])
    if len(kept) < LEAST_STEPS:
        raise Unfit("too_few_steps")
    if len(kept) < len(drafted):
        repairs["steps_trimmed"] += 1
    return kept


def _whole_sentences(text: str) -> str:
    """The text's first sentences, as many as there is room for."""
    kept = ""
    for sentence in _SENTENCE_END.split(text):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > REASONING_CHARACTERS:
            break
        kept = longer
    return kept
