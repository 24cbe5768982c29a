"""A request's clocks: what stands still, what never does, and what is due when."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.business_calendar import BusinessCalendar
from core.record import NextAction
from core.request import Sla
from core.service_terms import Clock, ServiceTerms, later
from deployments.request_management import sla_clock

BREACH, WARNING, RESPONSE = NextAction.SLA_BREACH, NextAction.SLA_WARNING, NextAction.RESPONSE_BREACH
CALENDAR = BusinessCalendar(holidays=frozenset({date(2026, 5, 25), date(2026, 7, 3)}))
TUESDAY = datetime(2026, 3, 3, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOUSE, STATUTE = "response-targets#response_targets", "statutes#jurisdictions:US-WA:heat (RCW 59.18.070)"
TOLERANCE = timedelta(milliseconds=1)


def make_terms(
    created_at: datetime = TUESDAY,
    clock: Clock = "calendar",
    response_hours: float = 24,
    resolution_hours: float = 100,
    begin_hours: float | None = None,
    finish_hours: float | None = None,
    may_pause: bool = True,
) -> ServiceTerms:
    return ServiceTerms(
        created_at=created_at,
        calendar=CALENDAR,
        clock=clock,
        may_pause=may_pause,
        house_response_due_at=later(CALENDAR, clock, created_at, response_hours),
        house_resolution_due_at=later(CALENDAR, clock, created_at, resolution_hours),
        statutory_response_due_at=None if begin_hours is None else created_at + timedelta(hours=begin_hours),
        statutory_response_basis=None if begin_hours is None else STATUTE,
        statutory_resolution_due_at=None if finish_hours is None else created_at + timedelta(hours=finish_hours),
        statutory_resolution_basis=None if finish_hours is None else STATUTE,
        basis=HOUSE,
        warn_at_share=0.8,
        confirm_within_hours=72,
        remind_after_hours=24,
        quiet_start=time(22),
        quiet_end=time(7),
    )


def begun(terms: ServiceTerms) -> Sla:
    due = terms.due()
    return Sla(response_due_at=due.response, resolution_due_at=due.resolution, basis=due.basis)


def paused_between(sla: Sla, terms: ServiceTerms, since: datetime, until: datetime) -> Sla:
    return sla_clock.resume(sla_clock.pause(sla, terms, since), terms, until)


def test_an_open_request_has_a_time_for_each_promise() -> None:
    terms = make_terms()
    assert sla_clock.timers(begun(terms), terms, TUESDAY, open=True) == {
        RESPONSE: TUESDAY + 24 * HOUR,
        WARNING: TUESDAY + 80 * HOUR,
        BREACH: TUESDAY + 100 * HOUR,
    }
    assert sla_clock.timers(begun(terms), terms, TUESDAY, open=False) == {}


def test_the_warning_counts_the_hours_of_the_targets_own_clock() -> None:
    friday = datetime(2026, 5, 22, 4, tzinfo=UTC)  # Midnight in New York; Memorial Day follows the weekend.
    terms = make_terms(friday, "business", 24, 120)
    warned_at = sla_clock.timers(begun(terms), terms, friday, open=True)[WARNING]
    assert warned_at == datetime(2026, 5, 29, 4, tzinfo=UTC)  # The end of Thursday, the fourth business day.
    assert begun(terms).resolution_due_at == datetime(2026, 5, 30, 4, tzinfo=UTC)


def test_what_happened_is_not_announced_again() -> None:
    terms = make_terms()
    sla = sla_clock.respond(begun(terms), terms, TUESDAY + HOUR)
    assert sla.response_met_at == TUESDAY + HOUR
    assert not sla.response_breached
    assert sla_clock.respond(sla, terms, TUESDAY + 50 * HOUR) == sla
    warned = sla_clock.warn(sla, TUESDAY + 81 * HOUR)
    assert sla_clock.warn(warned, TUESDAY + 90 * HOUR).warned_at == TUESDAY + 81 * HOUR
    assert set(sla_clock.timers(warned, terms, TUESDAY + 81 * HOUR, open=True)) == {BREACH}
    late = TUESDAY + 101 * HOUR
    assert sla_clock.breaches(warned, terms, late) == (BREACH,)
    assert set(sla_clock.timers(sla, terms, late, open=True)) == {BREACH}
    missed = sla_clock.breach(warned, terms, late)
    assert missed.breached
    assert sla_clock.timers(missed, terms, late, open=True) == {}
    assert sla_clock.breaches(missed, terms, late) == ()


def test_a_target_is_met_at_its_last_moment_and_missed_after_it() -> None:
    terms = make_terms()
    due = TUESDAY + 100 * HOUR
    assert not sla_clock.stop(begun(terms), terms, due).breached
    assert sla_clock.stop(begun(terms), terms, due + TOLERANCE).breached
    assert sla_clock.respond(begun(terms), terms, TUESDAY + 24 * HOUR + TOLERANCE).response_breached


def test_a_pause_moves_the_houses_times_by_what_was_left() -> None:
    terms = make_terms()
    sla = paused_between(begun(terms), terms, TUESDAY + 10 * HOUR, TUESDAY + 40 * HOUR)
    assert (sla.paused, sla.paused_at) == (False, None)
    assert sla.response_due_at == TUESDAY + 54 * HOUR
    assert sla.resolution_due_at == TUESDAY + 130 * HOUR
    assert sla_clock.timers(sla, terms, TUESDAY + 40 * HOUR, open=True)[WARNING] == TUESDAY + 110 * HOUR


def test_a_weekend_in_a_pause_is_no_gain_where_only_business_hours_count() -> None:
    terms = make_terms(clock="business", resolution_hours=120)
    friday_night, monday = datetime(2026, 3, 7, 5, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC)
    sla = paused_between(begun(terms), terms, friday_night, monday)
    assert sla.resolution_due_at == begun(terms).resolution_due_at


def test_while_the_house_waits_only_a_statutes_times_count() -> None:
    terms = make_terms(begin_hours=30, finish_hours=90)
    sla = sla_clock.pause(begun(terms), terms, TUESDAY + HOUR)
    assert sla_clock.timers(sla, terms, TUESDAY + HOUR, open=True) == {
        RESPONSE: TUESDAY + 30 * HOUR,
        WARNING: TUESDAY + 72 * HOUR,
        BREACH: TUESDAY + 90 * HOUR,
    }
    alone = make_terms()
    assert sla_clock.timers(sla_clock.pause(begun(alone), alone, TUESDAY), alone, TUESDAY, open=True) == {}


def test_the_statute_binds_when_pauses_have_moved_the_house_behind_it() -> None:
    terms = make_terms(finish_hours=110)
    assert begun(terms).basis == HOUSE
    sla = paused_between(begun(terms), terms, TUESDAY + HOUR, TUESDAY + 51 * HOUR)
    assert sla.resolution_due_at == TUESDAY + 110 * HOUR
    assert sla.response_due_at == TUESDAY + 74 * HOUR
    assert sla.basis == f"{HOUSE}; {STATUTE}"
    assert sla_clock.timers(sla, terms, TUESDAY, open=True)[WARNING] == TUESDAY + 88 * HOUR
    assert paused_between(sla, terms, TUESDAY + 60 * HOUR, TUESDAY + 109 * HOUR).response_due_at == TUESDAY + 110 * HOUR


def test_what_was_missed_before_a_pause_stays_missed() -> None:
    terms = make_terms()
    late = TUESDAY + 101 * HOUR
    sla = sla_clock.pause(begun(terms), terms, late)
    assert sla_clock.timers(sla, terms, late, open=True) == {
        RESPONSE: TUESDAY + 24 * HOUR,
        BREACH: TUESDAY + 100 * HOUR,
    }
    resumed = sla_clock.resume(sla, terms, TUESDAY + 200 * HOUR)
    assert resumed.resolution_due_at == TUESDAY + 100 * HOUR
    assert sla_clock.stop(sla, terms, TUESDAY + 200 * HOUR).breached


def test_an_emergency_waits_for_nobody() -> None:
    terms = make_terms(may_pause=False, response_hours=1, resolution_hours=24)
    assert sla_clock.pause(begun(terms), terms, TUESDAY) == begun(terms)


def test_pausing_and_resuming_twice_is_as_once() -> None:
    terms = make_terms()
    once = sla_clock.pause(begun(terms), terms, TUESDAY + HOUR)
    assert sla_clock.pause(once, terms, TUESDAY + 2 * HOUR) == once
    resumed = sla_clock.resume(once, terms, TUESDAY + 3 * HOUR)
    assert sla_clock.resume(resumed, terms, TUESDAY + 9 * HOUR) == resumed


def test_resolving_ends_the_pause_and_is_a_response() -> None:
    terms = make_terms()
    sla = sla_clock.stop(sla_clock.pause(begun(terms), terms, TUESDAY + HOUR), terms, TUESDAY + 300 * HOUR)
    assert (sla.paused, sla.breached, sla.response_breached) == (False, False, False)
    assert sla.response_met_at == TUESDAY + 300 * HOUR
    statutory = make_terms(begin_hours=30, finish_hours=90)
    paused = sla_clock.pause(begun(statutory), statutory, TUESDAY + HOUR)
    missed = sla_clock.stop(paused, statutory, TUESDAY + 91 * HOUR)
    assert missed.breached
    assert missed.response_breached


@pytest.mark.parametrize("may_pause", [True, False])
def test_after_a_reopening_the_house_has_what_was_left_and_the_statute_went_on(may_pause: bool) -> None:
    terms = make_terms(finish_hours=500, may_pause=may_pause)
    resolved_at, reopened_at = TUESDAY + 60 * HOUR, TUESDAY + 260 * HOUR
    sla = sla_clock.stop(sla_clock.respond(begun(terms), terms, TUESDAY), terms, resolved_at)
    reopened = sla_clock.continue_after_reopen(sla, terms, resolved_at, reopened_at)
    assert reopened.resolution_due_at == reopened_at + 40 * HOUR
    soon = make_terms(finish_hours=120)
    sla = sla_clock.stop(begun(soon), soon, resolved_at)
    reopened = sla_clock.continue_after_reopen(sla, soon, resolved_at, reopened_at)
    assert reopened.resolution_due_at == TUESDAY + 120 * HOUR
    assert sla_clock.breaches(reopened, soon, reopened_at) == (BREACH,)


def test_corrected_labels_keep_the_pauses_in_the_hours_of_the_new_clock() -> None:
    before = make_terms()
    friday, monday = datetime(2026, 3, 6, 17, tzinfo=UTC), datetime(2026, 3, 9, 16, tzinfo=UTC)
    sla = sla_clock.warn(paused_between(begun(before), before, friday, monday), monday)
    assert sla.resolution_due_at == TUESDAY + 100 * HOUR + (monday - friday)
    after = make_terms(clock="business", response_hours=48, resolution_hours=120)
    corrected = sla_clock.start(after, sla)
    assert corrected.resolution_due_at == later(CALENDAR, "business", after.house_resolution_due_at, 24)
    assert corrected.warned_at is None
    back = sla_clock.start(before, corrected)
    assert (back.resolution_due_at, back.pauses) == (sla.resolution_due_at, sla.pauses)


def test_under_an_emergencys_terms_no_wait_for_the_resident_counts() -> None:
    before, emergency = make_terms(), make_terms(response_hours=1, resolution_hours=24, may_pause=False)
    sla = sla_clock.respond(begun(before), before, TUESDAY + 2 * HOUR)
    sla = paused_between(sla, before, TUESDAY + 3 * HOUR, TUESDAY + 5 * HOUR)
    raised = sla_clock.start(emergency, sla_clock.pause(sla, before, TUESDAY + 6 * HOUR))
    assert (raised.paused, raised.paused_at, raised.pauses) == (False, None, ())
    assert raised.resolution_due_at == TUESDAY + 24 * HOUR
    assert raised.response_breached


terms_drawn = st.builds(
    make_terms,
    created_at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    clock=st.sampled_from(["calendar", "business"]),
    response_hours=st.integers(1, 120),
    resolution_hours=st.integers(1, 400),
    begin_hours=st.none() | st.integers(1, 300),
    finish_hours=st.none() | st.integers(1, 300),
)
steps = st.lists(st.tuples(st.floats(0.01, 90), st.floats(0, 90)), max_size=6)


def through(terms: ServiceTerms, spans: Sequence[tuple[float, float]]) -> list[Sla]:
    """The clock after each pause; a span is how long it ran and then stood still, in hours."""
    sla, now, seen = begun(terms), terms.created_at, list[Sla]()
    for ran, stood in spans:
        since = now + timedelta(hours=ran)
        now = since + timedelta(hours=stood)
        sla = paused_between(sla, terms, since, now)
        seen.append(sla)
    return seen


@given(terms_drawn, steps)
def test_pauses_never_bring_a_time_forward_and_never_move_a_statutes(
    terms: ServiceTerms, spans: list[tuple[float, float]]
) -> None:
    last = begun(terms)
    for sla in through(terms, spans):
        assert sla.response_due_at >= last.response_due_at - TOLERANCE
        assert sla.resolution_due_at >= last.resolution_due_at - TOLERANCE
        assert sla.response_due_at <= sla.resolution_due_at
        if terms.statutory_response_due_at is not None:
            assert sla.response_due_at <= terms.statutory_response_due_at
        if terms.statutory_resolution_due_at is not None:
            assert sla.resolution_due_at <= terms.statutory_resolution_due_at
        last = sla


@given(terms_drawn, steps)
def test_the_house_is_granted_the_same_time_however_it_was_paused(
    terms: ServiceTerms, spans: list[tuple[float, float]]
) -> None:
    promised = terms.hours_between(terms.created_at, terms.house_resolution_due_at)
    for sla in through(terms, spans):
        due = terms.after(terms.house_resolution_due_at, sla.pauses)
        stood_still = sum(terms.hours_between(each.since, min(each.until, due)) for each in sla.pauses)
        granted = terms.hours_between(terms.created_at, due) - stood_still
        assert granted == pytest.approx(promised, abs=1e-5)


@given(terms_drawn, steps, st.floats(0.01, 0.99))
def test_one_pause_in_two_parts_is_one_pause(
    terms: ServiceTerms, spans: list[tuple[float, float]], share: float
) -> None:
    for ran, stood in spans:
        since = terms.created_at + timedelta(hours=ran)
        middle, until = since + timedelta(hours=stood * share), since + timedelta(hours=stood)
        whole = paused_between(begun(terms), terms, since, until)
        parts = paused_between(paused_between(begun(terms), terms, since, middle), terms, middle, until)
        assert abs(parts.resolution_due_at - whole.resolution_due_at) <= TOLERANCE
        assert abs(parts.response_due_at - whole.response_due_at) <= TOLERANCE


@given(terms_drawn, steps)
def test_staff_are_warned_no_later_than_the_target_is_missed(
    terms: ServiceTerms, spans: list[tuple[float, float]]
) -> None:
    for sla in [begun(terms), *through(terms, spans)]:
        found = sla_clock.timers(sla, terms, terms.created_at, open=True)
        assert terms.created_at <= found[WARNING] <= found[BREACH]
        assert found[RESPONSE] <= found[BREACH]
