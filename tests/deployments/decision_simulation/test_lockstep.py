"""The queue in lockstep follows the SimPy model job by job, where both are given the same jobs."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from core.labels import Urgency
from deployments.decision_simulation.duty import ALWAYS, DutyClock
from deployments.decision_simulation.lockstep import IN_TURN, Arrivals, Queue
from deployments.decision_simulation.simulation import ReportedJob, run_jobs
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import ServerModel

DAYS = DutyClock(tuple((day * 24.0 + 8, day * 24.0 + 18) for day in range(7)))
RATES = {Urgency.EMERGENCY: 0.02, Urgency.HIGH: 0.03, Urgency.MEDIUM: 0.05, Urgency.LOW: 0.04}
RUNS, SEED = 12, 3


def server(technicians: int, clock: DutyClock, on_call: bool, rates: Mapping[Urgency, float] = RATES) -> ServerModel:
    return ServerModel(
        key="pair",
        technicians=technicians,
        clock=clock,
        on_call=on_call,
        jobs_per_hour=rates,
        travel_hours=lambda rng, number: np.zeros(number),
        job_hours=lambda rng, number: rng.triangular(0.5, 1.5, 4.0, number),
    )


def waits_of_full_runs(model: ServerModel, backlog: Mapping[Urgency, int], begin: float, moment: float) -> Floats:
    """Duty hours until a job of no length begins, in SimPy, on the very jobs of the lockstep: (runs, urgencies)."""
    # Of jobs reported in one instant the more urgent come first.
    streams = {each: Arrivals(model, each, backlog.get(each, 0), begin, RUNS, SEED) for each in reversed(Urgency)}
    for stream in streams.values():
        stream.extend()
    waits = np.empty((RUNS, len(Urgency)))
    for run in range(RUNS):
        given = [
            ReportedJob("pair", float(at), urgency, float(busy))
            for urgency, stream in streams.items()
            for at, busy in zip(stream.reported[run], stream.busy[run], strict=True)
            if np.isfinite(at)
        ]
        for urgency in Urgency:
            probe = ReportedJob("pair", moment, urgency, 0.0)
            done = run_jobs(model, begin, [*given, probe], np.random.default_rng(0), until=begin + 500.0)
            clock = model.clock_for(urgency)
            waits[run, urgency.rank] = np.diff(clock.worked(np.array([moment, done[-1]])))[0]
    return waits


@pytest.mark.parametrize("on_call", [True, False])
@pytest.mark.parametrize(("technicians", "clock"), [(1, ALWAYS), (1, DAYS), (2, DAYS), (3, ALWAYS)])
@pytest.mark.parametrize("moment", [34.5, 41.0, 45.0])
def test_every_wait_is_that_of_the_full_run(technicians: int, clock: DutyClock, on_call: bool, moment: float) -> None:
    """With two technicians, whose interrupted job goes on first may differ from one run in many."""
    model, backlog = server(technicians, clock, on_call), {Urgency.HIGH: 1, Urgency.MEDIUM: 3, Urgency.LOW: 1}
    queue = Queue(model, backlog, 34.0, np.array([moment]), RUNS, SEED)
    found = np.empty((RUNS, len(Urgency)))
    in_turn = queue.waits(500.0)[:, 0]
    for place, urgency in enumerate(IN_TURN):
        found[:, urgency.rank] = in_turn[:, place]
    found[:, Urgency.EMERGENCY.rank] = queue.emergency_waits[:, 0]
    exact = waits_of_full_runs(model, backlog, 34.0, moment)
    same = np.isclose(found, exact, atol=1e-6)
    assert same.mean() >= (1.0 if technicians == 1 and clock is ALWAYS else 0.9)


def test_usual_jobs_are_the_same_whatever_the_backlog() -> None:
    alone, behind = (Arrivals(server(1, ALWAYS, False), Urgency.LOW, jobs, 0.0, 8, 1) for jobs in (0, 5))
    assert np.array_equal(alone.reported, behind.reported[:, 5:])
    assert np.array_equal(alone.busy, behind.busy[:, 5:])


def test_what_never_comes_delays_nobody() -> None:
    model = replace(server(2, DAYS, True), jobs_per_hour={})
    queue = Queue(model, {}, 0.0, np.array([10.0, 40.0]), 4, 1)
    assert (queue.waits(100.0) == 0).all()
    assert (queue.emergency_waits == 0).all()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    model = server(2, DAYS, True)
    first, second, other = (Queue(model, {}, 0.0, np.array([30.0]), 32, seed).waits(200.0) for seed in (1, 1, 2))
    assert first.tobytes() == second.tobytes() != other.tobytes()
