"""Which options of the catalogue fit a message, and how a simulated one is written down."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Literal

from core.entry import EntryTerms
from core.errors import ArtefactRefused
from core.labels import ApprovalTier, Category, Trade, Urgency
from core.request import Citation, Classification, Estimate, OptionId, PlanStep, ResolutionOption
from core.rules import CataloguedOption, OptionTemplate, RuleBook
from deployments.decision_simulation.policy import emergency_options

MOST_OPTIONS = 5


Source = Literal["llm", "catalog"]


@dataclass(frozen=True)
class Match:
    """An option that fits a message, of whatever source."""

    entry: CataloguedOption
    keywords: int
    """How many of its keywords the message holds."""
    source: Source = "catalog"
    citations: tuple[Citation, ...] = ()
    """What it rests on; empty for the section that describes the entry."""
    plan: tuple[PlanStep, ...] = ()
    components: tuple[CataloguedOption, ...] = ()
    """What each step of the plan is done by, in their order."""

    @property
    def parts(self) -> tuple[CataloguedOption, ...]:
        """What is simulated: the components of a plan, else the option itself."""
        return self.components or (self.entry,)


@dataclass(frozen=True)
class Subject:
    """What the options are for: the message's leading issue."""

    text: str
    category: Category
    trade: Trade | None
    urgency: Urgency
    note: str = ""
    """Said with each option where the message raises more than this."""
    issues: int = 1
    """How many issues the message raises; an option that is no plan deals with one of them."""


class Catalogue:
    """The options of the rule book, ready to be matched."""

    def __init__(self, rules: RuleBook) -> None:
        self._rules = rules
        self._entries = {entry.template.option_id: entry for entry in rules.options}
        self._by_category = {
            category: [entry for entry in rules.options if category in entry.template.categories]
            for category in Category
        }
        self._patterns = {
            entry.template.option_id: tuple(_pattern(keyword) for keyword in entry.template.keywords)
            for entry in rules.options
        }
        if missing := sorted(emergency_options(rules) - set(self._entries)):
            raise ArtefactRefused(f"No document describes the emergency option {', '.join(missing)}.")
        self.median_effectiveness = median(
            entry.template.effectiveness for entry in rules.options if entry.template.plan_step is None
        )

    def get(self, option_id: str) -> CataloguedOption | None:
        """The entry with this id, or None."""
        return self._entries.get(option_id)

    def pick(self, subject: Subject) -> tuple[Match, ...]:
        """Up to five options that fit, best first.

        Those with the most keywords in the message come first, then those for this very trade, then the narrower.
        An option with keywords of which the message holds none does not fit.
        """
        matches = [Match(entry, self._keywords_in(subject.text, entry.template)) for entry in self.suiting(subject)]
        fitting = [match for match in matches if match.keywords or not match.entry.template.keywords]
        return tuple(sorted(fitting, key=_preference)[:MOST_OPTIONS])

    def suiting(self, subject: Subject) -> list[CataloguedOption]:
        """Every option for messages of these labels, whatever their words."""
        return [entry for entry in self._by_category[subject.category] if _suits(entry.template, subject)]

    def emergency_action(self, safety_rule: str | None, trade: Trade | None, category: Category) -> CataloguedOption:
        """What is done at once: by the safety rule, else the trade, else the category, else the default."""
        rules = self._rules.emergency
        keys = [key for key in (safety_rule, trade, category) if key is not None]
        option_id = next((rules.options[key] for key in keys if key in rules.options), rules.default_option)
        return self._entries[option_id]

    def _keywords_in(self, text: str, template: OptionTemplate) -> int:
        return sum(1 for pattern in self._patterns[template.option_id] if pattern.search(text))


def holds_word(text: str, words: Iterable[str]) -> bool:
    """Whether the text holds one of these words or word stems."""
    return any(_pattern(word).search(text) for word in words)


def leading_subject(message_text: str, labels: Classification, urgency: Urgency) -> Subject:
    """What the options address: the whole message, or the issue that gave the message its labels."""
    number = len(labels.issues)
    leading = next(
        (issue for issue in labels.issues if issue.category is labels.category and issue.urgency is labels.urgency),
        None,
    )
    if number < 2 or leading is None:
        return Subject(message_text, labels.category, labels.trade, urgency)
    note = f" It addresses one of {number} issues: “{shortened(leading.text, 80)}”."
    return Subject(leading.text, labels.category, leading.trade, urgency, note, number)


def write_option(
    entry: CataloguedOption,
    cost: Estimate,
    hours: Estimate,
    breach: float,
    impact: float,
    tier: ApprovalTier,
    note: str = "",
    source: Source = "catalog",
    citations: tuple[Citation, ...] = (),
    plan: tuple[PlanStep, ...] = (),
    issues: int = 1,
    terms: EntryTerms | None = None,
) -> ResolutionOption:
    """The option with what was simulated, citing `citations`, or else the section that describes it.

    Of `issues` in the message it deals with one, a plan with all.
    """
    template = entry.template
    return ResolutionOption(
        option_id=OptionId(template.option_id),
        title=template.title,
        action=template.action,
        crew=template.crew,
        steps=template.steps,
        estimated_cost_usd=cost,
        estimated_time_hours=hours,
        sla_breach_probability=breach,
        resident_satisfaction_impact=impact,
        approval=tier,
        reasoning=template.reasoning + note,
        source=source,
        citations=citations or (cite(entry),),
        plan=plan,
        vendor=template.vendor,
        licence=None if plan else template.licence,
        entry=terms,
        share_addressed=1.0 if plan else 1.0 / issues,
    )


def cite(entry: CataloguedOption) -> Citation:
    """The first sentence of the section that describes it."""
    return Citation(doc_id=entry.doc_id, section=entry.template.section, quote=entry.quote)


def _suits(template: OptionTemplate, subject: Subject) -> bool:
    """Whether it may be offered for a message of these labels; its category was looked at before."""
    return (
        not template.emergency_only
        and template.plan_step is None
        and subject.urgency in template.urgencies
        and (not template.trades or subject.trade in template.trades)
    )


def _preference(match: Match) -> tuple[int, bool, int, int, str]:
    """Sorts the best fitting first."""
    template = match.entry.template
    breadth = len(template.categories) * len(template.urgencies)
    return -match.keywords, not template.trades, len(template.trades), breadth, template.option_id


@lru_cache(maxsize=4096)
def _pattern(keyword: str) -> re.Pattern[str]:
    """Finds the keyword, or a word that begins with it, however its words are spaced."""
    return re.compile(r"\b" + r"\s+".join(map(re.escape, keyword.split())), re.IGNORECASE)


def shortened(text: str, characters: int) -> str:
    """The text's first words, as they stand."""
    if len(text) <= characters:
        return text
    return text[:characters].rsplit(maxsplit=1)[0] + " …"
