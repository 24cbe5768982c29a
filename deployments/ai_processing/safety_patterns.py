"""The pattern language of the life-safety rules: lists of words, and how far apart in a clause they may stand.

A pattern is terms joined by `>` (in this order), `+` (in any order) or `&` (anywhere in the clause), each but `&` with
the number of words that may stand between, `NEAR` where none is given: `SMELL +4 gas|propane`, `DOOR > NOT >2 lock*`.
A term is alternatives joined by `|`: the name of a list in capitals, or words joined by `_`, where `*` ends a stem
and `/` parts alternatives within a phrase (`wont/doesnt_lock`).
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

NEAR = 6
"""Words that may stand between two terms."""
_WORD = re.compile(r"[a-z0-9]+|,")
_PAUSE = re.compile(r"[,:()\"\u2013\u2014\u201c\u201d]+|\s-+\s")
_JOINT = re.compile(r"(?:([>+])(\d*)|(&))")
_TERM = re.compile(r"[a-zA-Z0-9_*|/,]+")

Span = tuple[int, int]
"""First word and the one after the last."""


@dataclass(frozen=True)
class Term:
    """A concept and where it must stand, seen from the term before it."""

    concept: int
    joint: str
    gap: int


@dataclass(frozen=True)
class Pattern:
    """Terms that must all be met in one clause."""

    terms: tuple[Term, ...]
    needs: int
    """One bit for each concept among the terms."""
    key: int
    """The concept among them that the fewest words stand for."""
    whole: bool = False
    """The words must be all that the clause says."""


@dataclass(frozen=True)
class Clause:
    """The words of a clause and what stands in it."""

    words: tuple[str, ...]
    phrases: Sequence[tuple[Span, int]]
    """Each known word or phrase, by where it begins, with one bit for each concept that it stands for."""
    concepts: int
    """One bit for each concept that stands in it."""
    _spans: dict[int, Sequence[Span]] = field(default_factory=dict[int, Sequence[Span]])

    def has(self, concept: int) -> bool:
        """Whether the concept stands in it."""
        return bool(self.concepts >> concept & 1)

    def spans(self, concept: int) -> Sequence[Span]:
        """Where the concept stands, in order."""
        if concept not in self._spans:
            bit = 1 << concept
            self._spans[concept] = [span for span, concepts in self.phrases if concepts & bit]
        return self._spans[concept]

    def text(self, spans: Sequence[Span]) -> str:
        """The words from the first to the last of the spans."""
        return " ".join(self.words[min(span[0] for span in spans) : max(span[1] for span in spans)])


_Following = tuple[str, ...]
"""The words of a phrase after the first; `*` ends a stem."""


@dataclass(frozen=True)
class _Beginning:
    """What a word can begin."""

    alone: int
    """The concepts that it stands for by itself."""
    longer: Mapping[str, Sequence[tuple[_Following, int]]]
    """Phrases and their concepts, by the word that comes second."""
    stems: Sequence[tuple[_Following, int]]
    """Phrases whose second word is a stem."""

    def at(self, start: int, words: Sequence[str]) -> Iterator[tuple[Span, int]]:
        """What does begin there."""
        if self.alone:
            yield (start, start + 1), self.alone
        if start + 1 < len(words):
            for following, concepts in (*self.longer.get(words[start + 1], ()), *self.stems):
                if _follows(following, words, start + 1):
                    yield (start, start + 1 + len(following)), concepts


@dataclass
class Vocabulary:
    """All words that any pattern asks for, each with the concepts that it stands for."""

    lists: Mapping[str, str]
    """Words and phrases by the name of their list, separated by blanks; a name in capitals includes that list."""
    compounds: str
    """Phrases that stand for one thing of their own: a word inside one counts for nothing ("fire pit")."""
    _concepts: dict[str, int] = field(default_factory=dict[str, int])
    _phrases: dict[str, dict[_Following, int]] = field(default_factory=dict[str, dict[_Following, int]])
    """The concepts of phrases by their first word or stem, and the words that follow it."""
    _sizes: dict[int, int] = field(default_factory=dict[int, int])
    """How many phrases stand for a concept."""

    def __post_init__(self) -> None:
        """Learn the compounds."""
        self._begins: Callable[[str], _Beginning] = lru_cache(maxsize=16_384)(self._look_up)
        self._compound = self.concept("|".join(self.compounds.split()))

    def concept(self, term: str) -> int:
        """The number of a term. Raises `KeyError` for a list that is not there, `ValueError` for a malformed term."""
        if term not in self._concepts:
            if not _TERM.fullmatch(term):
                raise ValueError(f"{term!r} is no term")
            number = self._concepts[term] = len(self._concepts)
            for first, *following in self._expand(term.split("|"), ()):
                known = self._phrases.setdefault(first, {})
                known[tuple(following)] = known.get(tuple(following), 0) | 1 << number
                self._sizes[number] = self._sizes.get(number, 0) + 1
            self._begins = lru_cache(maxsize=16_384)(self._look_up)
        return self._concepts[term]

    def list_of(self, name: str) -> int:
        """The number of a list. Raises `KeyError` for one that is not there."""
        if name not in self.lists:
            raise KeyError(name)
        return self.concept(name)

    def pattern(self, text: str) -> Pattern:
        """Compile a pattern. Raises `KeyError` and `ValueError` as `concept` does."""
        parts = text.split()
        if len(parts) % 2 == 0:
            raise ValueError(f"{text!r} does not alternate terms and joints")
        terms = [Term(self.concept(parts[0]), "", 0)]
        for joint, term in zip(parts[1::2], parts[2::2], strict=True):
            match = _JOINT.fullmatch(joint)
            if match is None:
                raise ValueError(f"{joint!r} in {text!r} is no joint")
            terms.append(Term(self.concept(term), match[1] or match[3], int(match[2] or NEAR)))
        return self._pattern(terms)

    def whole(self, term: str) -> Pattern:
        """The pattern of a term that must be all that a clause says. Raises as `concept` does."""
        return self._pattern([Term(self.concept(term), "", 0)], whole=True)

    def _pattern(self, terms: Sequence[Term], *, whole: bool = False) -> Pattern:
        key = min((term.concept for term in terms), key=lambda concept: self._sizes[concept])
        return Pattern(tuple(terms), _union(1 << term.concept for term in terms), key, whole)

    def read(self, clause: str) -> Clause:
        """Find every concept in a clause, given as normalised text."""
        words = tuple(_WORD.findall(_PAUSE.sub(",", clause)))
        found = [phrase for start, word in enumerate(words) for phrase in self._begins(word).at(start, words)]
        compound = 1 << self._compound
        if covers := [span for span, concepts in found if concepts & compound]:
            inside = _covers(covers, len(words))
            found = [phrase for phrase in found if not _hidden(phrase[0], inside)]
        return Clause(words, found, _union(concepts for _, concepts in found))

    def _expand(self, entries: Sequence[str], seen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for entry in entries:
            if not entry.isupper():
                yield from product(*(part.split("/") for part in entry.split("_")))
            elif entry in seen:
                raise ValueError(f"the list {entry} includes itself")
            else:
                yield from self._expand(self.lists[entry].split(), (*seen, entry))

    def _look_up(self, word: str) -> _Beginning:
        found: dict[_Following, int] = {}
        for first in (word, *(f"{word[:length]}*" for length in range(1, min(len(word), 24) + 1))):
            for following, concepts in self._phrases.get(first, {}).items():
                found[following] = found.get(following, 0) | concepts
        alone = found.pop((), 0)
        longer: dict[str, list[tuple[_Following, int]]] = {}
        for following, concepts in sorted(found.items(), key=lambda entry: len(entry[0])):
            longer.setdefault("*" if following[0].endswith("*") else following[0], []).append((following, concepts))
        return _Beginning(alone, longer, longer.pop("*", ()))


def find(pattern: Pattern, clause: Clause) -> Iterator[tuple[Span, ...]]:
    """Every place where the pattern is met: for each one of its first term, the nearest of the others."""
    if clause.concepts & pattern.needs != pattern.needs:
        return
    for first in clause.spans(pattern.terms[0].concept):
        if pattern.whole and first != (0, len(clause.words)):
            continue
        spans = [first]
        for term in pattern.terms[1:]:
            span = _nearest(term, clause.spans(term.concept), spans)
            if span is None:
                break
            spans.append(span)
        else:
            yield tuple(spans)


def _nearest(term: Term, candidates: Sequence[Span], taken: Sequence[Span]) -> Span | None:
    start, end = taken[-1]
    after = bisect_left(candidates, (end, 0))
    following = candidates[after] if after < len(candidates) else None
    if term.joint == ">":
        return following if following and following[0] - end <= term.gap else None
    reach = term.gap if term.joint == "+" else len(candidates) and candidates[-1][1] + end
    near = [*candidates[max(0, after - 3) : after], *candidates[after : after + 2]]
    if term.joint == "&":
        near += [*candidates[:2], *candidates[-2:]]
    apart = [(max(span[0] - end, start - span[1]), span) for span in near if not _overlaps(span, taken)]
    distance, span = min(apart, default=(reach + 1, None))
    return span if distance <= reach else None


def _overlaps(span: Span, taken: Sequence[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in taken)


def _follows(following: Sequence[str], words: Sequence[str], start: int) -> bool:
    if start + len(following) > len(words):
        return False
    return all(
        words[start + place].startswith(stem[:-1]) if stem.endswith("*") else words[start + place] == stem
        for place, stem in enumerate(following)
    )


def _covers(compounds: Sequence[Span], length: int) -> Sequence[Span | None]:
    inside: list[Span | None] = [None] * length
    for start, end in compounds:
        for place in range(start, end):
            wider = inside[place]
            if wider is None or wider[1] - wider[0] < end - start:
                inside[place] = (start, end)
    return inside


def _hidden(span: Span, inside: Sequence[Span | None]) -> bool:
    cover = inside[span[0]]
    return cover is not None and span[1] <= cover[1] and span != cover


def _union(bits: Iterable[int]) -> int:
    union = 0
    for more in bits:
        union |= more
    return union
