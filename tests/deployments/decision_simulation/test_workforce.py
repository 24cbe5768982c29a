"""The SimPy model against queueing theory, and its order of work."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from core.labels import Crew, Urgency
from deployments.decision_simulation.duty import ALWAYS, DutyClock
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import RANKS, CrewModel, CrewRun, simulate_option

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
) -> CrewModel:
    return CrewModel(Crew.GENERAL, technicians, clock, on_call, jobs_per_hour or {}, exactly(0.0), job_hours)


def erlang_c(servers: int, load: float) -> float:
    """The probability of waiting in an M/M/c queue with `load` = arrivals times mean service."""
    top = load**servers / math.factorial(servers) / (1 - load / servers)
    return top / (sum(load**k / math.factorial(k) for k in range(servers)) + top)


def mean_waits(model: CrewModel, hours: float, seeds: tuple[int, ...]) -> dict[Urgency, float]:
    """Over runs of this length, without their first 50 hours."""
    runs = [CrewRun(model, 0.0, {}, np.random.default_rng(seed)) for seed in seeds]
    for run in runs:
        run.run_until(hours)
    begun = [one for run in runs for one in run.dispatches if one.asked_at > 50.0]
    waits = {urgency: [one.at - one.asked_at for one in begun if one.rank == rank] for urgency, rank in RANKS.items()}
    return {urgency: float(np.mean(values)) for urgency, values in waits.items() if values}


@pytest.mark.parametrize(("servers", "per_hour"), [(1, 0.5), (3, 1.8)])
def test_the_mean_wait_is_erlangs(servers: int, per_hour: float) -> None:
    waits = mean_waits(crew(servers, jobs_per_hour={Urgency.MEDIUM: per_hour}), 10_000 / per_hour, (0, 1, 2, 3))
    exact = erlang_c(servers, per_hour) / (servers - per_hour)
    assert waits[Urgency.MEDIUM] == pytest.approx(exact, rel=0.05)


def test_mean_waits_by_priority_are_cobhams() -> None:
    """Non-preemptive priorities with one service rate: W_k = C / (c μ (1 - s_(k-1)) (1 - s_k))."""
    waits = mean_waits(crew(2, jobs_per_hour={Urgency.HIGH: 0.4, Urgency.LOW: 0.6}), 12_000, (0, 1, 2))
    base = erlang_c(2, 1.0) / 2
    assert waits[Urgency.HIGH] == pytest.approx(base / (1 - 0.2), rel=0.05)
    assert waits[Urgency.LOW] == pytest.approx(base / ((1 - 0.2) * (1 - 0.5)), rel=0.05)


def one(model: CrewModel, urgency: Urgency, begin: float, backlog: Mapping[Urgency, int], lead: float = 0.0) -> float:
    hours: Floats = simulate_option(model, urgency, exactly(lead), exactly(2.0), begin, backlog, 1, 3)
    return float(hours[0])


def test_an_emergency_takes_the_technician_away_and_others_wait_their_turn() -> None:
    busy = crew(job_hours=exactly(5.0))
    assert one(busy, Urgency.EMERGENCY, 0.0, {Urgency.HIGH: 2}) == pytest.approx(2.0)
    assert one(busy, Urgency.HIGH, 0.0, {Urgency.HIGH: 2}) == pytest.approx(12.0)
    assert one(busy, Urgency.HIGH, 0.0, {Urgency.LOW: 2}) == pytest.approx(7.0)


def test_interrupted_work_is_resumed_with_what_was_left() -> None:
    model = crew(job_hours=exactly(5.0))
    run = CrewRun(model, 0.0, {Urgency.LOW: 1}, np.random.default_rng(1))
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
