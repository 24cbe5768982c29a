"""What a negation, an "if" or an excuse has to say about the words of a clause in which the safety screen looks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deployments.ai_processing.safety_patterns import Clause, Span

NEGATION_REACH = 4
SUPPOSITION_REACH = 7
"""Words that a negation and an "if" govern, unless the clause turns before."""


@dataclass(frozen=True)
class Governor:
    """Words that govern those after them: a negation, a supposition."""

    words: int
    ending: int
    """The concept at which their reach ends early."""
    reach: int


@dataclass(frozen=True)
class Excuse:
    """A guard, as numbers of concepts."""

    words: int
    not_with: int | None
    within: int


@dataclass(frozen=True)
class Scoped:
    """A clause and which of its words are negated or only supposed."""

    clause: Clause
    governed: Mapping[int, Span]
    """For each such word, where what governs it stands."""

    def states(self, spans: Sequence[Span]) -> bool:
        """Whether the words are said to be so; a negation that is itself among them counts for nothing."""
        governors = [self.governed.get(start) for start, _ in spans] if self.governed else []
        return not any(governor and governor not in spans and not within(governor, spans) for governor in governors)

    def has(self, guard: Excuse, match: Sequence[Span]) -> bool:
        """Whether a guard is stated, other than by the words of the match."""
        if not self.clause.has(guard.words) or (guard.not_with is not None and self.clause.has(guard.not_with)):
            return False
        return any(
            self.states(((start, end), *match))
            and not within((start, end), match)
            and distance((start, end), match) <= guard.within
            for start, end in self.clause.spans(guard.words)
        )


def scope(clause: Clause, governors: Iterable[Governor]) -> Scoped:
    """The clause with its governed words; of two governors of a word, the later one counts."""
    governed: dict[int, Span] = {}
    for governor in governors:
        ends = {start for start, _ in clause.spans(governor.ending)}
        for span in clause.spans(governor.words):
            for place in range(span[1], span[1] + governor.reach):
                if place in ends:
                    break
                governed[place] = span
    return Scoped(clause, governed)


def distance(span: Span, spans: Sequence[Span]) -> int:
    """How many words stand between a span and a match; none where they overlap."""
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    return max(span[0] - last, first - span[1], 0)


def within(span: Span, spans: Sequence[Span]) -> bool:
    """Whether a span lies inside one of others."""
    return any(start <= span[0] and span[1] <= end for start, end in spans)
