"""Looks at each document by itself: its headings, and what it may state."""

from collections import Counter
from collections.abc import Iterator

from kb.check.finding import Finding, error
from kb.check.library import Library
from kb.check.lines import key_line, text_line
from kb.reader import Document

GENERAL_ONLY = (
    *("crews", "vendors", "parts", "buildings", "jurisdictions", "escalation_paths"),
    *("forbidden_promises", "plan_phases", "shared_systems"),
)
"""What is one for all buildings."""


def find(library: Library) -> Iterator[Finding]:
    """Faults of headings, of the sections that options name, and of what documents of one building state."""
    for document in library.documents:
        yield from _headings(document)
        yield from _dangling_sections(document)
        yield from _building_rules(document)


def _headings(document: Document) -> Iterator[Finding]:
    front = document.front
    if not document.sections or document.sections[0].path[0] != front.title:
        line = key_line(document.source, "title")
        yield error("title", front.id, f"The first heading must be its title, {front.title!r}.", line)
    for heading, count in Counter(section.heading for section in document.sections).items():
        if count > 1:
            yield error("duplicate_section", front.id, f"{count} sections are called {heading!r}.")


def _dangling_sections(document: Document) -> Iterator[Finding]:
    for place, option in enumerate(document.front.rules.options):
        section = document.section(option.section)
        if section is None:
            line = key_line(document.source, "rules", "options", place, "section")
            message = f"{option.option_id} names the section {option.section!r}, which is not in the document."
            yield error("dangling_section", document.front.id, message, line)
        elif not section.text:
            message = f"{option.option_id} names the section {option.section!r}, which has no text."
            yield error("empty_section", document.front.id, message, text_line(document, section))


def _building_rules(document: Document) -> Iterator[Finding]:
    front = document.front
    if front.building == "all":
        if front.rules.autonomy is not None and front.rules.autonomy.enabled:
            message = "Only a building's own document can switch autonomy on; this one is for all buildings."
            yield error(
                "general_autonomy", front.id, message, key_line(document.source, "rules", "autonomy", "enabled")
            )
        return
    for key in GENERAL_ONLY:
        if getattr(front.rules, key):
            message = f"A document for one building can't state {key}; they hold for all."
            yield error("building_rules", front.id, message, key_line(document.source, "rules", key))
