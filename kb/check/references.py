"""Looks at what documents name: each other, buildings, jurisdictions, vendors, parts and licences."""

from collections.abc import Iterator

from core.rules import OptionTemplate
from kb.check.finding import Finding, error
from kb.check.library import Library
from kb.check.lines import key_line
from kb.reader import Document


def find(library: Library) -> Iterator[Finding]:
    """References to what is not there, and options whose crew or vendor may not do them."""
    yield from _superseded(library)
    yield from _buildings(library)
    yield from _clocks(library)
    yield from _phases(library)
    for document in library.held:
        for place, option in enumerate(document.front.rules.options):
            yield from _option(library, document, place, option)


def _superseded(library: Library) -> Iterator[Finding]:
    known = {document.front.id for document in library.documents}
    for document in library.documents:
        for old in document.front.supersedes:
            if old == document.front.id or (old not in known and not library.may_name(old)):
                message = f"It supersedes {old}, which is not there." if old not in known else "It supersedes itself."
                yield error("dangling_reference", document.front.id, message, key_line(document.source, "supersedes"))


def _buildings(library: Library) -> Iterator[Finding]:
    stated = library.items(lambda rules: rules.buildings)
    known = {building.building_id for _, building in stated}
    for document in library.documents:
        building = document.front.building
        if building != "all" and building not in known and not library.may_state("buildings"):
            message = f"It is for the building {building}, which no document in force lists."
            yield error("unknown_building", document.front.id, message, key_line(document.source, "building"))
    codes = {jurisdiction.code for _, jurisdiction in library.items(lambda rules: rules.jurisdictions)}
    for document, building in stated:
        if building.jurisdiction not in codes and not library.may_name(building.jurisdiction):
            place = document.front.rules.buildings.index(building)
            message = f"{building.name} stands in {building.jurisdiction}, whose clocks no document in force states."
            line = key_line(document.source, "rules", "buildings", place)
            yield error("unknown_jurisdiction", document.front.id, message, line)


def _clocks(library: Library) -> Iterator[Finding]:
    for document, jurisdiction in library.items(lambda rules: rules.jurisdictions):
        place = document.front.rules.jurisdictions.index(jurisdiction)
        for number, clock in enumerate(jurisdiction.clocks):
            if not clock.citation.strip():
                line = key_line(document.source, "rules", "jurisdictions", place, "clocks", number, "citation")
                message = f"The clock {clock.clock_id} cites no statute."
                yield error("missing_citation", document.front.id, message, line)


def _phases(library: Library) -> Iterator[Finding]:
    before: set[str] = set()
    for document, phase in library.items(lambda rules: rules.plan_phases):
        for earlier in phase.after:
            if earlier not in before and not library.may_name(earlier):
                place = document.front.rules.plan_phases.index(phase)
                message = f"The phase {phase.phase_id} comes after {earlier}, which is not stated before it."
                line = key_line(document.source, "rules", "plan_phases", place, "after")
                yield error("dangling_phase", document.front.id, message, line)
        before.add(phase.phase_id)


def _option(library: Library, document: Document, place: int, option: OptionTemplate) -> Iterator[Finding]:
    def fault(code: str, field: str, message: str) -> Finding:
        line = key_line(document.source, "rules", "options", place, field)
        return error(code, document.front.id, f"{option.option_id} {message}", line)

    vendors = {vendor.vendor_id: vendor for _, vendor in library.items(lambda rules: rules.vendors)}
    parts = {part.part_id: part for _, part in library.items(lambda rules: rules.parts)}
    crews = {crew.crew: crew for _, crew in library.items(lambda rules: rules.crews)}
    if option.vendor and option.vendor not in vendors and not library.may_name(option.vendor):
        yield fault(
            "dangling_vendor", "vendor", f"needs the vendor {option.vendor}, which no document in force states."
        )
    for part in option.parts:
        if part not in parts and not library.may_name(part):
            yield fault("dangling_part", "parts", f"needs the part {part}, which no document in force states.")
    doer = vendors.get(option.vendor) if option.vendor else crews.get(option.crew)
    if option.licence and doer and option.licence not in doer.licences:
        who = f"the vendor {option.vendor}" if option.vendor else f"the crew {option.crew}"
        yield fault("missing_licence", "licence", f"needs the licence {option.licence!r}, which {who} does not hold.")
    least = sum(parts[part].cost_usd.low for part in option.parts if part in parts)
    if option.cost_usd.high < least:
        message = f"costs at most ${option.cost_usd.high:g}, and its parts alone at least ${least:g}."
        yield fault("parts_cost", "cost_usd", message)
