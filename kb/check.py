"""Finds what is wrong with the documents before they are compiled, and says where."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml

from core.contract import Contract
from core.labels import Category, Crew, Trade, Urgency
from core.rules import CrewRules, OptionTemplate, Triangle
from kb.compile import SINGLE_KEYS, in_force
from kb.figures import unsaid_numbers
from kb.reader import DOCUMENTS, Document, DocumentFault, read_document

SAFETY_RULES = Path(__file__).parent.parent / "deployments" / "ai_processing" / "safety_rules.yaml"
OPTIONS_WANTED = 3
"""So many options without keywords must fit each kind of request."""
HIGHEST_UTILISATION = 0.85
"""The share of its shift that a crew may be busy, before waiting times grow without bound."""


class Finding(Contract):
    """One thing that is wrong with the documents."""

    code: str
    """A stable word for the kind of fault."""
    severity: Literal["error", "warning"]
    """An error stops the build."""
    document: str
    """The file name or document id, or `-` where it is the folder's."""
    message: str


def check(folder: Path = DOCUMENTS, on: date | None = None, safety_rules: Path = SAFETY_RULES) -> list[Finding]:
    """Everything that is wrong with the folder's documents on this day (today by default), errors first."""
    day = on or date.today()
    documents, findings = _read(folder)
    if not documents:
        findings.append(_error("no_documents", "-", f"{folder} holds no document that can be read."))
    held = in_force(documents, day)
    findings += _duplicate_ids(documents)
    findings += _dates(documents, day)
    findings += [finding for document in documents for finding in _document_findings(document)]
    findings += _references(documents)
    for whole in (_single_keys, _options, _coverage, _crews, _emergency_options, _emergency_crews):
        findings += whole(held)
    findings += _safety_rules(held, _safety_rule_ids(safety_rules))
    return sorted(findings, key=lambda finding: (finding.severity != "error", finding.document, finding.code))


def _read(folder: Path) -> tuple[list[Document], list[Finding]]:
    documents: list[Document] = []
    findings: list[Finding] = []
    for path in sorted(folder.glob("*.md")):
        try:
            documents.append(read_document(path))
        except DocumentFault as fault:
            findings.append(_error("schema", path.name, fault.detail))
    return documents, findings


def _duplicate_ids(documents: Sequence[Document]) -> Iterator[Finding]:
    counts = Counter(document.front.id for document in documents)
    for doc_id, count in counts.items():
        if count > 1:
            yield _error("duplicate_document", doc_id, f"{count} documents have the id {doc_id}.")


def _dates(documents: Sequence[Document], on: date) -> Iterator[Finding]:
    for document in documents:
        front = document.front
        if front.effective_to is not None and front.effective_to < front.effective_from:
            yield _error("dates", front.id, f"It ends on {front.effective_to}, before it begins.")
        elif front.effective_to is not None and front.effective_to < on:
            yield _warning("expired", front.id, f"It ended on {front.effective_to} and is not in force.")


def _document_findings(document: Document) -> Iterator[Finding]:
    front = document.front
    if not document.sections or document.sections[0].path[0] != front.title:
        yield _error("title", front.id, f"The first heading must be its title, {front.title!r}.")
    for heading, count in Counter(section.heading for section in document.sections).items():
        if count > 1:
            yield _error("duplicate_section", front.id, f"{count} sections are called {heading!r}.")
    if front.building != "all" and front.rules.model_dump(exclude_defaults=True):
        yield _error("building_rules", front.id, "A document for one building can't state rules; they hold for all.")
    yield from _dangling_sections(document)
    yield from _unsaid_numbers(document)


def _dangling_sections(document: Document) -> Iterator[Finding]:
    for option in document.front.rules.options:
        section = document.section(option.section)
        if section is None:
            message = f"{option.option_id} names the section {option.section!r}, which is not in the document."
            yield _error("dangling_section", document.front.id, message)
        elif not section.text:
            message = f"{option.option_id} names the section {option.section!r}, which has no text."
            yield _error("empty_section", document.front.id, message)


def _unsaid_numbers(document: Document) -> Iterator[Finding]:
    for what, numbers in unsaid_numbers(document):
        listed = ", ".join(f"{number:g}" for number in numbers)
        yield _error("unsaid_number", document.front.id, f"{what} states {listed}, which the text does not.")


def _references(documents: Sequence[Document]) -> Iterator[Finding]:
    known = {document.front.id for document in documents}
    for document in documents:
        for old in document.front.supersedes:
            if old not in known:
                yield _error("dangling_reference", document.front.id, f"It supersedes {old}, which is not there.")


def _single_keys(documents: Sequence[Document]) -> Iterator[Finding]:
    for key in SINGLE_KEYS:
        stating = [document.front.id for document in documents if getattr(document.front.rules, key) is not None]
        if len(stating) > 1:
            yield _error("doubled_key", stating[1], f"{key} is stated by {', '.join(stating)}; it must be one.")
        elif not stating:
            yield _error("missing_key", "-", f"No document in force states {key}.")
        if key == "response_targets":
            yield from _missing_targets(documents)


def _missing_targets(documents: Sequence[Document]) -> Iterator[Finding]:
    for document in documents:
        targets = document.front.rules.response_targets
        for urgency in Urgency:
            if targets is not None and urgency not in targets:
                yield _error("missing_target", document.front.id, f"There is no response target for {urgency}.")


def _options(documents: Sequence[Document]) -> Iterator[Finding]:
    counts = Counter(option.option_id for document in documents for option in document.front.rules.options)
    for option_id, count in counts.items():
        if count > 1:
            yield _error("duplicate_option", "-", f"{count} options have the id {option_id}.")


def _coverage(documents: Sequence[Document]) -> Iterator[Finding]:
    offered = [option for document in documents for option in document.front.rules.options if not option.emergency_only]
    for category, trade in _kinds():
        name = f"{category}/{trade}" if trade else str(category)
        for urgency in Urgency:
            count = sum(fits(option, category, trade, urgency) for option in offered)
            if count < OPTIONS_WANTED:
                message = f"{name} at {urgency} has {count} options without keywords, and needs {OPTIONS_WANTED}."
                yield _error("coverage", "-", message)


def fits(option: OptionTemplate, category: Category, trade: Trade | None, urgency: Urgency) -> bool:
    """Whether the option always fits such a request, whatever its words."""
    return (
        not option.keywords
        and category in option.categories
        and urgency in option.urgencies
        and (not option.trades or trade in option.trades)
    )


def _kinds() -> Iterator[tuple[Category, Trade | None]]:
    for category in Category:
        if category is Category.MAINTENANCE:
            yield from ((category, trade) for trade in Trade)
        yield category, None


def _crews(documents: Sequence[Document]) -> Iterator[Finding]:
    stated = [(document.front.id, crew) for document in documents for crew in document.front.rules.crews]
    counts = Counter(crew.crew for _, crew in stated)
    for crew in Crew:
        if counts[crew] != 1:
            yield _error("crew", "-", f"The crew {crew} is stated {counts[crew]} times and must be once.")
    for doc_id, crew in stated:
        if (busy := utilisation(crew)) >= HIGHEST_UTILISATION:
            message = (
                f"The crew {crew.crew} is busy {busy:.0%} of its shift, and must be below {HIGHEST_UTILISATION:.0%}."
            )
            yield _error("unstable_crew", doc_id, message)


def utilisation(crew: CrewRules) -> float:
    """The share of its shift that a crew is busy: hours of jobs and travel a week over hours on duty a week."""
    job = _mean(crew.job_hours) + _mean(crew.travel_hours)
    on_duty = crew.technicians * (crew.shift_end_hour - crew.shift_start_hour) * (5 if crew.weekdays_only else 7)
    return sum(crew.jobs_per_week.values()) * job / on_duty


def _mean(figures: Triangle) -> float:
    return (figures.low + figures.mode + figures.high) / 3


def _emergency_options(documents: Sequence[Document]) -> Iterator[Finding]:
    known = {option.option_id: option for document in documents for option in document.front.rules.options}
    for document in documents:
        rules = document.front.rules.emergency
        if rules is None:
            continue
        for key, option_id in [("default_option", rules.default_option), *rules.options.items()]:
            option = known.get(option_id)
            if option is None or not option.emergency_only:
                message = f"{key} names {option_id}, which is no emergency option in force."
                yield _error("dangling_option", document.front.id, message)
        for key in [*Category, *Trade]:
            if key not in rules.options:
                yield _error("emergency_coverage", document.front.id, f"{key} has no emergency option.")
        if "default" not in rules.advice:
            yield _error("advice", document.front.id, "There is no default advice.")


def _emergency_crews(documents: Sequence[Document]) -> Iterator[Finding]:
    absent = {
        crew.crew for document in documents for crew in document.front.rules.crews if not crew.on_call_outside_shift
    }
    for document in documents:
        for option in document.front.rules.options:
            if option.emergency_only and option.crew in absent:
                message = f"{option.option_id} needs {option.crew}, which is not on call outside its shift."
                yield _error("absent_crew", document.front.id, message)


def _safety_rules(documents: Sequence[Document], rule_ids: frozenset[str]) -> Iterator[Finding]:
    known = rule_ids | set(Category) | set(Trade)
    for document in documents:
        rules = document.front.rules.emergency
        if rules is None or not rule_ids:
            continue
        for rule_id in sorted(rule_ids - set(rules.advice)):
            yield _warning("advice", document.front.id, f"The safety rule {rule_id} has no advice but the default.")
        for rule_id in sorted(rule_ids - set(rules.options)):
            message = f"The safety rule {rule_id} has no emergency option but that of its trade or category."
            yield _warning("emergency_coverage", document.front.id, message)
        for key in sorted((set(rules.advice) - {"default"} - rule_ids) | (set(rules.options) - known)):
            yield _error("unknown_rule", document.front.id, f"{key} is no safety rule, trade or category.")


def _safety_rule_ids(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    loaded: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return frozenset(str(rule["id"]) for rule in loaded["rules"])


def _error(code: str, document: str, message: str) -> Finding:
    return Finding(code=code, severity="error", document=document, message=message)


def _warning(code: str, document: str, message: str) -> Finding:
    return Finding(code=code, severity="warning", document=document, message=message)


def main() -> int:
    """Print every finding; returns 1 where there is an error."""
    findings = check()
    for finding in findings:
        sys.stdout.write(f"{finding.severity}: {finding.document}: {finding.message}\n")
    sys.stdout.write(f"{len(findings)} findings\n")
    return int(any(finding.severity == "error" for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
