from typing import Any

from kb.check.references import find
from tests.kb.check.shelf import CREW, OPTION, VENDOR, Shelf

BUILDING = {"building_id": "A", "name": "Building A", "jurisdiction": "US-WA", "homes": 2}
CLOCK = {"clock_id": "day", "citation": "Code 1", "within_hours": 24, "what": "begin"}
PART: dict[str, Any] = {
    "part_id": "trap",
    "name": "Trap",
    "trade": "plumbing",
    "cost_usd": {"low": 70, "mode": 80, "high": 90},
    "in_stock": 0.5,
    "lead_hours": {"low": 1, "mode": 2, "high": 3},
}


def test_superseding_what_is_not_there(shelf: Shelf):
    shelf.put("a", supersedes=["b"])
    shelf.put("c", supersedes=["c"])
    assert shelf.found(find) == [("dangling_reference", "a"), ("dangling_reference", "c")]


def test_a_document_for_a_building_that_is_not_listed(shelf: Shelf):
    shelf.put("gym-a", building="A")
    assert shelf.found(find) == [("unknown_building", "gym-a")]
    clocks = {"code": "US-WA", "name": "Washington", "clocks": [CLOCK]}
    shelf.put("buildings", rules={"buildings": [BUILDING], "jurisdictions": [clocks]})
    assert shelf.found(find) == []


def test_a_building_in_a_jurisdiction_without_clocks(shelf: Shelf):
    shelf.put("buildings", rules={"buildings": [BUILDING]})
    assert shelf.found(find) == [("unknown_jurisdiction", "buildings")]


def test_a_clock_without_a_citation(shelf: Shelf):
    clocks = {"code": "US-WA", "name": "Washington", "clocks": [CLOCK | {"citation": " "}]}
    shelf.put("law", rules={"jurisdictions": [clocks]})
    assert shelf.found(find) == [("missing_citation", "law")]


def test_a_vendor_and_parts_that_no_document_states(shelf: Shelf):
    shelf.put("visits", rules={"options": [OPTION | {"vendor": "drains", "parts": ["trap"]}]})
    assert shelf.found(find) == [("dangling_vendor", "visits"), ("dangling_part", "visits")]
    shelf.put("catalogue", rules={"vendors": [VENDOR], "parts": [PART]})
    assert shelf.found(find) == []


def test_what_a_broken_file_may_state_is_not_missing(shelf: Shelf):
    shelf.put("visits", rules={"options": [OPTION | {"vendor": "drains", "parts": ["trap"]}]})
    library = shelf.library(unread=("---\nrules:\n  vendors:\n    - vendor_id: drains\n",))
    assert [finding.code for finding in find(library)] == ["dangling_part"]


def test_a_phase_comes_after_one_that_is_stated_before_it(shelf: Shelf):
    first, second = {"phase_id": "open"}, {"phase_id": "close", "after": ["open"]}
    shelf.put("plan", rules={"plan_phases": [first, second]})
    assert shelf.found(find) == []
    shelf.put("more", rules={"plan_phases": [{"phase_id": "dry", "after": ["paint"]}, {"phase_id": "paint"}]})
    assert shelf.found(find) == [("dangling_phase", "more")]


def test_parts_that_cost_more_than_their_option(shelf: Shelf):
    shelf.put("visits", rules={"options": [OPTION | {"parts": ["trap", "trap"]}], "parts": [PART]})
    assert shelf.found(find) == [("parts_cost", "visits")]


def test_a_licence_is_held_by_whoever_does_the_work(shelf: Shelf):
    option = OPTION | {"licence": "gas"}
    shelf.put("visits", rules={"options": [option], "crews": [CREW | {"licences": ["gas"]}]})
    assert shelf.found(find) == []
    outside = option | {"option_id": "outside", "vendor": "drains"}
    shelf.put("vendors", rules={"vendors": [VENDOR], "options": [outside]})
    assert shelf.found(find) == [("missing_licence", "vendors")]


def test_a_crew_without_the_licence(shelf: Shelf):
    document = shelf.put("visits", rules={"options": [OPTION | {"licence": "gas"}], "crews": [CREW]})
    (finding,) = find(shelf.library())
    assert finding.code == "missing_licence"
    assert finding.line is not None
    assert "licence: gas" in document.source.splitlines()[finding.line - 1]
