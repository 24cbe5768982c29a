"""Due times on the calendar and on business days."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.business_calendar import BusinessCalendar
from core.labels import Category, Trade, Urgency
from core.messages import ResolveItem
from core.rules import Holiday, RuleBook
from core.service_terms import ServiceTerms
from deployments.decision_simulation.case import Case
from deployments.decision_simulation.engine import DecisionEngine, Settled
from deployments.decision_simulation.sla import Matter, promise, statutory_duties, usual_hours
from deployments.decision_simulation.waiting import WaitingTimes

NEW_YORK = ZoneInfo("America/New_York")
UTC_DAYS = BusinessCalendar(time_zone="UTC")
NEW_YORK_DAYS = BusinessCalendar(time_zone="America/New_York")


def test_an_emergency_runs_on_the_calendar(rules: RuleBook) -> None:
    saturday = datetime(2026, 3, 7, 23, 30, tzinfo=UTC)
    sla = promise(rules, Urgency.EMERGENCY, saturday, UTC_DAYS)[0]
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
    sla = promise(rules, Urgency.MEDIUM, created.replace(tzinfo=UTC), UTC_DAYS)[0]
    assert sla.response_due_at == due.replace(tzinfo=UTC)


def test_business_days_are_those_of_the_building(rules: RuleBook) -> None:
    friday_in_new_york = datetime(2026, 3, 7, 2, tzinfo=UTC)
    sla, _ = promise(rules, Urgency.MEDIUM, friday_in_new_york, NEW_YORK_DAYS)
    assert sla.response_due_at.astimezone(NEW_YORK) == datetime(2026, 3, 13, 21, tzinfo=NEW_YORK)
    assert promise(rules, Urgency.MEDIUM, friday_in_new_york, UTC_DAYS)[0].response_due_at == datetime(
        2026, 3, 14, tzinfo=UTC
    )


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
    duties = statutory_duties(rules, "BLD_A", [issue], created, UTC_DAYS)
    house = promise(rules, Urgency.MEDIUM, created, UTC_DAYS)[0]
    sla = promise(rules, Urgency.MEDIUM, created, UTC_DAYS, duties)[0]
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
    assert len(statutory_duties(rules, "BLD_A", both, created, UTC_DAYS)) == 1
    for building in (None, "NOWHERE"):
        assert statutory_duties(rules, building, both, created, UTC_DAYS) == ()


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
    duties = statutory_duties(rules, "BLD_A", [matter(text, trade, urgency)], start, NEW_YORK_DAYS)
    (house, _), (sla, _) = (promise(rules, urgency, start, NEW_YORK_DAYS, each) for each in ((), duties))
    assert sla.response_due_at <= house.response_due_at
    assert sla.resolution_due_at <= house.resolution_due_at
    assert sla.response_due_at <= sla.resolution_due_at
    for duty in duties:
        assert (sla.response_due_at if duty.clock.what == "begin" else sla.resolution_due_at) <= duty.due_at


def test_the_terms_are_what_the_due_times_follow_from(rules: RuleBook) -> None:
    created = datetime(2026, 3, 3, 14, tzinfo=UTC)
    duties = statutory_duties(rules, "BLD_A", [matter("no hot water, and sewage on the floor")], created, UTC_DAYS)
    sla, terms = promise(rules, Urgency.MEDIUM, created, UTC_DAYS, duties)
    due = terms.due()
    assert (sla.response_due_at, sla.resolution_due_at, sla.basis) == (due.response, due.resolution, due.basis)
    assert (terms.created_at, terms.clock, terms.may_pause) == (created, "business", True)
    assert terms.statutory_response_due_at == created + timedelta(hours=24)
    assert terms.statutory_resolution_due_at == created + timedelta(hours=48)
    assert terms.basis == "doc-response-targets#response_targets"
    assert (terms.warn_at_share, terms.confirm_within_hours) == (
        rules.follow_up.warn_at_share,
        rules.follow_up.confirm_within_hours,
    )
    assert (terms.quiet_start, terms.quiet_end) == (rules.entry.quiet_start, rules.entry.quiet_end)
    assert not promise(rules, Urgency.EMERGENCY, created, UTC_DAYS)[1].may_pause


def with_zone(rules: RuleBook, time_zone: str, *holidays: date) -> RuleBook:
    building = rules.buildings["BLD_A"].model_copy(update={"time_zone": time_zone})
    calendar = rules.calendar.model_copy(
        update={"holidays": tuple(Holiday(day=day, name=f"Day {day}") for day in holidays)}
    )
    return rules.model_copy(update={"buildings": {"BLD_A": building}, "calendar": calendar})


def test_a_decision_goes_by_the_zone_and_holidays_of_its_building(
    rules: RuleBook, waiting: WaitingTimes, make_item: Callable[..., ResolveItem]
) -> None:
    # 05:30 on Tuesday in Seattle, when it is 08:30 in New York; the Monday before was a holiday.
    item = make_item(at=datetime(2026, 3, 10, 12, 30, tzinfo=UTC))
    case = Case(item, 7, 64, waiting.tables.quantiles)
    book = with_zone(rules, "America/Los_Angeles", date(2026, 3, 9), date(2026, 3, 17))
    engine = DecisionEngine(book, NEW_YORK)
    (settled,) = engine.settle([case])
    assert isinstance(settled, Settled)
    assert settled.terms.calendar.time_zone == "America/Los_Angeles"
    assert settled.terms.calendar.holidays == {date(2026, 3, 17)}
    # Five business days with the 17th left out.
    assert settled.terms.house_response_due_at == datetime(2026, 3, 18, 12, 30, tzinfo=UTC)
    assert any("at 05:30 no work" in line for line in settled.gates)
    (elsewhere,) = engine.settle([Case(make_item(at=item.at, building_id="NEW"), 7, 64, waiting.tables.quantiles)])
    assert isinstance(elsewhere, Settled)
    assert elsewhere.terms.calendar.time_zone == "America/New_York"
    assert not any("no work that can be heard" in line for line in elsewhere.gates)


def test_the_terms_of_labels_that_a_person_gave_are_those_of_the_same_decision(
    rules: RuleBook, waiting: WaitingTimes, make_item: Callable[..., ResolveItem]
) -> None:
    engine = DecisionEngine(rules, NEW_YORK)
    item = make_item("no hot water at all")
    (settled,) = engine.settle([Case(item, 7, 64, waiting.tables.quantiles)])
    assert isinstance(settled, Settled)
    given = engine.promise("BLD_A", [matter(item.message_text)], Urgency.MEDIUM, item.at)
    assert given == (settled.sla, settled.terms)
    assert ServiceTerms.model_validate_json(settled.terms.model_dump_json()) == settled.terms
