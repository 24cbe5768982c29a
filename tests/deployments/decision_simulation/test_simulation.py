"""The SimPy model: its arrivals, its order of work, given jobs, and the same bytes for the same seed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.labels import Urgency
from deployments.decision_simulation.duty import ALWAYS, DutyClock
from deployments.decision_simulation.simulation import ReportedJob, ServerRun, run_jobs, simulate_option
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import RANKS, ServerModel
from models.simulation.queueing import mmc_wait

DAYS = DutyClock(tuple((day * 24.0 + 8, day * 24.0 + 16) for day in range(7)))


def exactly(hours: float):
    return lambda rng, number: np.full(number, hours)


def exponential(mean: float):
    return lambda rng, number: rng.exponential(mean, number)


def crew(
    technicians: int = 1,
    clock: DutyClock = ALWAYS,
    on_call: bool = False,
    jobs_per_hour: Mapping[Urgency, float] | None = None,
    job_hours=exponential(1.0),  # noqa: B008
) -> ServerModel:
    return ServerModel("general", technicians, clock, on_call, jobs_per_hour or {}, exactly(0.0), job_hours)


def mean_waits(model: ServerModel, hours: float, seeds: tuple[int, ...]) -> dict[Urgency, float]:
    """Over runs of this length, without their first 50 hours."""
    runs = [ServerRun(model, 0.0, {}, np.random.default_rng(seed)) for seed in seeds]
    for run in runs:
        run.run_until(hours)
    begun = [one for run in runs for one in run.dispatches if one.asked_at > 50.0]
    waits = {urgency: [one.at - one.asked_at for one in begun if one.rank == rank] for urgency, rank in RANKS.items()}
    return {urgency: float(np.mean(values)) for urgency, values in waits.items() if values}


def test_usual_jobs_arrive_at_their_rates_and_wait_as_erlang_says() -> None:
    """M/M/3 at 60 % load; how near means come to theory in longer runs is measured with the models."""
    waits = mean_waits(crew(3, jobs_per_hour={Urgency.MEDIUM: 1.8}), 5_000, (0, 1, 2, 3))
    assert waits[Urgency.MEDIUM] == pytest.approx(mmc_wait(1.8, 1.0, 3), rel=0.08)


def one(model: ServerModel, urgency: Urgency, begin: float, backlog: Mapping[Urgency, int], lead: float = 0.0) -> float:
    hours: Floats = simulate_option(model, urgency, exactly(lead), exactly(2.0), begin, backlog, 1, 3)
    return float(hours[0])


def test_an_emergency_takes_the_technician_away_and_others_wait_their_turn() -> None:
    busy = crew(job_hours=exactly(5.0))
    assert one(busy, Urgency.EMERGENCY, 0.0, {Urgency.HIGH: 2}) == pytest.approx(2.0)
    assert one(busy, Urgency.HIGH, 0.0, {Urgency.HIGH: 2}) == pytest.approx(12.0)
    assert one(busy, Urgency.HIGH, 0.0, {Urgency.LOW: 2}) == pytest.approx(7.0)


def test_interrupted_work_is_resumed_with_what_was_left() -> None:
    model = crew(job_hours=exactly(5.0))
    run = ServerRun(model, 0.0, {Urgency.LOW: 1}, np.random.default_rng(1))
    run.run_until(3.0)
    assert run.complete(Urgency.EMERGENCY, 0.0, 2.0) == pytest.approx(5.0)
    run.run_until(6.999)
    assert run.technicians.count == 1
    run.run_until(7.001)
    assert run.technicians.count == 0


def test_work_stops_at_the_end_of_the_shift_and_goes_on_in_the_next() -> None:
    model = crew(clock=DAYS)
    assert one(model, Urgency.HIGH, 15.0, {}) == pytest.approx(18.0)
    assert one(model, Urgency.HIGH, 17.0, {}) == pytest.approx(17.0)


def test_only_a_crew_on_call_serves_emergencies_at_night() -> None:
    assert one(crew(clock=DAYS, on_call=True), Urgency.EMERGENCY, 20.0, {}) == pytest.approx(2.0)
    assert one(crew(clock=DAYS, on_call=False), Urgency.EMERGENCY, 20.0, {}) == pytest.approx(14.0)
    assert one(crew(clock=DAYS, on_call=True), Urgency.HIGH, 20.0, {}) == pytest.approx(14.0)


def test_one_of_several_is_on_call() -> None:
    model = crew(technicians=3, clock=DAYS, on_call=True, job_hours=exactly(4.0))
    assert one(model, Urgency.EMERGENCY, 20.0, {Urgency.EMERGENCY: 1}) == pytest.approx(6.0)


def test_an_emergency_that_outlasts_the_shift_is_finished_by_the_one_on_call() -> None:
    assert one(crew(clock=DAYS, on_call=True), Urgency.EMERGENCY, 15.0, {}) == pytest.approx(2.0)
    assert one(crew(technicians=2, clock=DAYS, on_call=True), Urgency.EMERGENCY, 15.0, {}) == pytest.approx(2.0)


def test_a_booked_visit_after_the_lead_time_goes_before_lesser_work() -> None:
    model = crew(job_hours=exactly(5.0))
    assert one(model, Urgency.LOW, 0.0, {Urgency.LOW: 1}, lead=4.0) == pytest.approx(5.0 + 4.0 + 2.0)
    jammed = crew(job_hours=exactly(50.0), jobs_per_hour={Urgency.MEDIUM: 0.5})
    assert one(jammed, Urgency.HIGH, 0.0, {}, lead=4.0) == pytest.approx(6.0)


def test_the_same_seed_gives_the_same_run() -> None:
    model = crew(2, DAYS, True, {Urgency.HIGH: 0.1, Urgency.EMERGENCY: 0.02})
    first, second = (
        simulate_option(model, Urgency.LOW, exactly(0.0), exponential(2.0), 9.0, {Urgency.LOW: 3}, 20, 9)
        for _ in range(2)
    )
    assert np.array_equal(first, second)


def jobs_of(*rows: tuple[float, Urgency, float]) -> list[ReportedJob]:
    return [ReportedJob("general", at, urgency, busy) for at, urgency, busy in rows]


def test_given_jobs_are_done_in_the_order_of_their_urgency_and_told_in_their_own() -> None:
    jobs = jobs_of((1.0, Urgency.LOW, 2.0), (0.0, Urgency.LOW, 4.0), (2.0, Urgency.HIGH, 1.0))
    assert run_jobs(crew(), 0.0, jobs, np.random.default_rng(1)).tolist() == [7.0, 4.0, 5.0]


def test_a_job_from_before_the_run_is_there_at_its_beginning_and_one_not_done_in_time_has_no_end() -> None:
    jobs = jobs_of((-5.0, Urgency.LOW, 2.0), (0.0, Urgency.LOW, 4.0))
    assert run_jobs(crew(), 0.0, jobs, np.random.default_rng(1), until=5.0).tolist() == [2.0, np.inf]


def test_nothing_to_do_is_done() -> None:
    assert run_jobs(crew(), 0.0, [], np.random.default_rng(1)).size == 0


def test_given_jobs_wait_behind_a_backlog_and_among_usual_ones() -> None:
    job = jobs_of((0.0, Urgency.LOW, 1.0))
    model = crew(job_hours=exactly(5.0), jobs_per_hour={Urgency.HIGH: 0.1})
    behind = run_jobs(model, 0.0, job, np.random.default_rng(1), {Urgency.HIGH: 2})
    assert behind.tolist() == [11.0]
    among = [run_jobs(model, 0.0, job, np.random.default_rng(seed), {Urgency.HIGH: 2}, True, 1e4) for seed in range(9)]
    assert np.mean(among) > 11.0


def test_a_vendor_is_found_busy_with_its_other_customers() -> None:
    vendor = replace(crew(jobs_per_hour={Urgency.MEDIUM: 0.8}), warm_up_hours=168.0)
    idle = replace(vendor, warm_up_hours=0.0)
    hours = [
        simulate_option(model, Urgency.LOW, exactly(0.0), exactly(1.0), 30.0, {}, 60, 3).mean()
        for model in (vendor, idle)
    ]
    assert hours[0] > hours[1] + 1.0


def test_an_approval_delays_a_job_and_the_queue_goes_on_without_it() -> None:
    model, approval = crew(job_hours=exactly(5.0)), np.full(1, 3.0)
    hours = simulate_option(
        model, Urgency.LOW, exactly(0.0), exactly(2.0), 0.0, {Urgency.LOW: 1}, 1, 3, approval_hours=approval
    )
    assert hours.tolist() == [7.0]


@given(seed=st.integers(0, 2**32), backlog=st.integers(0, 6), begin=st.floats(0, 168))
@settings(max_examples=25, deadline=None)
def test_the_same_seed_gives_the_same_bytes(seed: int, backlog: int, begin: float) -> None:
    model = crew(2, DAYS, True, {Urgency.HIGH: 0.1, Urgency.EMERGENCY: 0.02})
    first, second = (
        simulate_option(model, Urgency.LOW, exactly(0.0), exponential(2.0), begin, {Urgency.LOW: backlog}, 3, seed)
        for _ in range(2)
    )
    assert first.tobytes() == second.tobytes()


@given(seed=st.integers(0, 2**32), ahead=st.integers(0, 5), more=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_one_technicians_backlog_never_shortens_a_wait_under_common_random_numbers(
    seed: int, ahead: int, more: int
) -> None:
    model = crew(jobs_per_hour={Urgency.HIGH: 0.2, Urgency.LOW: 0.2})
    waits = [
        simulate_option(model, Urgency.LOW, exactly(0.0), exactly(1.0), 0.0, {Urgency.LOW: number}, 5, seed)
        for number in (ahead, ahead + more)
    ]
    assert (waits[1] >= waits[0] - 1e-9).all()
