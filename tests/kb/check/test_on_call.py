"""Posts without a holder, absences that leave a gap, ladders that lead to one person twice, and text that is silent."""

from datetime import date
from typing import Any

import pytest

from kb.check.on_call import find
from tests.kb.check.shelf import Shelf

TEXT = "The guard and the chief change on Monday."
GUARD_AND_CHIEF = {"guard": {"days": ["G1", "G2"], "nights": ["G3"]}, "chief": {"days": ["C1", "C2"]}}


def path(*posts: str) -> dict[str, Any]:
    steps = [{"who": who, "wait_minutes": 5} for who in posts]
    return {"path_id": "emergencies", "categories": ["Security"], "urgencies": ["Emergency"], "steps": steps}


def on_call(**fields: Any) -> dict[str, Any]:
    return {"on_call": {"since": date(2026, 1, 5), "posts": GUARD_AND_CHIEF} | fields}


def away(person: str, deputy: str, since: date = date(2026, 7, 1), until: date = date(2026, 7, 9)) -> dict[str, Any]:
    return {"person": person, "deputy": deputy, "since": since, "until": until}


def put(shelf: Shelf, text: str = TEXT, *, posts: tuple[str, ...] = ("guard", "chief"), **fields: Any) -> None:
    shelf.put("paths", rules={"escalation_paths": [path(*posts)]})
    shelf.put("ladder", text, rules=on_call(**fields))


def test_a_full_calendar_has_no_fault(shelf: Shelf) -> None:
    put(shelf, absences=[away("G1", "G2"), away("G2", "G1", date(2026, 7, 10), date(2026, 7, 10))])
    assert shelf.found(find) == []


def test_every_post_of_a_path_has_a_holder(shelf: Shelf) -> None:
    put(shelf, posts=("guard", "chief", "owner"))
    assert shelf.found(find) == [("post_without_holder", "ladder")]


def test_a_buildings_own_calendar_holds_every_post_too(shelf: Shelf) -> None:
    put(shelf)
    own = on_call(posts={"guard": {"days": ["B1"]}})
    shelf.put("ladder-b", TEXT, building="B", rules=own)
    assert shelf.found(find) == [("post_without_holder", "ladder-b")]


def test_a_post_that_no_path_names_is_a_warning(shelf: Shelf) -> None:
    put(shelf, posts=("guard",))
    assert [(finding.code, finding.severity) for finding in find(shelf.library())] == [("idle_post", "warning")]


def test_paths_in_a_file_that_cannot_be_read_are_not_missed(shelf: Shelf) -> None:
    put(shelf, posts=("guard",))
    assert list(find(shelf.library(unread=("rules:\n  escalation_paths: [",)))) == []


@pytest.mark.parametrize(
    ("absences", "code"),
    [
        ([away("G1", "G2"), away("G2", "G3", date(2026, 7, 9), date(2026, 7, 20))], "absent_deputy"),
        ([away("X1", "G2")], "absence_of_nobody"),
        ([away("G1", "G2"), away("G1", "G3", date(2026, 7, 9), date(2026, 7, 10))], "doubled_absence"),
        ([away("C1", "G3")], "one_person_twice"),
    ],
)
def test_absences_leave_no_gap(shelf: Shelf, absences: list[dict[str, Any]], code: str) -> None:
    put(shelf, absences=absences)
    assert shelf.found(find) == [(code, "ladder")]


def test_a_ladder_leads_to_different_people_in_every_shift_of_the_year(shelf: Shelf) -> None:
    put(shelf)
    assert shelf.found(find) == []
    shared = {"guard": {"days": ["G1", "G2", "G3"]}, "chief": {"days": ["C1", "C2", "C3", "C4", "G3"]}}
    shelf.put("ladder-b", TEXT, building="B", rules=on_call(posts=shared))
    (finding,) = find(shelf.library())
    # The third guard and the fifth chief meet in week 14 of every 15, counted from 0; this is week 29.
    assert (finding.code, finding.message) == (
        "one_person_twice", "G3 stands on two steps of emergencies in the day of 2026-07-27.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The guard and the chief change every week.", [("unsaid_weekday", "ladder")]),
        ("The guard changes on Monday.", [("unsaid_post", "ladder")]),
        ("The guard and the chief, who is C2, change on Monday.", [("person_in_text", "ladder")]),
    ],
)
def test_the_text_names_day_and_posts_and_no_person(shelf: Shelf, text: str, found: list[tuple[str, str]]) -> None:
    put(shelf, text)
    assert shelf.found(find) == found
