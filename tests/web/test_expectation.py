"""When something is done, in words: hours when it is soon, days by the building's calendar, never the wrong way."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.expectation import SHORT, Expectation, expect, latest_words, likely_words
from web.language import words_in

ZONES = ("America/New_York", "America/Los_Angeles", "America/Chicago", "Pacific/Honolulu")
WEEKDAYS = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
MONDAY = datetime(2026, 5, 4, 14, tzinfo=UTC)
"""Ten o'clock in New York."""

moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
# Around both changes of the clocks, and around midnight.
edges = st.tuples(
    st.sampled_from([datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC), MONDAY]),
    st.integers(-3000, 3000),
).map(lambda made: made[0] + timedelta(minutes=made[1]))
hours = st.floats(0, 24 * 400, allow_nan=False)


def told(p50: float, p90: float, *, since: datetime = MONDAY, now: datetime = MONDAY, zone: str = ZONES[0]) -> str:
    made = expect(p50, p90, since, now, words_in("en", zone))
    return made.sentence + (f"; 9 in 10 {made.further}" if made.further else "")


@pytest.mark.parametrize(
    ("p50", "p90", "sentence"),
    [
        (80, 130, "Most likely Thursday; 9 in 10 by Saturday"),
        (0.5, 0.9, "Most likely within the hour; 9 in 10 within 1 hour"),
        (2.6, 5.2, "Most likely in about 3 hours; 9 in 10 within 6 hours"),
        (3, 9, "Most likely in about 3 hours; 9 in 10 by the end of today"),
        (8, 30, "Most likely today; 9 in 10 by tomorrow"),
        (8, 9, "Most likely today, and 9 in 10 no later"),
        (30, 24 * 7, "Most likely tomorrow; 9 in 10 by Mon, May 11"),
        (24 * 10, 24 * 400, "Most likely around Thu, May 14; 9 in 10 by Jun 8, 2027"),
    ],
)
def test_it_is_said_as_people_say_it(p50: float, p90: float, sentence: str) -> None:
    assert told(p50, p90) == sentence


def test_midnight_is_the_buildings() -> None:
    late = datetime(2026, 5, 5, 3, 30, tzinfo=UTC)  # Monday, half past eleven at night in New York.
    assert told(6.2, 6.2, since=late, now=late) == "Most likely tomorrow, and 9 in 10 no later"
    there = told(6.2, 6.2, since=late, now=late, zone="Pacific/Honolulu")
    assert there == "Most likely today, and 9 in 10 no later"


def test_the_day_on_which_the_clocks_change_has_23_hours() -> None:
    before = datetime(2026, 3, 8, 4, tzinfo=UTC)  # Saturday, eleven at night; the clocks go forward at two.
    assert told(24.5, 24.5, since=before, now=before) == "Most likely Monday, and 9 in 10 no later"
    ordinary = before + timedelta(days=7) - timedelta(hours=1)
    assert told(24.5, 24.5, since=ordinary, now=ordinary) == "Most likely tomorrow, and 9 in 10 no later"


def test_what_was_to_be_done_by_now() -> None:
    later = MONDAY + timedelta(hours=10)
    assert told(2, 30, now=later) == "Most likely any moment now; 9 in 10 by tomorrow"
    assert told(2, 9, now=later) == "It takes longer than we expected."


def rank(words: str) -> int:
    """How far ahead words are, coarsely."""
    if words == "any moment now" or words == "by now":
        return 0
    if "hour" in words:
        return 1
    if "today" in words:
        return 2
    if "tomorrow" in words:
        return 3
    return 4 if words.removeprefix("by ") in WEEKDAYS else 5


@given(hours, hours, moments | edges, st.floats(0, 200), st.sampled_from(ZONES))
def test_what_is_likely_is_never_after_what_is_the_latest(
    one: float, other: float, since: datetime, passed: float, zone: str
) -> None:
    now = since + timedelta(hours=passed)
    made: Expectation = expect(min(one, other), max(one, other), since, now, words_in("en", zone))
    assert since <= made.likely_at <= made.latest_at
    assert rank(made.likely) <= rank(made.latest)
    if rank(made.likely) == rank(made.latest) == 1 and made.likely != "within the hour":
        assert number(made.likely) <= number(made.latest)


def number(words: str) -> int:
    return int(next(part for part in words.split() if part.isdecimal()))


@given(hours, moments | edges, st.sampled_from(ZONES))
def test_a_day_that_is_named_is_the_day(ahead: float, now: datetime, zone: str) -> None:
    words = words_in("en", zone)
    moment = now + timedelta(hours=ahead)
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    for text in (likely_words(moment, now, words), latest_words(moment, now, words).removeprefix("by ")):
        if rank(text) == 0 or text == "now":
            assert moment <= now
        elif "today" in text:
            assert local.date() == today
        elif text == "tomorrow":
            assert local.date() == today + timedelta(days=1)
        elif text in WEEKDAYS:
            # The same weekday must not mean another week.
            assert 2 <= (local.date() - today).days < 7
            assert local.strftime("%A") == text
        elif "hour" in text:
            assert moment - now <= SHORT
        elif rank(text) == 5:
            assert str(local.day) in text


@given(hours, moments)
def test_a_shuffled_estimate_is_not_told_backwards(p50: float, now: datetime) -> None:
    made = expect(p50, p50 / 2, now, now, words_in("en", ZONES[0]))
    assert made.latest_at == made.likely_at


def test_spanish_has_its_own_days() -> None:
    made = expect(80, 130, MONDAY, MONDAY, words_in("es", ZONES[0]))
    assert "jueves" in made.likely
