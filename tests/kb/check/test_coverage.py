from typing import Any

from core.labels import Category, Urgency
from core.rules import SINGLE_KEYS
from kb.check.coverage import find
from tests.kb.check.shelf import ENTRY, OPTION, Shelf

TEXT = "## The visit\n\nWe come."
ALL: dict[str, Any] = OPTION | {"categories": list(map(str, Category))}
PATH: dict[str, Any] = {
    "path_id": "all",
    "categories": list(map(str, Category)),
    "urgencies": list(map(str, Urgency)),
    "steps": [{"who": "me", "wait_minutes": 5}],
}


def messages(shelf: Shelf, code: str) -> list[str]:
    return [finding.message for finding in find(shelf.library()) if finding.code == code]


def put_options(shelf: Shelf, kinds: list[str], **fields: Any) -> None:
    for number, kind in enumerate(kinds):
        option = ALL | {"option_id": f"visit-{number}"} | fields
        shelf.put(f"options-{number}", TEXT, kind=kind, rules={"options": [option]})


def test_keys_that_no_document_states(shelf: Shelf):
    shelf.put("entry", rules={"entry": ENTRY})
    shelf.put("autonomy-b", building="B")
    stated = messages(shelf, "missing_key")
    assert len(stated) == len(SINGLE_KEYS) - 1
    assert not any("entry" in message for message in stated)


def test_three_options_of_which_one_is_a_procedures_are_enough(shelf: Shelf):
    put_options(shelf, ["procedure", "catalogue", "catalogue"])
    assert messages(shelf, "coverage") == messages(shelf, "missing_procedure") == []


def test_two_options_are_too_few(shelf: Shelf):
    put_options(shelf, ["procedure", "catalogue"])
    assert len(messages(shelf, "coverage")) == (len(Category) + 9) * len(Urgency)


def test_a_step_of_a_plan_is_no_option(shelf: Shelf):
    put_options(shelf, ["procedure"] * 3, plan_step="diagnose")
    assert "Billing at Low has 0 options without keywords; 3 needed." in messages(shelf, "coverage")


def test_options_without_a_procedure_are_found(shelf: Shelf):
    put_options(shelf, ["catalogue"] * 3)
    assert "Billing at Low has no option from a procedure." in messages(shelf, "missing_procedure")


def test_a_building_that_replaces_an_option_has_to_cover_as_much(shelf: Shelf):
    put_options(shelf, ["procedure"] * 3)
    own = ALL | {"option_id": "visit-0", "urgencies": ["High"]}
    shelf.put("own", TEXT, building="B", kind="procedure", rules={"options": [own]})
    assert "Billing at Low in B has 2 options without keywords; 3 needed." in messages(shelf, "coverage")
    assert not any("High" in message for message in messages(shelf, "coverage"))


def test_a_broken_file_with_options_leaves_coverage_open(shelf: Shelf):
    shelf.put("empty")
    library = shelf.library(unread=("---\nrules:\n  options: [\n",))
    assert "coverage" not in {finding.code for finding in find(library)}


def test_an_option_that_costs_nothing_says_so(shelf: Shelf):
    free = {"low": 0, "mode": 0, "high": 0}
    shelf.put("silent", TEXT, rules={"options": [OPTION | {"cost_usd": free}]})
    assert len(messages(shelf, "missing_cost_basis")) == 1
    shelf.put("says", f"{TEXT} It is free.", rules={"options": [OPTION | {"option_id": "b", "cost_usd": free}]})
    assert len(messages(shelf, "missing_cost_basis")) == 1


def test_every_category_has_an_escalation_path_at_every_urgency(shelf: Shelf):
    shelf.put("ladder", rules={"escalation_paths": [PATH | {"urgencies": ["Emergency"]}]})
    assert len(messages(shelf, "missing_escalation_path")) == len(Category)
    shelf.put("matrix", rules={"escalation_paths": [PATH | {"path_id": "b", "urgencies": ["Low", "Medium", "High"]}]})
    assert messages(shelf, "missing_escalation_path") == []


def test_a_buildings_own_targets_are_complete_too(shelf: Shelf):
    high = {"response_hours": 24, "resolution_hours": 72, "clock": "calendar"}
    shelf.put("own", building="B", rules={"response_targets": {"High": high}})
    assert len(messages(shelf, "missing_target")) == 3
