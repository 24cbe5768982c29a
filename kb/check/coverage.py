"""Looks for what is missing: targets, options, procedures, a cost basis and an escalation path for every request."""

import re
from collections.abc import Iterator, Sequence

from core.labels import Category, Trade, Urgency
from core.rules import SINGLE_KEYS, OptionTemplate
from kb.check.finding import Finding, error
from kb.check.library import Library
from kb.check.lines import key_line, text_line
from kb.check.versions import lapsed
from kb.reader import Document

OPTIONS_WANTED = 3
"""So many options without keywords must fit each kind of request."""
_FREE = re.compile(
    r"\b(?:free|nothing|none|no (?:cost|charge)|without (?:cost|charge|payment))\b|\$0(?![\d.,])", re.IGNORECASE
)


def find(library: Library) -> Iterator[Finding]:
    """What no document in force states, for all buildings and for each that has options of its own."""
    yield from _missing_keys(library)
    for document in library.held:
        yield from _missing_targets(document)
        yield from _cost_basis(document)
    if not library.may_state("options"):
        yield from _options(library.options(), "")
        for building in library.buildings:
            if any(document.front.rules.options for document in library.own(building)):
                yield from _options(library.options(building), f" in {building}")
    yield from _escalation_paths(library)


def fits(option: OptionTemplate, category: Category, trade: Trade | None, urgency: Urgency) -> bool:
    """Whether the option always fits such a request, whatever its words."""
    return (
        not option.keywords
        and category in option.categories
        and urgency in option.urgencies
        and (not option.trades or trade in option.trades)
    )


def _missing_keys(library: Library) -> Iterator[Finding]:
    ended = [document.front.rules for document in lapsed(library)]
    for key in SINGLE_KEYS:
        stated = any(getattr(document.front.rules, key) is not None for document in library.general)
        reported = library.may_state(key) or any(getattr(rules, key) is not None for rules in ended)
        if not stated and not reported:
            yield error("missing_key", "-", f"No document in force states {key} for all buildings.")


def _missing_targets(document: Document) -> Iterator[Finding]:
    targets = document.front.rules.response_targets
    for urgency in Urgency:
        if targets is not None and urgency not in targets:
            line = key_line(document.source, "rules", "response_targets")
            yield error("missing_target", document.front.id, f"There is no response target for {urgency}.", line)


def _cost_basis(document: Document) -> Iterator[Finding]:
    for option in document.front.rules.options:
        section = document.section(option.section)
        if option.cost_usd.high == 0 and section and not _FREE.search(section.text):
            message = f"{option.option_id} costs nothing, and {option.section!r} does not say that it is free."
            yield error("missing_cost_basis", document.front.id, message, text_line(document, section))


def _options(offered: Sequence[tuple[Document, OptionTemplate]], where: str) -> Iterator[Finding]:
    selectable = [
        (document.front.kind, option)
        for document, option in offered
        if not option.emergency_only and option.plan_step is None
    ]
    for category, trade in _kinds():
        name = f"{category}/{trade}" if trade else str(category)
        for urgency in Urgency:
            kinds = [kind for kind, option in selectable if fits(option, category, trade, urgency)]
            if len(kinds) < OPTIONS_WANTED:
                message = (
                    f"{name} at {urgency}{where} has {len(kinds)} options without keywords; {OPTIONS_WANTED} needed."
                )
                yield error("coverage", "-", message)
            elif "procedure" not in kinds:
                message = f"{name} at {urgency}{where} has no option from a procedure."
                yield error("missing_procedure", "-", message)


def _kinds() -> Iterator[tuple[Category, Trade | None]]:
    for category in Category:
        if category is Category.MAINTENANCE:
            yield from ((category, trade) for trade in Trade)
        yield category, None


def _escalation_paths(library: Library) -> Iterator[Finding]:
    if library.may_state("escalation_paths"):
        return
    stated = library.items(lambda rules: rules.escalation_paths)
    for category in Category:
        missing = [
            urgency
            for urgency in Urgency
            if not any(category in path.categories and urgency in path.urgencies for _, path in stated)
        ]
        if missing:
            message = f"No escalation path says who decides on {category} at {', '.join(missing)}."
            yield error("missing_escalation_path", "-", message)
