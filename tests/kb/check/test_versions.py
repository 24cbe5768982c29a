from datetime import date

from kb.check.versions import find
from tests.kb.check.shelf import ENTRY, Shelf


def test_two_documents_with_one_id_and_version_are_a_duplicate(shelf: Shelf):
    shelf.put("pets")
    shelf.put("pets", file="pets-2")
    assert shelf.found(find) == [("duplicate_document", "pets")]


def test_two_versions_that_hold_at_the_same_time_overlap(shelf: Shelf):
    shelf.put("pets")
    shelf.put("pets", file="pets-2", version=2, effective_from=date(2026, 6, 1))
    assert shelf.found(find) == [("overlapping_versions", "pets")]


def test_a_version_that_ended_the_day_before_the_next_is_no_fault(shelf: Shelf):
    shelf.put("pets", effective_to=date(2026, 5, 31))
    shelf.put("pets", file="pets-2", version=2, effective_from=date(2026, 6, 1))
    assert shelf.found(find) == []


def test_two_versions_of_which_neither_has_ended_cannot_share_an_id(shelf: Shelf):
    shelf.put("pets", effective_to=date(2026, 12, 31))
    shelf.put("pets", file="pets-2", version=2, effective_from=date(2027, 1, 1))
    assert shelf.found(find) == [("duplicate_document", "pets")]


def test_a_later_document_with_a_lower_version_goes_backwards(shelf: Shelf):
    shelf.put("pets", version=3, effective_to=date(2026, 5, 31))
    shelf.put("pets", file="pets-2", version=2, effective_from=date(2026, 6, 1))
    shelf.put("rent", version=2)
    shelf.put("rent-2", version=1, effective_from=date(2026, 6, 1), supersedes=["rent"])
    assert shelf.found(find) == [("version_backwards", "pets"), ("version_backwards", "rent-2")]


def test_a_successor_takes_the_place_of_the_older_one(shelf: Shelf):
    shelf.put("rent")
    shelf.put("rent-2", version=2, effective_from=date(2026, 6, 1), supersedes=["rent"])
    shelf.put("rent-b", building="B", supersedes=["rent"])
    assert shelf.found(find) == []


def test_a_document_that_replaces_one_which_begins_later_is_a_fault(shelf: Shelf):
    shelf.put("rent", effective_from=date(2026, 6, 1))
    shelf.put("rent-2", version=2, supersedes=["rent"])
    assert shelf.found(find) == [("version_backwards", "rent-2")]


def test_two_successors_of_one_document_overlap(shelf: Shelf):
    shelf.put("rent")
    shelf.put("rent-2", version=2, supersedes=["rent"])
    shelf.put("rent-3", version=3, effective_from=date(2026, 6, 1), supersedes=["rent"])
    assert shelf.found(find) == [("overlapping_versions", "rent-3")]


def test_successors_in_a_row_do_not_overlap(shelf: Shelf):
    shelf.put("rent")
    shelf.put("rent-2", version=2, supersedes=["rent"])
    shelf.put("rent-3", version=3, effective_from=date(2026, 6, 1), supersedes=["rent", "rent-2"])
    assert shelf.found(find) == []


def test_documents_that_replace_each_other_leave_none(shelf: Shelf):
    shelf.put("a", supersedes=["b"])
    shelf.put("b", supersedes=["a"])
    assert shelf.found(find) == [("overlapping_versions", "b")]


def test_a_sheet_of_one_building_cannot_replace_that_of_another(shelf: Shelf):
    shelf.put("gym-b", building="B")
    shelf.put("gym-c", building="C", supersedes=["gym-b"])
    assert shelf.found(find) == [("dangling_reference", "gym-c")]


def test_two_sheets_of_one_building_hold_both_whatever_they_say(shelf: Shelf):
    shelf.put("gym-b", building="B")
    shelf.put("gym-b-2", building="B", version=2, effective_from=date(2026, 6, 1), supersedes=["gym-b"])
    assert shelf.found(find) == [("overlapping_versions", "gym-b-2")]


def test_an_ended_document_that_alone_states_a_key_is_an_error(shelf: Shelf):
    shelf.put("entry", rules={"entry": ENTRY}, effective_to=date(2026, 6, 30))
    shelf.put("other")
    (finding,) = find(shelf.library())
    assert (finding.code, finding.severity, finding.document) == ("expired", "error", "entry")
    assert "entry" in finding.message


def test_an_ended_document_that_is_the_only_one_of_its_kind_is_an_error(shelf: Shelf):
    shelf.put("law", kind="statute", effective_to=date(2026, 6, 30))
    shelf.put("other")
    assert [finding.severity for finding in find(shelf.library())] == ["error"]


def test_another_ended_document_is_a_warning_and_a_replaced_one_nothing(shelf: Shelf):
    shelf.put("old", effective_to=date(2026, 6, 30))
    shelf.put("older", effective_to=date(2026, 5, 31))
    shelf.put("middle", version=2, supersedes=["older"], effective_to=date(2026, 6, 30))
    shelf.put("newest", version=3, supersedes=["middle"])
    shelf.put("gym-b", building="B", rules={"entry": ENTRY}, effective_to=date(2026, 6, 30))
    found = {(finding.document, finding.code, finding.severity) for finding in find(shelf.library())}
    assert found == {("old", "expired", "warning"), ("gym-b", "expired", "warning")}


def test_dates_that_end_before_they_begin(shelf: Shelf):
    document = shelf.put("pets", effective_to=date(2025, 1, 1))
    (finding,) = find(shelf.library())
    assert finding.code == "dates"
    assert finding.line is not None
    assert "effective_to" in document.source.splitlines()[finding.line - 1]
