"""Due times on the calendar and on business days."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Urgency
from core.rules import RuleBook
from deployments.decision_simulation.sla import due_at, sla_for, usual_hours

NEW_YORK = ZoneInfo("America/New_York")
UTC_ZONE = ZoneInfo("UTC")


def test_an_emergency_runs_on_the_calendar(rules: RuleBook) -> None:
    saturday = datetime(2026, 3, 7, 23, 30, tzinfo=UTC)
    sla = sla_for(rules, Urgency.EMERGENCY, saturday, UTC_ZONE)
    assert sla.response_due_at == datetime(2026, 3, 8, 0, 30, tzinfo=UTC)
    assert sla.resolution_due_at == datetime(2026, 3, 8, 23, 30, tzinfo=UTC)
    assert sla.basis == "doc-response-targets#response_targets"
    assert not sla.breached


@pytest.mark.parametrize(
    ("created", "due"),
    [
        (datetime(2026, 3, 4, 10), datetime(2026, 3, 11, 10)),  # Wednesday: over one weekend.
        (datetime(2026, 3, 6, 23), datetime(2026, 3, 13, 23)),  # Friday night.
        (datetime(2026, 3, 7, 12), datetime(2026, 3, 14, 0)),  # Saturday: Monday 00:00 to Friday's end.
        (datetime(2026, 3, 2, 0), datetime(2026, 3, 7, 0)),  # Monday 00:00 to Friday's end.
    ],
)
def test_medium_has_five_business_days(rules: RuleBook, created: datetime, due: datetime) -> None:
    sla = sla_for(rules, Urgency.MEDIUM, created.replace(tzinfo=UTC), UTC_ZONE)
    assert sla.response_due_at == due.replace(tzinfo=UTC)


def test_business_days_are_those_of_the_building() -> None:
    friday_in_new_york = datetime(2026, 3, 7, 2, tzinfo=UTC)
    due = due_at(friday_in_new_york, 4, business=True, zone=NEW_YORK)
    assert due.astimezone(NEW_YORK) == datetime(2026, 3, 9, 1, tzinfo=NEW_YORK)


@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)), st.floats(0, 500), st.floats(0, 100))
def test_a_longer_target_is_never_due_earlier(created: datetime, hours: float, more: float) -> None:
    start = created.replace(tzinfo=UTC)
    first = due_at(start, hours, business=True, zone=NEW_YORK)
    second = due_at(start, hours + more, business=True, zone=NEW_YORK)
    assert start - timedelta(hours=1) <= first <= second
    assert first >= due_at(start, hours, business=False, zone=NEW_YORK) - timedelta(hours=1)


def test_ten_business_days_are_two_weeks(rules: RuleBook) -> None:
    assert usual_hours(rules.response_targets[Urgency.MEDIUM]) == pytest.approx(14 * 24)
    assert usual_hours(rules.response_targets[Urgency.HIGH]) == 72
