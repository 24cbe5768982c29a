"""When a visit may begin: after the notice, never in quiet hours, and in the building's own time."""

from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.entry import EntryRules, EntryTerms

RULES = EntryRules(
    notice_hours=24, quiet_start=time(22), quiet_end=time(7), weekend_start=time(9), weekend_end=time(19)
)


@pytest.mark.parametrize(
    ("ordered", "notice", "begins"),
    [
        (datetime(2026, 3, 3, 14, tzinfo=UTC), False, None),
        (datetime(2026, 3, 3, 14, tzinfo=UTC), True, datetime(2026, 3, 4, 14, tzinfo=UTC)),
        (datetime(2026, 3, 3, 23, tzinfo=UTC), False, datetime(2026, 3, 4, 7, tzinfo=UTC)),
        (datetime(2026, 3, 6, 23, tzinfo=UTC), False, datetime(2026, 3, 7, 9, tzinfo=UTC)),
        (datetime(2026, 3, 8, 20, tzinfo=UTC), False, datetime(2026, 3, 9, 7, tzinfo=UTC)),
        (datetime(2026, 3, 7, 20, tzinfo=UTC), True, datetime(2026, 3, 9, 7, tzinfo=UTC)),
    ],
)
def test_a_visit_waits_for_notice_and_for_quiet_hours_to_end(
    ordered: datetime, notice: bool, begins: datetime | None
) -> None:
    assert EntryTerms(rules=RULES, notice=notice, time_zone="UTC").not_before(ordered) == begins


def test_hours_are_those_of_the_building() -> None:
    terms = EntryTerms(rules=RULES, notice=False, time_zone="America/New_York")
    assert terms.not_before(datetime(2026, 3, 3, 14, tzinfo=UTC)) is None
    assert terms.not_before(datetime(2026, 3, 3, 6, tzinfo=UTC)) == datetime(2026, 3, 3, 12, tzinfo=UTC)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)), st.booleans())
def test_what_it_names_is_always_allowed_and_never_too_soon(moment: datetime, notice: bool) -> None:
    ordered = moment.replace(tzinfo=UTC)
    begins = EntryTerms(rules=RULES, notice=notice, time_zone="UTC").not_before(ordered) or ordered
    assert RULES.allow_noise(begins)
    assert (begins - ordered).total_seconds() >= (24 * 3600 if notice else 0)
