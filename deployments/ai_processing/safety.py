"""The deterministic life-safety screen: reviewed rules that run before any model and can only raise urgency."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from re import Pattern
from typing import Any

from core.contract import Contract
from core.errors import ArtefactRefused
from core.labels import Category, Trade, Urgency

_CLAUSE_END = re.compile(r"(?<=[.!?;])\s+|[\n\r;]+|\s+(?:but|however|pero)\s+")
_APOSTROPHE = re.compile(r"[\u2019\u2018`\u00b4]")
_WITH_S = re.compile(r"(\w+)'s\b")
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
    unless: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    when: tuple[tuple[str, ...], ...] = ()
    """Alternatives; in each, all named contexts must be met in the message. Empty: always."""


class SafetyRules(Contract):
    """All rules, in the order in which they are applied, and the patterns that they share."""

    negations: str
    context_negations: str
    not_negations: str
    guards: dict[str, tuple[str, ...]]
    amenities: tuple[str, ...]
    contexts: dict[str, tuple[str, ...]]
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
    """The words as normalised: lower case, without accents and apostrophes."""
    urgency: Urgency = Urgency.EMERGENCY


@dataclass(frozen=True)
class _CompiledRule:
    rule: SafetyRule
    patterns: tuple[Pattern[str], ...]
    stops: tuple[Pattern[str], ...]


class SafetyScreen:
    """Looks for hazards in a message.

    A message is judged clause by clause, and only a match's own clause can excuse it; what else a message says can
    complete a rule's context and never take one away. So adding a sentence can't lower what the screen found.
    """

    def __init__(self, rules: SafetyRules, version: str) -> None:
        """Compile the rules. Raises `ArtefactRefused` for a pattern or a name that does not fit."""
        self.version = version
        self.rule_ids = tuple(rule.id for rule in rules.rules)
        try:
            self._negations = re.compile(rules.negations)
            self._context_negations = re.compile(rules.context_negations)
            self._not_negations = re.compile(rules.not_negations)
            self._amenities = _compile(rules.amenities)
            self._contexts = {name: _compile(patterns) for name, patterns in rules.contexts.items()}
            self._rules = tuple(_compile_rule(rule, rules) for rule in rules.rules)
        except (re.error, KeyError) as problem:
            raise ArtefactRefused(f"The safety rules can't be compiled: {problem}.") from problem
        if len(set(self.rule_ids)) != len(self.rule_ids):
            raise ArtefactRefused("Two safety rules have the same id.")

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
        clauses = tuple(_clauses(text))
        contexts: dict[str, bool] = {}

        def met(name: str) -> bool:
            if name not in contexts:
                contexts[name] = any(self._stated(self._contexts[name], clause) for clause in clauses)
            return contexts[name]

        for compiled in self._rules:
            for clause in clauses:
                if (matched := self._match(compiled, clause)) and _applies(compiled.rule, met):
                    return self._finding(compiled.rule, clause, matched)
        return None

    def _match(self, compiled: _CompiledRule, clause: str) -> str | None:
        for pattern in compiled.patterns:
            for match in pattern.finditer(clause):
                if not self._negated(self._negations, clause[: match.start()]):
                    return None if any(stop.search(clause) for stop in compiled.stops) else match.group(0)
        return None

    def _stated(self, patterns: tuple[Pattern[str], ...], clause: str) -> bool:
        return any(
            not self._negated(self._context_negations, clause[: match.start()])
            for pattern in patterns
            for match in pattern.finditer(clause)
        )

    def _negated(self, negations: Pattern[str], before: str) -> bool:
        return bool(negations.search(self._not_negations.sub("_", before)))

    def _finding(self, rule: SafetyRule, clause: str, matched: str) -> SafetyFinding:
        at_amenity = rule.amenity and any(pattern.search(clause) for pattern in self._amenities)
        return SafetyFinding(
            rule_id=rule.id,
            hazard=rule.hazard,
            reason=rule.reason,
            category=Category.AMENITIES if at_amenity else rule.category,
            trade=None if at_amenity else rule.trade,
            matched=matched.strip(),
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


def _clauses(text: str) -> Iterator[str]:
    return (clause.strip() for clause in _CLAUSE_END.split(normalise(text)) if clause and clause.strip())


def _applies(rule: SafetyRule, met: Callable[[str], bool]) -> bool:
    return not rule.when or any(all(met(name) for name in names) for names in rule.when)


def _compile(patterns: tuple[str, ...]) -> tuple[Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


def _compile_rule(rule: SafetyRule, rules: SafetyRules) -> _CompiledRule:
    for name in (name for names in rule.when for name in names):
        if name not in rules.contexts:
            raise KeyError(f"rule {rule.id} names the unknown context {name}")
    shared = tuple(pattern for guard in rule.guards for pattern in rules.guards[guard])
    return _CompiledRule(rule, _compile(rule.any_of), _compile((*rule.unless, *shared)))
