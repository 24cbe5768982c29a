"""Looks at the emergency rules: the actions that they name, who does them, and the safety rules that lead to them."""

from collections.abc import Iterator

from core.labels import Category, Trade
from kb.check.finding import Finding, error, warning
from kb.check.library import Library
from kb.check.lines import key_line
from kb.reader import Document


def find(library: Library) -> Iterator[Finding]:
    """Faults of emergency actions, of who is on call for them, and of advice."""
    for document in library.held:
        if document.front.rules.emergency is not None:
            yield from _options(library, document)
            yield from _safety_rules(library, document)
            yield from _unsaid_advice(document)
        yield from _on_call(library, document)


def _options(library: Library, document: Document) -> Iterator[Finding]:
    rules = document.front.rules.emergency
    assert rules is not None
    building = document.front.building
    known = {option.option_id: option for _, option in library.options(None if building == "all" else building)}
    for key, option_id in [("default_option", rules.default_option), *rules.options.items()]:
        option = known.get(option_id)
        if (option is None and not library.may_name(option_id)) or (option and not option.emergency_only):
            message = f"{key} names {option_id}, which is no emergency option in force."
            yield error("dangling_option", document.front.id, message, _line(document, "options", key))
    for key in [*Category, *Trade]:
        if key not in rules.options:
            message = f"{key} has no emergency option."
            yield error("emergency_coverage", document.front.id, message, _line(document, "options"))
    if "default" not in rules.advice:
        yield error("advice", document.front.id, "There is no default advice.", _line(document, "advice"))


def _unsaid_advice(document: Document) -> Iterator[Finding]:
    """Advice that the text does not hold word for word: what is told and what is written must not differ."""
    rules = document.front.rules.emergency
    assert rules is not None
    said = " ".join(" ".join(section.text.split()) for section in document.sections)
    for key, advice in rules.advice.items():
        if " ".join(advice.split()) not in said:
            message = f"The advice for {key} is not in the text word for word."
            yield error("unsaid_advice", document.front.id, message, _line(document, "advice", key))


def _on_call(library: Library, document: Document) -> Iterator[Finding]:
    crews = {crew.crew: crew.on_call_outside_shift for _, crew in library.items(lambda rules: rules.crews)}
    vendors = {each.vendor_id: each.on_call_outside_shift for _, each in library.items(lambda rules: rules.vendors)}
    for place, option in enumerate(document.front.rules.options):
        on_call = vendors.get(option.vendor, True) if option.vendor else crews.get(option.crew, True)
        if option.emergency_only and not on_call:
            message = (
                f"{option.option_id} needs {option.vendor or option.crew}, which is not on call outside its shift."
            )
            line = key_line(document.source, "rules", "options", place, "vendor" if option.vendor else "crew")
            yield error("absent_crew", document.front.id, message, line)


def _safety_rules(library: Library, document: Document) -> Iterator[Finding]:
    rules = document.front.rules.emergency
    rule_ids = library.safety_rule_ids
    if rules is None or not rule_ids:
        return
    doc_id = document.front.id
    for rule_id in sorted(rule_ids - set(rules.advice)):
        message = f"The safety rule {rule_id} has no advice but the default."
        yield warning("advice", doc_id, message, _line(document, "advice"))
    for rule_id in sorted(rule_ids - set(rules.options)):
        message = f"The safety rule {rule_id} has no emergency option but that of its trade or category."
        yield warning("emergency_coverage", doc_id, message, _line(document, "options"))
    known = rule_ids | set(Category) | set(Trade)
    unknown = [("advice", key) for key in sorted(set(rules.advice) - {"default"} - rule_ids)]
    unknown += [("options", key) for key in sorted(set(rules.options) - known)]
    for field, key in unknown:
        message = f"{key} is no safety rule, trade or category."
        yield error("unknown_rule", doc_id, message, _line(document, field, key))


def _line(document: Document, *place: str) -> int | None:
    return key_line(document.source, "rules", "emergency", *place)
