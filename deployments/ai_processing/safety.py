"""The deterministic life-safety screen: reviewed rules that run before any model and can only raise urgency."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from re import Pattern as Regex
from typing import Any

from core.contract import Contract
from core.errors import ArtefactRefused
from core.labels import Category, Trade, Urgency
from deployments.ai_processing.safety_patterns import Clause, Pattern, Span, Vocabulary, find
from deployments.ai_processing.safety_scope import (
    NEGATION_REACH,
    SUPPOSITION_REACH,
    Excuse,
    Governor,
    Scoped,
    distance,
    scope,
)

_CLAUSE_END = re.compile(
    r"(?<=[.!?;])\s+|[\n\r;]+"
    r"|,?\s(?:but|however|although|though|pero|yet|except|and now(?= there| the| i)|now(?= there))\s"
)
_APOSTROPHE = re.compile(r"[\u2019\u2018`\u00b4]")
_WITH_S = re.compile(r"\b(\w+)'s\b")
_JOINED_S = frozenset(
    [
        "it",
        "he",
        "she",
        "here",
        "there",
        "where",
        "that",
        "what",
        "who",
        "how",
        "let",
        "someone",
        "everyone",
        "anyone",
        "somebody",
        "everybody",
        "anybody",
        "nobody",
    ]
)
"""Words whose `'s` is kept as part of the word ("its", "theres"); that of a noun ("the heat's off") is dropped."""


class Guard(Contract):
    """Words that excuse a match in their clause: it is over, supposed, far away, or about something else."""

    words: str
    """A term of the pattern language."""
    not_with: str | None = None
    """A term that takes the excuse away ("they fixed it and it sparks again")."""
    within: int = 10
    """How many words from the match it may stand."""


class SafetyRule(Contract):
    """One hazard and the words that tell of it; the file of rules says how patterns are read."""

    id: str
    hazard: str
    reason: str
    category: Category
    trade: Trade | None = None
    amenity: bool = False
    """Where the clause names an amenity, the category is Amenities."""
    any_of: tuple[str, ...]
    alone: str | None = None
    """A term that tells of the hazard where it is all that a sentence says."""
    unless: tuple[str, ...] = ()
    no_guards: tuple[str, ...] = ()
    """Shared guards that do not hold for this rule."""
    guards: tuple[str, ...] = ()
    """Further guards that hold for it."""
    when: tuple[tuple[str, ...], ...] = ()
    """Alternatives; in each, all named contexts must be met in the message. Empty: always."""
    fires: tuple[str, ...]
    """Examples on which this rule, and no earlier one, fires."""
    silent: tuple[str, ...]
    """Examples on which no rule fires."""


class SafetyRules(Contract):
    """All rules, in the order in which they are applied, and what they share."""

    words: dict[str, str]
    compounds: str
    negation: str
    supposition: str
    supposition_end: str
    scope_end: str
    amenities: str
    guards: dict[str, Guard]
    shared_guards: tuple[str, ...]
    contexts: dict[str, tuple[str, ...]]
    """Regular expressions on the normalised message: numbers, temperatures, hours."""
    rules: tuple[SafetyRule, ...]


@dataclass(frozen=True)
class SafetyFinding:
    """A rule that fired and the words that it fired on."""

    rule_id: str
    hazard: str
    reason: str
    category: Category
    trade: Trade | None
    matched: str
    """The words as normalised: lower case, without accents, apostrophes and hyphens."""
    urgency: Urgency = Urgency.EMERGENCY


@dataclass(frozen=True)
class _CompiledRule:
    rule: SafetyRule
    patterns: tuple[Pattern, ...]
    unless: tuple[Pattern, ...]
    guards: tuple[Excuse, ...]


_FRAGMENT = 24
"""Characters of a clause that is read together with its neighbour."""

_EXCUSE_REACH = 10
"""Words from a match within which an `unless` counts."""


class SafetyScreen:
    """Looks for hazards in a message.

    A message is judged clause by clause, and only a match's own clause can excuse it; what else a message says can
    complete a rule's context and never take one away. So adding a sentence can't lower what the screen found.
    """

    def __init__(self, rules: SafetyRules, version: str) -> None:
        """Compile the rules. Raises `ArtefactRefused` for a pattern or a name that does not fit."""
        self.version = version
        self.rule_ids = tuple(rule.id for rule in rules.rules)
        if len(set(self.rule_ids)) != len(self.rule_ids):
            raise ArtefactRefused("Two safety rules have the same id.")
        try:
            self._compile(rules)
        except (re.error, KeyError, ValueError) as problem:
            raise ArtefactRefused(f"The safety rules can't be compiled: {problem}.") from problem

    def _compile(self, rules: SafetyRules) -> None:
        words = self._vocabulary = Vocabulary(rules.words, rules.compounds)
        self._governors = (
            Governor(words.concept(rules.supposition), words.concept(rules.supposition_end), SUPPOSITION_REACH),
            Governor(words.concept(rules.negation), words.concept(rules.scope_end), NEGATION_REACH),
        )
        self._amenities = words.concept(rules.amenities)
        guards = {name: _compile_guard(guard, words) for name, guard in rules.guards.items()}
        self._rules = tuple(_compile_rule(rule, rules.shared_guards, guards, words) for rule in rules.rules)
        self._by_key: dict[int, list[tuple[int, int, int]]] = {}
        for number, compiled in enumerate(self._rules):
            for order, pattern in enumerate(compiled.patterns):
                self._by_key.setdefault(pattern.key, []).append((number, order, pattern.needs))
        self._keys = sum(1 << key for key in self._by_key)
        self._contexts: dict[str, tuple[Regex[str], ...] | int] = {
            name: tuple(re.compile(pattern) for pattern in patterns) for name, patterns in rules.contexts.items()
        }
        for name in {name for rule in rules.rules for names in rule.when for name in names}:
            if name not in self._contexts:
                self._contexts[name] = words.list_of(name)

    @classmethod
    def from_rules(cls, data: Mapping[str, Any]) -> "SafetyScreen":
        """The screen for rules as read from their file. Raises `ArtefactRefused`."""
        try:
            rules = SafetyRules.model_validate(data)
        except ValueError as problem:
            raise ArtefactRefused(f"The safety rules don't fit their schema: {problem}") from problem
        return cls(rules, sha256(rules.model_dump_json().encode()).hexdigest()[:12])

    def screen(self, text: str) -> SafetyFinding | None:
        """The first rule that fires, in the rules' order, or None."""
        plain = normalise(text)
        clauses = [scope(self._vocabulary.read(clause), self._governors) for clause in _clauses(plain)]
        contexts: dict[str, bool] = {}

        def met(name: str) -> bool:
            if name not in contexts:
                contexts[name] = self._is_met(self._contexts[name], plain, clauses)
            return contexts[name]

        for compiled, place, pattern in self._candidates(clauses):
            if (spans := _match(compiled, pattern, clauses[place])) and _applies(compiled.rule, met):
                return self._finding(compiled.rule, clauses[place].clause, spans)
        return None

    def _candidates(self, clauses: Sequence[Scoped]) -> list[tuple[_CompiledRule, int, Pattern]]:
        """Patterns all of whose words stand in a clause, in the rules' order."""
        found: list[tuple[int, int, int]] = []
        for place, scoped in enumerate(clauses):
            concepts = scoped.clause.concepts
            keys = concepts & self._keys
            while keys:
                lowest = keys & -keys
                keys ^= lowest
                for number, order, needs in self._by_key[lowest.bit_length() - 1]:
                    if concepts & needs == needs:
                        found.append((number, place, order))
        return [(self._rules[rule], place, self._rules[rule].patterns[order]) for rule, place, order in sorted(found)]

    def _is_met(self, context: tuple[Regex[str], ...] | int, plain: str, clauses: Sequence[Scoped]) -> bool:
        if isinstance(context, tuple):
            return any(pattern.search(plain) for pattern in context)
        return any(clause.states((span,)) for clause in clauses for span in clause.clause.spans(context))

    def _finding(self, rule: SafetyRule, clause: Clause, spans: Sequence[Span]) -> SafetyFinding:
        at_amenity = rule.amenity and clause.has(self._amenities)
        return SafetyFinding(
            rule_id=rule.id,
            hazard=rule.hazard,
            reason=rule.reason,
            category=Category.AMENITIES if at_amenity else rule.category,
            trade=None if at_amenity else rule.trade,
            matched=clause.text(spans),
        )


def _match(compiled: _CompiledRule, pattern: Pattern, scoped: Scoped) -> tuple[Span, ...] | None:
    for spans in find(pattern, scoped.clause):
        if scoped.states(spans) and not _excused(compiled, scoped, spans):
            return spans
    return None


def _excused(compiled: _CompiledRule, scoped: Scoped, spans: Sequence[Span]) -> bool:
    guarded = any(scoped.has(guard, spans) for guard in compiled.guards)
    return guarded or any(
        scoped.states((*other, *spans)) and distance((other[0][0], other[-1][1]), spans) <= _EXCUSE_REACH
        for pattern in compiled.unless
        for other in find(pattern, scoped.clause)
    )


@lru_cache(maxsize=1024)
def normalise(text: str) -> str:
    """The text in lower case, without accents and apostrophes, with single spaces; line ends stay.

    "won't" becomes `wont` and "it's" `its`, while "the heat's off" becomes `the heat off`.
    """
    straight = _WITH_S.sub(_join_s, _APOSTROPHE.sub("'", text.lower()))
    plain = straight.replace("'", "")
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return re.sub(r"[^\S\n]+", " ", plain)


def _join_s(match: re.Match[str]) -> str:
    word = match.group(1)
    return f"{word}s" if word in _JOINED_S else word


def _clauses(plain: str) -> Iterator[str]:
    """Clauses, and a short one once more with the one before it ("Poop water. Coming up. In the tub.")."""
    before = ""
    for clause in _CLAUSE_END.split(plain):
        if not clause or clause.isspace():
            continue
        yield clause
        if before and (len(clause) <= _FRAGMENT or len(before) <= _FRAGMENT) and len(before) < 400:
            yield f"{before}, {clause}"
        before = clause


def _applies(rule: SafetyRule, met: Callable[[str], bool]) -> bool:
    return not rule.when or any(all(met(name) for name in names) for names in rule.when)


def _compile_guard(guard: Guard, words: Vocabulary) -> Excuse:
    not_with = None if guard.not_with is None else words.concept(guard.not_with)
    return Excuse(words.concept(guard.words), not_with, guard.within)


def _compile_rule(
    rule: SafetyRule, shared: Sequence[str], guards: Mapping[str, Excuse], words: Vocabulary
) -> _CompiledRule:
    try:
        whole = () if rule.alone is None else (words.whole(rule.alone),)
        return _CompiledRule(
            rule,
            patterns=tuple(words.pattern(pattern) for pattern in rule.any_of) + whole,
            unless=tuple(words.pattern(pattern) for pattern in rule.unless),
            guards=tuple(guards[name] for name in (*shared, *rule.guards) if name not in rule.no_guards),
        )
    except (KeyError, ValueError) as problem:
        raise ValueError(f"rule {rule.id}: {problem}") from problem
