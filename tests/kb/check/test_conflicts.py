from typing import Any

import pytest

from kb.check.conflicts import find
from tests.kb.check.shelf import CREW, ENTRY, OPTION, VENDOR, Shelf

PART: dict[str, Any] = {
    "part_id": "trap",
    "name": "Trap",
    "trade": "plumbing",
    "cost_usd": {"low": 5, "mode": 8, "high": 20},
    "in_stock": 0.5,
    "lead_hours": {"low": 1, "mode": 2, "high": 3},
}
CLOCK = {"clock_id": "day", "citation": "Code 1", "within_hours": 24, "what": "begin"}
PATH = {"path_id": "all", "categories": ["Billing"], "urgencies": ["Low"], "steps": [{"who": "me", "wait_minutes": 5}]}


def test_a_key_stated_twice_says_where_the_two_differ(shelf: Shelf):
    shelf.put("entry", rules={"entry": ENTRY})
    shelf.put("other", rules={"entry": ENTRY | {"notice_hours": 48}})
    (finding,) = find(shelf.library())
    assert (finding.code, finding.document) == ("doubled_key", "other")
    assert "notice_hours: 24.0 and 48.0" in finding.message


def test_a_building_may_restate_a_key_once(shelf: Shelf):
    shelf.put("entry", rules={"entry": ENTRY})
    shelf.put("entry-b", building="B", rules={"entry": ENTRY | {"notice_hours": 48}})
    shelf.put("entry-c", building="C", rules={"entry": ENTRY})
    assert shelf.found(find) == []
    shelf.put("again-b", building="B", rules={"entry": ENTRY})
    assert shelf.found(find) == [("doubled_key", "again-b")]


@pytest.mark.parametrize(
    ("key", "item", "code"),
    [
        ("options", OPTION, "duplicate_option"),
        ("crews", CREW, "duplicate_crew"),
        ("vendors", VENDOR, "duplicate_vendor"),
        ("parts", PART, "duplicate_part"),
        ("buildings", {"building_id": "A", "name": "A", "jurisdiction": "US-WA", "homes": 2}, "duplicate_building"),
    ],
)
def test_an_item_stated_twice_is_found_in_one_document_and_across_two(
    shelf: Shelf, key: str, item: dict[str, Any], code: str
):
    shelf.put("first", rules={key: [item]})
    assert shelf.found(find) == []
    shelf.put("second", rules={key: [item]})
    assert shelf.found(find) == [(code, "second")]
    shelf.put("third", rules={key: [item, item]})
    assert shelf.found(find) == [(code, "second"), (code, "third"), (code, "third")]


def test_a_building_may_replace_an_option(shelf: Shelf):
    shelf.put("first", rules={"options": [OPTION]})
    shelf.put("own", building="B", rules={"options": [OPTION]})
    assert shelf.found(find) == []


def test_a_jurisdiction_and_its_clocks_are_stated_once(shelf: Shelf):
    shelf.put("wa", rules={"jurisdictions": [{"code": "US-WA", "name": "Washington", "clocks": [CLOCK]}]})
    shelf.put("ma", rules={"jurisdictions": [{"code": "US-MA", "name": "Massachusetts", "clocks": [CLOCK]}]})
    assert shelf.found(find) == [("duplicate_clock", "ma")]


def test_two_paths_for_the_same_request_are_found(shelf: Shelf):
    shelf.put("ladder", rules={"escalation_paths": [PATH, PATH | {"path_id": "high", "urgencies": ["High"]}]})
    assert shelf.found(find) == []
    shelf.put("matrix", rules={"escalation_paths": [PATH | {"path_id": "low", "categories": ["Other", "Billing"]}]})
    (finding,) = find(shelf.library())
    assert (finding.code, finding.document) == ("overlapping_paths", "matrix")
    assert "Billing at Low" in finding.message


def test_one_figure_with_two_values(shelf: Shelf):
    shelf.put("a", rules={"figures": {"rent.late_fee_usd": 50, "gym.opens": "07:00"}})
    shelf.put("b", rules={"figures": {"rent.late_fee_usd": 50.0, "gym.opens": "07:00"}})
    assert shelf.found(find) == []
    shelf.put("c", rules={"figures": {"rent.late_fee_usd": 75, "gym.opens": "08:00"}})
    assert shelf.found(find) == [("conflicting_figure", "c"), ("conflicting_figure", "c")]


def test_a_building_contradicts_a_general_figure_unless_it_replaces_the_document(shelf: Shelf):
    shelf.put("gym", rules={"figures": {"gym.opens": "07:00"}})
    shelf.put("gym-b", building="B", supersedes=["gym"], rules={"figures": {"gym.opens": "08:00"}})
    assert shelf.found(find) == []
    shelf.put("gym-c", building="C", rules={"figures": {"gym.opens": "09:00"}})
    assert shelf.found(find) == [("conflicting_figure", "gym-c")]


def test_a_restated_rule_must_have_the_value_in_force(shelf: Shelf):
    shelf.put("entry", rules={"entry": ENTRY, "options": [OPTION], "crews": [CREW]})
    right = {"entry.notice_hours": 24, "entry.quiet_start": "22:00", "options.visit.cost_usd.high": 120}
    shelf.put("visits", rules={"figures": right | {"crews.plumbing.technicians": 2}})
    assert shelf.found(find) == []
    shelf.put("wrong", rules={"figures": {"entry.notice_hours": 48, "entry.quiet_start": "21:00"}})
    assert shelf.found(find) == [("conflicting_figure", "wrong"), ("conflicting_figure", "wrong")]


def test_a_restated_rule_of_a_building_is_compared_with_its_own_rules(shelf: Shelf):
    shelf.put("entry", rules={"entry": ENTRY})
    shelf.put("entry-b", building="B", rules={"entry": ENTRY | {"notice_hours": 48}})
    shelf.put("visits-b", building="B", rules={"figures": {"entry.notice_hours": 48}})
    shelf.put("visits-c", building="C", rules={"figures": {"entry.notice_hours": 24}})
    assert shelf.found(find) == []
    shelf.put("notes-b", building="B", rules={"figures": {"entry.notice_hours": 24}})
    assert shelf.found(find) == [("conflicting_figure", "notes-b")]


def test_a_figure_that_is_no_place_of_the_rules(shelf: Shelf):
    document = shelf.put("entry", rules={"entry": ENTRY, "figures": {"entry.notice": 24, "entry": 3, "gym.size": 4}})
    findings = list(find(shelf.library()))
    assert [finding.code for finding in findings] == ["unknown_figure", "unknown_figure"]
    assert findings[0].line is not None
    assert "entry.notice: 24" in document.source.splitlines()[findings[0].line - 1]
