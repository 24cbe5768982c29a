"""Measures mean times of the SimPy model, and of the tables' queue, where queueing theory knows them exactly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from core.estate import Triangle
from core.labels import Urgency
from deployments.decision_simulation.duty import ALWAYS
from deployments.decision_simulation.lockstep import IN_TURN, Queue
from deployments.decision_simulation.simulation import ReportedJob, run_jobs
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles
from deployments.decision_simulation.what_if.statistics import student_quantile
from deployments.decision_simulation.workforce import ServerModel
from models.simulation.queueing import mg1_wait, mmc_wait, preemptive_hours, priority_waits
from models.text.figures import Interval

Service = Callable[[Floats], Floats]
"""Service times from uniforms, by inversion."""

TRIANGLE = Triangle(low=0.2, mode=0.5, high=2.3)
WARM_UP_HOURS = 60.0
"""Jobs reported so soon after an empty beginning are not counted."""


@dataclass(frozen=True)
class System:
    """A queue of which the exact mean times are known."""

    name: str
    servers: int
    per_hour: Mapping[Urgency, float]
    service: Service
    mean_hours: float
    exact: Mapping[Urgency, float]
    """The mean wait by class, or with `until_done` the mean time until done."""
    hours: float
    """So long a run that fifty pairs find the mean within about 1 %."""
    until_done: bool = False

    def model(self) -> ServerModel:
        """As the simulation takes it: always on duty."""
        return ServerModel(
            key="queue",
            technicians=self.servers,
            clock=ALWAYS,
            on_call=False,
            jobs_per_hour=dict(self.per_hour),
            travel_hours=lambda rng, number: np.zeros(number),
            job_hours=lambda rng, number: self.service(rng.random(number)),
        )


@dataclass(frozen=True)
class Agreement:
    """A mean time beside the exact one."""

    system: str
    urgency: Urgency
    exact: float
    found: Interval
    jobs: int

    @property
    def deviation(self) -> float:
        """Relative to the exact value."""
        return self.found.value / self.exact - 1.0

    @property
    def half_width(self) -> float:
        """Of the interval, relative to the exact value."""
        return (self.found.high - self.found.low) / 2 / self.exact


def exponential(mean: float) -> Service:
    """Exponential service times."""
    return lambda uniforms: -mean * np.log1p(-uniforms)


def triangular(triangle: Triangle) -> Service:
    """Triangular ones, as the documents state them."""
    shape = corners([triangle])
    return lambda uniforms: triangular_quantiles(shape, uniforms.reshape(1, -1))[0].reshape(uniforms.shape)


def systems() -> tuple[System, ...]:
    """M/M/c, M/G/1, and priorities with and without preemption."""
    medium, unit = Urgency.MEDIUM, exponential(1.0)
    mean, square = triangle_moments(TRIANGLE)
    classes = {Urgency.HIGH: 0.3, Urgency.MEDIUM: 0.4, Urgency.LOW: 0.3}
    in_turn = dict(zip(classes, priority_waits([*classes.values()], 1.0, 2), strict=True))
    preempting = {Urgency.EMERGENCY: 0.2, Urgency.LOW: 0.4}
    until_done = dict(zip(preempting, preemptive_hours([*preempting.values()], 1.0), strict=True))
    pollaczek = mg1_wait(0.6, mean, square)
    return (
        System("M/M/1", 1, {medium: 0.5}, unit, 1.0, {medium: mmc_wait(0.5, 1.0, 1)}, 8000),
        System("M/M/3", 3, {medium: 1.8}, unit, 1.0, {medium: mmc_wait(1.8, 1.0, 3)}, 3500),
        System("M/G/1", 1, {medium: 0.6}, triangular(TRIANGLE), mean, {medium: pollaczek}, 5000),
        System("M/M/2, three priorities", 2, classes, unit, 1.0, in_turn, 6500),
        System("M/M/1, emergencies preempt", 1, preempting, unit, 1.0, until_done, 4000, until_done=True),
    )


def triangle_moments(triangle: Triangle) -> tuple[float, float]:
    """The mean and the mean square of a triangular distribution."""
    a, c, b = triangle.low, triangle.mode, triangle.high
    mean = (a + b + c) / 3
    return mean, (a * a + b * b + c * c - a * b - a * c - b * c) / 18 + mean * mean


def full_runs(system: System, pairs: int, hours: float, seed: int) -> list[Agreement]:
    """Mean times of the SimPy model, from so many independent pairs of runs of so many hours.

    The two runs of a pair take opposite uniforms (antithetic variates), and the known means of arrivals and of
    service times correct the estimate (control variates; Lavenberg and Welch, Management Science 27, 1981).
    """
    rows = [_pair(system, hours, np.random.default_rng((seed, index))) for index in range(pairs)]
    means, controls = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    jobs = sum(row[2] for row in rows)
    return [
        Agreement(system.name, urgency, exact, _controlled(means[:, place], controls), jobs)
        for place, (urgency, exact) in enumerate(system.exact.items())
    ]


def tables(system: System, replications: int, seed: int) -> list[Agreement]:
    """Mean waits of the queue that the tables are made of, at ten moments of independent replications."""
    moments = WARM_UP_HOURS * np.linspace(2.0, 6.0, 10)
    queue = Queue(system.model(), {}, 0.0, moments, replications, seed)
    in_turn = np.moveaxis(queue.waits(np.inf), 2, 0)
    waits: dict[Urgency, Floats] = {urgency: in_turn[place] for place, urgency in enumerate(IN_TURN)}
    waits[Urgency.EMERGENCY] = queue.emergency_waits
    return [
        Agreement(system.name, urgency, exact, _interval(waits[urgency].mean(axis=1)), replications)
        for urgency, exact in system.exact.items()
        if not system.until_done
    ]


def _pair(system: System, hours: float, rng: np.random.Generator) -> tuple[Floats, Floats, int]:
    """Mean time by class, the controls, and the number of jobs of two opposite runs."""
    expected = {urgency: rate * hours for urgency, rate in system.per_hour.items()}
    sizes = {urgency: int(number + 8 * number**0.5 + 10) for urgency, number in expected.items()}
    uniforms = {urgency: rng.random((2, size)) for urgency, size in sizes.items()}
    runs = [_run(system, hours, uniforms), _run(system, hours, {each: 1.0 - u for each, u in uniforms.items()})]
    return (runs[0][0] + runs[1][0]) / 2, (runs[0][1] + runs[1][1]) / 2, runs[0][2] + runs[1][2]


def _run(system: System, hours: float, uniforms: Mapping[Urgency, Floats]) -> tuple[Floats, Floats, int]:
    jobs: list[ReportedJob] = []
    for urgency, (gaps, services) in uniforms.items():
        reported = np.cumsum(exponential(1.0 / system.per_hour[urgency])(gaps))
        due = reported < hours
        busy = system.service(services)
        rows = zip(reported[due].tolist(), busy[due].tolist(), strict=True)
        jobs += [ReportedJob("queue", at, urgency, busy_hours) for at, busy_hours in rows]
    done = run_jobs(system.model(), 0.0, jobs, np.random.default_rng(0))
    reported, busy = np.array([job.at for job in jobs]), np.array([job.busy_hours for job in jobs])
    spent = done - reported - (0.0 if system.until_done else busy)
    classes = np.array([job.urgency.rank for job in jobs])
    counted = reported > WARM_UP_HOURS
    means = [spent[counted & (classes == urgency.rank)].mean() for urgency in system.exact]
    arrivals = len(jobs) / (hours * sum(system.per_hour.values())) - 1.0
    return np.array(means), np.array([arrivals, busy.mean() / system.mean_hours - 1.0]), len(jobs)


def _controlled(means: Floats, controls: Floats) -> Interval:
    """The mean of the runs where the controls have their known means, which are zero."""
    design = np.column_stack([np.ones(means.size), controls])
    weights, *_ = np.linalg.lstsq(design, means, rcond=None)
    residuals = means - design @ weights
    freedom = means.size - 1 - controls.shape[1]
    spread = residuals @ residuals / freedom * np.linalg.inv(design.T @ design)[0, 0]
    return _around(float(weights[0]), float(spread) ** 0.5, freedom)


def _interval(means: Floats) -> Interval:
    error = float(means.std(ddof=1)) / means.size**0.5
    return _around(float(means.mean()), error, means.size - 1)


def _around(mean: float, error: float, freedom: int) -> Interval:
    half = student_quantile(0.975, freedom) * error
    return Interval(mean, mean - half, mean + half)
