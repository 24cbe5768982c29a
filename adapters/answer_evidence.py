"""How well a sentence of the knowledge base bears out a question, in a few numbers."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from adapters.question_words import stems
from core.messages import Retrieved

FEATURES = (
    "similarity",
    "behind_best",
    "section_lead",
    "asked_similarity",
    "asked_behind_best",
    "section_asked_similarity",
    "question_covered",
    "said_itself",
    "words_in_common",
    "heading_named",
    "sentence_covered",
    "unknown_words",
    "unknown_subject",
    "form_matches",
    "form_missing",
    "asks_for_news",
)
_FEW_WORDS = 5
"""In a question of up to so many content words, a word that no document holds is likely to be its subject."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_ASKING = _any(
    r"\b(?:what|whats|when|where|which|who|whose|how|why|hours|hrs|qué|cuánto|cuándo|cómo|dónde|puedo|hay)\b",
    r"\b(?:can|could|may|might|must|should|is|are|am|do|does|did|will|would)\b",
)
_NEWS = _any(
    r"\bany (?:news|update|word)|\bsome (?:news|answer)|\bupdate on\b|\banything on\b|\bfollowing up|\bstill waiting",
    r"\bheard (?:back|anything|from)|\bhave you (?:found|heard|spoke|done)|\bdid (?:you|u|they)\b|\b(?:you|u) said\b",
    r"\b(?:has|have|did|was|were) (?:my|our|the|it|you|u|somebody|anybody|anything)\b",
    r"\bwhens? the .{0,20}(?:coming|back)|\bgone? out yet|\bcome in\b|\byet\b",
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_FORMS = (
    # A time or a day.
    (
        _any(r"\bwhat (?:time|hours?|day)|\bwhen\b|\bhours?\b|\bhrs\b|\buntil\b|\bopen\b|\bcloses?\b|\bhora\b"),
        re.compile(
            r"\d{1,2}:\d{2}|\b\d{1,2} ?[AP]M\b|\bany hour|\bdusk\b|days?\b|\b\d{1,2}(?:st|nd|rd|th)\b"
            rf"|\b(?:{_MONTHS})\b"
        ),
    ),
    # An amount of money.
    (
        _any(
            r"\bhow much\b|\bcosts?\b|\bfees?\b|\bprice|\bcharged?\b|\brent a\b|\bexpensive|\bpay for|\bfree\b",
            r"\bwhat'?s the monthly|\bincluded?\b|\brefund|\breimburse|\bcuánto",
        ),
        _any(r"\$|%|\bfree\b|\bno (?:cost|charge|fee|pet rent)|\bincluded\b|months?'s? rent|without cost"),
    ),
    # A length of time.
    (
        _any(r"\bhow (?:long|soon|often|late|far ahead|many (?:days|nights|weeks|hours))|\bnotice\b"),
        _any(
            r"\b(?:\d+|one|two|three) (?:business )?(?:minute|hour|day|night|week|month|year)", r"\d+ \w*days|quarter"
        ),
    ),
    # A place.
    (
        _any(r"\bwhere\b|\bdónde\b"),
        _any(r"\b(?:in|into|at|under|behind|next to|near|on|from) (?:the|your|our|a|level|every|any)\b"),
    ),
    # A count or a size.
    (
        _any(r"\bhow (?:many|big|tall|large)|\blimit\b|\bmaximum\b"),
        _any(r"\d|\b(?:one|two|three|four|five|no limit)\b"),
    ),
    # A permission.
    (
        _any(
            r"\b(?:can|may|could|might) (?:i|we|my|a|one|somebody)\b|\ballowed\b|\bpermitted\b",
            r"\bok(?:ay)? (?:to|for|if)",
        ),
        _any(r"\b(?:may|can|can't|allowed|permission|consent|welcome|only|needs?|never|don't|not)\b"),
    ),
)
"""What is asked, and what a sentence must hold to be an answer to it."""


@dataclass(frozen=True)
class Question:
    """A message reduced to what it asks."""

    words: frozenset[str]
    """Stems of the content words of the sentences that ask."""
    all_words: frozenset[str]
    """Stems of the content words of the whole message."""
    forms: tuple[re.Pattern[str], ...]
    """What a sentence must hold to be an answer to this form of question, such as a time of day."""
    asks_for_news: bool
    """It asks how a matter of the writer's own stands, which no document knows."""


def read_question(message: str) -> Question:
    """What the message asks."""
    asking = [part for part in _SENTENCE.split(message) if "?" in part or "¿" in part] or [
        part for part in _SENTENCE.split(message) if _ASKING.search(part)
    ]
    focus = " ".join(asking) or message
    return Question(
        words=frozenset(stems(focus)),
        all_words=frozenset(stems(message)),
        forms=tuple(answer for asked, answer in _FORMS if asked.search(focus)),
        asks_for_news=_NEWS.search(message) is not None,
    )


def word_frequencies(texts: Iterable[str]) -> dict[str, int]:
    """In how many of the texts each stem occurs."""
    frequencies: dict[str, int] = {}
    for text in texts:
        for word in set(stems(text)):
            frequencies[word] = frequencies.get(word, 0) + 1
    return frequencies


def measure(
    question: Question, candidates: Sequence[Retrieved], frequencies: Mapping[str, int], texts: int
) -> list[tuple[float, ...]]:
    """The `FEATURES` of each candidate sentence for this question.

    `frequencies` and `texts` come from the whole knowledge base: a rare word weighs more, and a word that the
    knowledge base does not know at all weighs most.
    """

    def weigh(words: Iterable[str]) -> float:
        return sum(math.log((texts + 1) / (frequencies.get(word, 0) + 0.5)) for word in words)

    total = weigh(question.words) or 1.0
    unknown = weigh(word for word in question.words if word not in frequencies) / total
    subject = unknown if len(question.words) <= _FEW_WORDS else 0.0
    best = _best_by_section(candidates)
    most_asked = max((candidate.asked_similarity for candidate in candidates), default=0.0)
    rows: list[tuple[float, ...]] = []
    for candidate in candidates:
        section = (candidate.doc_id, candidate.section)
        sentence, heading, known = _known(candidate.section, candidate.title, candidate.text)
        held = [form.search(candidate.text) is not None for form in question.forms]
        rows.append(
            (
                candidate.score,
                candidate.score - max(best.values()),
                best[section] - max((score for other, score in best.items() if other != section), default=0.0),
                candidate.asked_similarity,
                candidate.asked_similarity - most_asked,
                candidate.section_asked_similarity,
                weigh(question.words & known) / total,
                weigh(question.words & sentence) / total,
                math.log1p(weigh(question.all_words & known)),
                weigh(heading & question.all_words) / (weigh(heading) or 1.0),
                weigh(sentence & question.all_words) / (weigh(sentence) or 1.0),
                unknown,
                subject,
                sum(held) / len(held) if held else 0.0,
                (len(held) - sum(held)) / len(held) if held else 0.0,
                float(question.asks_for_news),
            )
        )
    return rows


def _best_by_section(candidates: Sequence[Retrieved]) -> dict[tuple[str, str], float]:
    """The score of the best sentence of each section among them."""
    best: dict[tuple[str, str], float] = {}
    for candidate in candidates:
        section = (candidate.doc_id, candidate.section)
        best[section] = max(best.get(section, -1.0), candidate.score)
    return best


@lru_cache(maxsize=4096)
def _known(section: str, title: str, text: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The stems of the sentence, of its heading, and of both together with the title."""
    sentence, heading = frozenset(stems(text)), frozenset(stems(section))
    return sentence, heading, sentence | heading | frozenset(stems(title))
