"""When a visit takes place: always allowed, as near to the wishes as can be, and in the building's own time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.entry import EntryRules, EntryTerms
from core.errors import Invalid
from core.visit_wishes import read_avoided_days, read_preferred_days, read_slots
from core.visits import first_window, require_allowed

HOUR = timedelta(hours=1)
RULES = EntryRules(
    notice_hours=24, quiet_start=time(22), quiet_end=time(7), weekend_start=time(9), weekend_end=time(19)
)
UTC_TERMS = EntryTerms(rules=RULES, notice=True, time_zone="UTC")
NEW_YORK = EntryTerms(rules=RULES, notice=False, time_zone="America/New_York")
TUESDAY = datetime(2026, 3, 3, 14, 5, tzinfo=UTC)


def begin(entry: EntryTerms | None = UTC_TERMS, **more: Any) -> datetime:
    wanted: dict[str, Any] = {"now": TUESDAY, "duration": HOUR, "emergency": False} | more
    return first_window(entry, **wanted)[0]


@pytest.mark.parametrize(
    ("wishes", "begins"),
    [
        ({}, datetime(2026, 3, 4, 14, 15, tzinfo=UTC)),
        ({"duration": 4 * HOUR}, datetime(2026, 3, 5, 8, tzinfo=UTC)),
        ({"preferred_days": ("Friday",)}, datetime(2026, 3, 6, 8, tzinfo=UTC)),
        ({"preferred_days": ("sábado o domingo",)}, datetime(2026, 3, 7, 9, tzinfo=UTC)),
        ({"preferred_time_slots": ("por la mañana",)}, datetime(2026, 3, 5, 8, tzinfo=UTC)),
        ({"preferred_time_slots": ("after 5pm",)}, datetime(2026, 3, 4, 17, tzinfo=UTC)),
        ({"preferred_time_slots": ("at 10:30",)}, datetime(2026, 3, 5, 10, 30, tzinfo=UTC)),
        ({"preferred_days": ("Thursday",), "preferred_time_slots": ("tarde",)}, datetime(2026, 3, 5, 12, tzinfo=UTC)),
        ({"avoid_days": ("Wednesday", "jueves")}, datetime(2026, 3, 6, 8, tzinfo=UTC)),
        ({"avoid_days": ("Wednesday",), "preferred_days": ("Wednesday",)}, datetime(2026, 3, 5, 8, tzinfo=UTC)),
        ({"avoid_days": ("weekdays", "weekends")}, datetime(2026, 3, 4, 14, 15, tzinfo=UTC)),
        ({"preferred_time_slots": ("whenever the stars allow",)}, datetime(2026, 3, 4, 14, 15, tzinfo=UTC)),
        ({"preferred_time_slots": ("23:00-23:30",)}, datetime(2026, 3, 4, 14, 15, tzinfo=UTC)),
        ({"not_before": datetime(2026, 3, 4, 9, tzinfo=UTC)}, datetime(2026, 3, 4, 9, tzinfo=UTC)),
        ({"duration": 11 * HOUR}, datetime(2026, 3, 5, 7, tzinfo=UTC)),
    ],
)
def test_the_earliest_of_the_best_is_found(wishes: dict[str, Any], begins: datetime) -> None:
    assert begin(**wishes) == begins


def test_hours_are_those_of_the_building_also_after_the_clocks_change() -> None:
    friday = datetime(2026, 3, 6, 23, 30, tzinfo=UTC)
    assert begin(NEW_YORK, now=friday) == datetime(2026, 3, 7, 14, tzinfo=UTC)
    sunday = datetime(2026, 3, 8, 1, tzinfo=UTC)
    assert begin(NEW_YORK, now=sunday) == datetime(2026, 3, 8, 13, tzinfo=UTC), "09:00 in summer time"


def test_an_emergency_begins_now() -> None:
    night = datetime(2026, 3, 3, 23, 11, 12, tzinfo=UTC)
    assert first_window(UTC_TERMS, now=night, duration=HOUR, emergency=True) == (night, night + HOUR)


def test_without_rules_a_visit_keeps_business_hours_of_the_house() -> None:
    saturday = datetime(2026, 3, 7, 3, tzinfo=UTC)
    assert begin(None, now=saturday) == datetime(2026, 3, 9, 8, tzinfo=UTC)
    assert begin(None, now=saturday, time_zone="America/New_York") == datetime(2026, 3, 9, 12, tzinfo=UTC)
    assert begin(None, now=saturday, preferred_days=("Sunday",)) == datetime(2026, 3, 8, 8, tzinfo=UTC)


def test_where_quiet_hours_leave_no_room_that_is_said() -> None:
    with pytest.raises(Invalid, match="Quiet hours"):
        begin(duration=16 * HOUR)
    always = RULES.model_copy(update={"quiet_start": time(0), "quiet_end": time(23, 59, 59, 999999)})
    with pytest.raises(Invalid, match="Quiet hours"):
        begin(EntryTerms(rules=always, notice=False, time_zone="UTC"))


@pytest.mark.parametrize(
    ("start", "hours", "clause"),
    [
        (datetime(2026, 3, 4, 14, tzinfo=UTC), 1, "Notice"),
        (datetime(2026, 3, 4, 21, 30, tzinfo=UTC), 1, "Quiet hours"),
        (datetime(2026, 3, 5, 6, 59, tzinfo=UTC), 1, "Quiet hours"),
        (datetime(2026, 3, 7, 8, 30, tzinfo=UTC), 1, "Quiet hours"),
        (datetime(2026, 3, 4, 20, tzinfo=UTC), 12, "Quiet hours"),
        (datetime(2026, 3, 3, 8, tzinfo=UTC), 2, "passed"),
        (datetime(2026, 3, 5, 8, tzinfo=UTC), 0, "ends after"),
        (datetime(2026, 3, 4, 14, 5, tzinfo=UTC), 1, None),
        (datetime(2026, 3, 4, 21, tzinfo=UTC), 1, None),
        (datetime(2026, 3, 7, 9, tzinfo=UTC), 10, None),
    ],
)
def test_a_window_is_refused_with_its_clause(start: datetime, hours: int, clause: str | None) -> None:
    window = (start, start + hours * HOUR)
    if clause is None:
        require_allowed(window, UTC_TERMS, TUESDAY, False)
    else:
        with pytest.raises(Invalid, match=clause):
            require_allowed(window, UTC_TERMS, TUESDAY, False)


def test_an_emergency_waits_for_neither_notice_nor_quiet_hours() -> None:
    night = datetime(2026, 3, 3, 23, tzinfo=UTC)
    require_allowed((night, night + HOUR), UTC_TERMS, TUESDAY, True)


def test_notice_that_was_told_with_the_order_does_not_begin_again() -> None:
    window = (TUESDAY + timedelta(hours=20), TUESDAY + timedelta(hours=21))
    with pytest.raises(Invalid, match="Notice"):
        require_allowed(window, UTC_TERMS, TUESDAY, False)
    require_allowed(window, UTC_TERMS, TUESDAY, False, not_before=window[0])


DAY_TEXTS: list[tuple[str, set[int]]] = [
    ("Monday", {0}), ("Mondays and thursdays", {0, 3}), ("lunes", {0}), ("miércoles", {2}), ("Mon-Wed", {0, 1, 2}),
    ("de lunes a viernes", {0, 1, 2, 3, 4}), ("Fri to Mon", {4, 5, 6, 0}), ("weekdays", {0, 1, 2, 3, 4}),
    ("fin de semana", {5, 6}), ("entre semana", {0, 1, 2, 3, 4}), ("any day but Monday", set()),
    ("Tuesday, not Friday", {1}), ("the day my money comes", set()), ("", set()),
]  # fmt: skip


@pytest.mark.parametrize(("text", "weekdays"), DAY_TEXTS)
def test_days_are_read_in_both_languages(text: str, weekdays: set[int]) -> None:
    assert read_preferred_days((text,)).weekdays == weekdays


def test_days_to_avoid_and_dates() -> None:
    assert read_avoided_days(("not on Mondays",)).weekdays == {0}
    assert read_avoided_days(("nunca los domingos",)).weekdays == {6}
    wish = read_avoided_days(("2026-03-05", "2026-13-05"))
    assert (wish.dates, wish.weekdays) == ({date(2026, 3, 5)}, set())
    assert wish.includes(date(2026, 3, 5))
    assert not wish.includes(date(2026, 3, 6))


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("09:00-12:00", [(540, 720)]), ("9am – 12pm", [(540, 720)]), ("2 to 4pm", [(840, 960)]), ("9-5", [(540, 1020)]),
        ("2-4", [(840, 960)]), ("9 a.m. to 11 a.m.", [(540, 660)]), ("after 5pm", [(1020, 1440)]),
        ("after 5", [(1020, 1440)]), ("before 10:30", [(0, 630)]), ("after noon", [(720, 1440)]),
        ("morning", [(480, 720)]), ("Afternoons", [(720, 1080)]), ("mañana o tarde", [(480, 720), (720, 1080)]),
        ("por la noche", [(1080, 1320)]), ("entre las 9 y las 12", [(540, 720)]), ("de 9 a 11", [(540, 660)]),
        ("después de las 5 de la tarde", [(1020, 1440)]), ("antes de las 10", [(0, 600)]), ("at 10am", [(600, 600)]),
        ("not in the morning", []), ("25:00-99:99", []), ("", []), ("unit 1204", []),
    ],
)  # fmt: skip
def test_times_are_read_in_both_languages(text: str, slots: list[tuple[int, int]]) -> None:
    assert list(read_slots((text,))) == slots


PIECES = st.sampled_from(
    ["monday", "lunes", "a", "to", "-", "9", "5pm", "12:30", "24", "25:61", "after", "antes de", "las", "morning",
     "tarde", "not", "weekend", "2026-03-08", "mañana", "fin de semana", "until", "¿", "y"]
)  # fmt: skip
WISH = st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=6).map(" ".join))
WISHES = st.lists(WISH, max_size=3).map(tuple)
ZONES = st.sampled_from(
    ["UTC", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"]
)
CLOCK = st.times().map(lambda moment: moment.replace(second=0, microsecond=0, tzinfo=None))
# Half of them within days of a change of clocks.
MOMENTS = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
    *(
        st.timedeltas(timedelta(days=-2), timedelta(days=2)).map(lambda off, at=at: at + off)
        for at in (datetime(2026, 3, 8, 7), datetime(2026, 11, 1, 6), datetime(2026, 4, 5), datetime(2026, 10, 4))
    ),
).map(lambda moment: moment.replace(tzinfo=UTC))


@given(text=WISH)
def test_whatever_is_written_gives_times_of_a_day(text: str) -> None:
    assert all(0 <= start <= end <= 1440 for start, end in read_slots((text,)))
    assert read_preferred_days((text,)).weekdays <= set(range(7))


@given(
    rules=st.builds(
        EntryRules,
        notice_hours=st.floats(0, 72), quiet_start=CLOCK, quiet_end=CLOCK, weekend_start=CLOCK, weekend_end=CLOCK,
    ),
    notice=st.booleans(), zone=ZONES, now=MOMENTS, minutes=st.integers(5, 12 * 60), days=WISHES, slots=WISHES,
    avoided=WISHES,
)  # fmt: skip
def test_a_window_is_always_allowed(
    rules: EntryRules, notice: bool, zone: str, now: datetime, minutes: int,
    days: tuple[str, ...], slots: tuple[str, ...], avoided: tuple[str, ...],
) -> None:  # fmt: skip
    entry = EntryTerms(rules=rules, notice=notice, time_zone=zone)
    duration = timedelta(minutes=minutes)
    try:
        window = first_window(
            entry, now=now, duration=duration, preferred_days=days, preferred_time_slots=slots, avoid_days=avoided,
            emergency=False,
        )  # fmt: skip
    except Invalid:
        assume(False)
        return
    start, end = window
    assert end - start == duration
    assert start >= (entry.not_before(now) or now)
    require_allowed(window, entry, now, False)
    # Asked minute by minute, and not by the search's own edges.
    local = [(start + timedelta(minutes=minute)).astimezone(ZoneInfo(zone)) for minute in range(minutes)]
    assert all(rules.allow_noise(moment) for moment in local)
    assert {moment.date() for moment in local} == {local[0].date()}


@given(now=MOMENTS, zone=ZONES, days=WISHES, slots=WISHES, avoided=WISHES, hours=st.integers(1, 9))
def test_under_usual_rules_there_is_always_one(
    now: datetime, zone: str, days: tuple[str, ...], slots: tuple[str, ...], avoided: tuple[str, ...], hours: int
) -> None:
    entry = EntryTerms(rules=RULES, notice=True, time_zone=zone)
    start, _ = first_window(
        entry, now=now, duration=hours * HOUR, preferred_days=days, preferred_time_slots=slots, avoid_days=avoided,
        emergency=False,
    )  # fmt: skip
    assert start - now <= timedelta(days=33)


@given(now=MOMENTS, zone=ZONES, minutes=st.integers(5, 600))
def test_nothing_earlier_would_do(now: datetime, zone: str, minutes: int) -> None:
    entry = EntryTerms(rules=RULES, notice=True, time_zone=zone)
    duration = timedelta(minutes=minutes)
    start, _ = first_window(entry, now=now, duration=duration, emergency=False)
    earliest = entry.not_before(now) or now
    moment = start - timedelta(minutes=15)
    while moment >= earliest:
        local, end = (each.astimezone(ZoneInfo(zone)) for each in (moment, moment + duration))
        is_weekend = local.weekday() >= 5
        usual = (9, 19) if is_weekend else (8, 18)
        closes = datetime.combine(local.date(), time(usual[1]), local.tzinfo).astimezone(UTC)
        assert local.hour < usual[0] or end.astimezone(UTC) > closes, (moment, start)
        moment -= timedelta(minutes=15)
