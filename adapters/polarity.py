"""Whether a reworded sentence still says yes where its source says yes, and keeps the source's conditions."""

import re

from adapters.question_words import stems
from adapters.relations import keeps_relations, sentences

_CLAUSE = re.compile(r"[;:.!?]|,|\b(?:but|and|while|whereas|however)\b", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot|without|closed|forbidden|prohibited|banned|denied"
    r"|refused|illegal|excluded)\b|n['’]t\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:unless|except|excluding|only|provided|otherwise|other than|apart from|if|until you|as long as)\b",
    re.IGNORECASE,
)


def keeps_sense(text: str, source: str) -> bool:
    """Whether each clause of the text is negative where the nearest clause of its source is, no condition is lost, and
    figures keep their order and what is said of them.

    The nearest clause is the one that shares the most content words. It errs on the side of no: what it refuses is
    quoted in place of being reworded.
    """
    if not keeps_relations(text, source):
        return False
    if _CONDITION.search(_nearest(text, sentences(source))) and not _CONDITION.search(text):
        return False
    clauses = _clauses(source)
    return all(_is_negative(clause) == _is_negative(_nearest(clause, clauses)) for clause in _clauses(text))


def _is_negative(clause: str) -> bool:
    return len(_NEGATION.findall(clause)) % 2 == 1


def _clauses(text: str) -> list[str]:
    return [part for part in _CLAUSE.split(text) if stems(part)] or [text]


def _nearest(clause: str, candidates: list[str]) -> str:
    wanted = set(stems(clause))
    return max(candidates, key=lambda each: len(wanted.intersection(stems(each))))
