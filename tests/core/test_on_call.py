"""Who is on call: somebody at every moment, hand-overs at the stated minute, deputies, and books of before."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.labels import Category, Urgency
from core.on_call import UNHELD, Rung, holder, ladder
from core.rules import Absence, OnCallPost, OnCallRules, RuleBook
from kb.compile import compile_documents

MONDAY = date(2026, 1, 5)
RULES = OnCallRules(
    since=MONDAY,
    posts={"guard": OnCallPost(days=("D0", "D1", "D2"), nights=("N0", "N1")), "chief": OnCallPost(days=("C0", "C1"))},
)
PACIFIC = ZoneInfo("America/Los_Angeles")


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return compile_documents(on=date(2026, 7, 1))


def on(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute))


@pytest.mark.parametrize(
    ("local", "guard", "chief"),
    [
        (on(MONDAY, 8), "D0", "C0"),
        (on(MONDAY, 17, 59), "D0", "C0"),
        (on(MONDAY, 18), "N0", "C0"),
        (on(date(2026, 1, 11), 18), "N0", "C0"),
        (on(date(2026, 1, 12), 7, 59), "N0", "C0"),
        (on(date(2026, 1, 12), 8), "D1", "C1"),
        (on(date(2026, 1, 12), 23), "N1", "C1"),
        (on(date(2026, 1, 19), 12), "D2", "C0"),
        (on(date(2026, 1, 26), 12), "D0", "C1"),
        (on(MONDAY, 7, 59), "N1", "C1"),
    ],
)
def test_turns_pass_on_monday_morning(local: datetime, guard: str, chief: str) -> None:
    assert (holder(RULES, "guard", local), holder(RULES, "chief", local)) == (guard, chief)


@given(st.integers(0, 366 * 24 * 60), st.sampled_from(["A", "B", "C", "D", "elsewhere", None]))
def test_at_every_minute_of_a_year_somebody_holds_every_post(book: RuleBook, minutes: int, building: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    known = {person for post in book.on_call.posts.values() for person in (*post.days, *post.nights)}
    for path in book.escalation_paths:
        rungs = ladder(book, building, path.categories[0], path.urgencies[0], at, "America/New_York")
        assert [rung.who for rung in rungs] == [step.who for step in path.steps]
        assert {rung.person for rung in rungs} <= known
        assert len({rung.person for rung in rungs}) == len(rungs)


def test_on_every_hour_of_a_year_somebody_holds_every_post(book: RuleBook) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for hour in range(366 * 24):
        local = (start + timedelta(hours=hour)).astimezone(PACIFIC)
        assert all(holder(book.on_call, who, local) != UNHELD for who in book.on_call.posts)


@given(
    st.integers(0, 3 * 366 * 24 * 60),
    st.sampled_from(["America/Los_Angeles", "America/New_York", "America/Chicago", "Australia/Lord_Howe", "UTC"]),
)
def test_a_holder_changes_only_at_a_hand_over(minutes: int, zone: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    before, now = ((at - timedelta(minutes=m)).astimezone(ZoneInfo(zone)) for m in (1, 0))
    changed = holder(RULES, "guard", before) != holder(RULES, "guard", now)
    assert changed == ((now.hour, now.minute) in {(8, 0), (18, 0)})


@pytest.mark.parametrize("day", [date(2026, 3, 8), date(2026, 11, 1)])
def test_on_days_when_the_clocks_change_the_hand_over_is_at_the_stated_minute(day: date) -> None:
    last, handed_over, begun = (
        datetime.combine(day, clock, PACIFIC).astimezone(UTC) for clock in (time(7, 59), time(8), time(8, 1))
    )
    assert handed_over - last == begun - handed_over == timedelta(minutes=1)
    people = [holder(RULES, "guard", at.astimezone(PACIFIC))[0] for at in (last, handed_over, begun)]
    assert people == ["N", "D", "D"]
    # An hour of the night is missing in spring and comes twice in autumn.
    midnight = datetime.combine(day, time(), PACIFIC).astimezone(UTC)
    hours = [(midnight + timedelta(minutes=m)).astimezone(PACIFIC) for m in range(0, 7 * 60, 10)]
    assert {holder(RULES, "guard", local)[0] for local in hours} == {"N"}


def away(person: str, since: date, until: date, deputy: str) -> Absence:
    return Absence(person=person, since=since, until=until, deputy=deputy)


def test_a_deputy_has_the_shifts_that_begin_on_the_days_of_the_absence() -> None:
    absence = away("N0", date(2026, 1, 6), date(2026, 1, 7), "N1")
    rules = RULES.model_copy(update={"absences": (absence,)})
    held = [
        holder(rules, "guard", local)
        for local in (
            on(date(2026, 1, 6), 7), on(date(2026, 1, 6), 12), on(date(2026, 1, 6), 18), on(date(2026, 1, 8), 7),
            on(date(2026, 1, 8), 18),
        )
    ]  # fmt: skip
    assert held == ["N0", "D0", "N1", "N1", "N0"]


def test_deputies_who_stand_in_for_each_other_leave_somebody() -> None:
    week = (MONDAY, date(2026, 1, 11))
    chain = RULES.model_copy(update={"absences": (away("D0", *week, "X"), away("X", *week, "Y"))})
    circle = RULES.model_copy(update={"absences": (away("D0", *week, "X"), away("X", *week, "D0"))})
    assert holder(chain, "guard", on(MONDAY, 9)) == "Y"
    assert holder(circle, "guard", on(MONDAY, 9)) == "X"


def test_the_ladder_of_an_emergency_goes_by_the_buildings_own_time(book: RuleBook) -> None:
    at = datetime(2026, 7, 6, 13, 30, tzinfo=UTC)  # 06:30 in Seattle, 09:30 in Boston, on a Monday
    west, east = (ladder(book, building, None, Urgency.LOW, at, "UTC") for building in ("A", "C"))
    posts = ["on-call technician or officer", "maintenance supervisor", "property manager", "regional director"]
    assert [rung.who for rung in west] == [rung.who for rung in east] == posts
    assert {rung.wait_minutes for rung in west} == {5.0}
    first = book.on_call.posts[posts[0]]
    assert west[0].person in first.nights
    assert east[0].person in first.days
    assert ladder(book, "A", Category.SECURITY, Urgency.EMERGENCY, at, "UTC") == west
    assert ladder(book, "A", Category.SECURITY, Urgency.HIGH, at, "UTC")[0].who == "security lead"
    assert ladder(book, "NEW", None, Urgency.LOW, at, "America/New_York") == east


def test_a_buildings_own_calendar_takes_the_place_of_the_general_one(book: RuleBook) -> None:
    own = OnCallRules(since=MONDAY, posts={who: OnCallPost(days=("D0",)) for who in book.on_call.posts})
    override = book.overrides["D"]
    rules = override.rules.model_copy(update={"on_call": own})
    changed = {**book.overrides, "D": override.model_copy(update={"rules": rules})}
    at = datetime(2026, 7, 6, 18, tzinfo=UTC)
    there, here = (
        ladder(book.model_copy(update={"overrides": changed}), building, None, Urgency.LOW, at, "UTC")
        for building in ("D", "A")
    )
    assert {rung.person for rung in there} == {"D0"}
    assert here == ladder(book, "A", None, Urgency.LOW, at, "UTC")


def test_a_book_of_before_the_calendar_names_the_role(book: RuleBook) -> None:
    stored = book.model_dump(mode="json")
    del stored["on_call"]
    old = RuleBook.model_validate(stored)
    at = datetime(2026, 7, 6, tzinfo=UTC)
    rungs = ladder(old, "A", None, Urgency.LOW, at, "UTC")
    assert len(rungs) == 4
    assert {rung.person for rung in rungs} == {"staff"}
    none = old.model_copy(update={"escalation_paths": ()})
    assert ladder(none, "A", Category.BILLING, Urgency.HIGH, at, "UTC") == (Rung("staff", "staff", 5.0),)


@pytest.mark.parametrize(
    "fields",
    [
        {"since": date(2026, 1, 6)},
        {"day_begins": time(18)},
        {"changes_on": "Mittwoch"},
        {"posts": {"guard": {"days": []}}},
        {"posts": {"guard": {"days": ["two words"]}}},
        {"absences": [{"person": "D0", "since": MONDAY, "until": MONDAY - timedelta(days=1), "deputy": "D1"}]},
        {"absences": [{"person": "D0", "since": MONDAY, "until": MONDAY, "deputy": "D0"}]},
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OnCallRules.model_validate(RULES.model_dump() | fields)
