"""Due times on the calendar and on business days."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Category, Trade, Urgency
from core.rules import RuleBook
from deployments.decision_simulation.sla import Matter, due_at, sla_for, statutory_duties, usual_hours

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


def matter(text: str, trade: Trade | None = Trade.PLUMBING, urgency: Urgency = Urgency.MEDIUM) -> Matter:
    return Matter(Category.MAINTENANCE, trade, urgency, text)


@pytest.mark.parametrize(
    ("issue", "hours", "what"),
    [
        (matter("there is No  hot   WATER"), 24, "begin"),
        (matter("the heating: no heating at all", Trade.HVAC), 24, "begin"),
        (matter("no hot water", Trade.APPLIANCE), None, ""),
        (matter("hot water, no"), None, ""),
        (matter("sewage on the floor", None), 48, "finish"),
        (Matter(Category.BILLING, None, Urgency.LOW, "sewage on the floor"), None, ""),
    ],
)
def test_a_statutes_clock_runs_where_trade_category_and_words_fit(
    rules: RuleBook, issue: Matter, hours: float | None, what: str
) -> None:
    created = datetime(2026, 3, 3, 14, tzinfo=UTC)
    duties = statutory_duties(rules, "BLD_A", [issue], created, UTC_ZONE)
    house = sla_for(rules, Urgency.MEDIUM, created, UTC_ZONE)
    sla = sla_for(rules, Urgency.MEDIUM, created, UTC_ZONE, duties)
    if hours is None:
        assert duties == ()
        assert sla == house
        return
    (duty,) = duties
    due = created + timedelta(hours=hours)
    assert duty.due_at == due
    assert duty.clause.startswith("doc-statutes#jurisdictions:US-WA:")
    assert duty.clause in sla.basis
    if what == "begin":
        assert (sla.response_due_at, sla.resolution_due_at) == (due, house.resolution_due_at)
        assert sla.basis.endswith("; doc-response-targets#response_targets")
    else:
        assert (sla.response_due_at, sla.resolution_due_at) == (due, due)
        assert sla.basis == duty.clause


def test_the_clock_of_another_issue_runs_too_and_elsewhere_none_does(rules: RuleBook) -> None:
    created = datetime(2026, 3, 3, 14, tzinfo=UTC)
    noise = Matter(Category.COMMUNITY, None, Urgency.LOW, "loud music, and no hot water")
    both = [noise, Matter(Category.MAINTENANCE, Trade.PLUMBING, Urgency.HIGH, noise.text)]
    assert len(statutory_duties(rules, "BLD_A", both, created, UTC_ZONE)) == 1
    for building in (None, "NOWHERE"):
        assert statutory_duties(rules, building, both, created, UTC_ZONE) == ()


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),
    st.sampled_from(list(Urgency)),
    st.sampled_from(["no hot water", "sewage", "no heat and sewage", "a tap drips"]),
    st.sampled_from([None, *Trade]),
)
def test_no_statute_makes_a_time_longer(
    rules: RuleBook, created: datetime, urgency: Urgency, text: str, trade: Trade | None
) -> None:
    start = created.replace(tzinfo=UTC)
    duties = statutory_duties(rules, "BLD_A", [matter(text, trade, urgency)], start, NEW_YORK)
    house, sla = sla_for(rules, urgency, start, NEW_YORK), sla_for(rules, urgency, start, NEW_YORK, duties)
    assert sla.response_due_at <= house.response_due_at
    assert sla.resolution_due_at <= house.resolution_due_at
    assert sla.response_due_at <= sla.resolution_due_at
    for duty in duties:
        assert (sla.response_due_at if duty.clock.what == "begin" else sla.resolution_due_at) <= duty.due_at
