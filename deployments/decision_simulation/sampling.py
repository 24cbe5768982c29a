"""Costs and completion times of many options at once, sampled from the waiting-time tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.estate import Part, Triangle
from core.execution_labels import ActionKind
from core.labels import Urgency
from core.rules import ApprovalLimits, OptionTemplate
from deployments.decision_simulation.duty import DutyClock
from deployments.decision_simulation.parts import part_hours, part_number
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles

METHOD = "waiting-time tables, Latin hypercube of a shifted Richtmyer sequence, common random numbers"
COST_FOLLOWS_WORK = 0.7
"""Share of replications in which cost has the same quantile as hands-on time: their rank correlation."""
ON_SITE = frozenset({ActionKind.DISPATCH_WORK_ORDER, ActionKind.ALERT_ON_CALL})
"""Actions for which somebody travels."""
NO_TIME = Triangle(low=0, mode=0, high=0)
_WAIT, _LEAD, _TRAVEL, _WORK, _COST, _COST_OWN, _APPROVAL = range(7)
DRAWS = 7
PRIMES = tuple(n for n in range(2, 312) if all(n % divisor for divisor in range(2, int(n**0.5) + 1)))
APPROVAL_LEVELS = (0.1, 0.5, 0.9)
HOUR_DECIMALS = 4


@dataclass(frozen=True)
class Job:
    """One option of one request, as it is sampled."""

    request: int
    """Which of the batch's uniform blocks it uses; options of a request share one."""
    template: OptionTemplate
    travel_hours: Triangle
    clock: DutyClock
    """The hours of the crew or vendor for this urgency."""
    waits: Floats
    """Quantiles (k,) of the wait, in hours of `clock`."""
    begin: float
    """Now, in hours since Monday 00:00."""
    urgency: Urgency
    limits: ApprovalLimits
    office_clock: DutyClock
    office_waits: Floats
    """As `waits`, for the office: who approves is found there."""
    parts: tuple[Part, ...] = ()
    """Those that the template names."""
    later_waits: tuple[tuple[float, Floats], ...] = ()
    """As `waits`, at later hours in ascending order: what it waits for an approval, the queue goes on without it."""
    plan: int | None = None
    """Jobs of one plan have the same number here, and none of another: their costs together need the approval."""
    first: bool = True
    """Whether it waits for no other step of its plan; what does, waits for the approval with that one."""


@dataclass(frozen=True)
class Samples:
    """One option's replications; every array has the same length, and equal places share their random numbers."""

    cost_usd: Floats
    """Ascending."""
    hours: Floats
    """From now until done, ascending."""


@dataclass(frozen=True)
class UniformBlock:
    """The random numbers of one request, which all of its options share."""

    seed: int
    rows: Floats
    """(7, replications) in [0, 1), one row for each thing that every option has."""

    def of_part(self, part_id: str) -> Floats:
        """The part's row (replications,): by its name alone, so that options that share a part share its fate."""
        number = part_number(part_id)
        column = DRAWS + number % (len(PRIMES) - DRAWS)
        return _spread(np.random.default_rng((self.seed, number)), range(column, column + 1), self.rows.shape[1])[0]


def uniform_block(seed: int, replications: int) -> UniformBlock:
    """The random numbers of one request."""
    return UniformBlock(seed, _spread(np.random.default_rng(seed), range(DRAWS), replications))


def _spread(rng: np.random.Generator, columns: range, replications: int) -> Floats:
    """Uniforms (columns, replications) in [0, 1): each row spread evenly, and the rows together over the whole cube.

    The strata of a Latin hypercube (McKay, Beckman and Conover, Technometrics 21, 1979) are taken in the order of
    Richtmyer's sequence, the multiples of the roots of primes (1951), shifted at random (Cranley and Patterson, SIAM
    Journal on Numerical Analysis 13, 1976). The error of a distribution function is about half of that of independent
    orders.
    """
    shifts = rng.integers(0, replications, (len(columns), 1))
    places = (_orders(columns, replications) + shifts) % replications
    return (places + rng.random(places.shape)) / replications


@lru_cache(maxsize=64)
def _orders(columns: range, replications: int) -> NDArray[np.int64]:
    multiples = np.arange(1, replications + 1) * np.sqrt(np.array([PRIMES[column] for column in columns]))[:, None]
    return (multiples % 1.0).argsort(axis=1).argsort(axis=1)


def approval_hours(office_clock: DutyClock, office_waits: Floats, begin: float) -> tuple[float, ...]:
    """Hours at which an approval that is asked for at `begin` may come: those to know the later waits at, ascending."""
    asked = float(office_clock.worked(np.array([begin]))[0])
    hours = office_clock.begin_after(asked + np.quantile(office_waits, APPROVAL_LEVELS)).round(HOUR_DECIMALS).tolist()
    return tuple(sorted({hour for hour in hours if hour > begin}))


def sample_completion(jobs: Sequence[Job], blocks: Sequence[UniformBlock]) -> list[Samples]:
    """Cost and hours until done of every job; `blocks` holds one uniform block for each request.

    Done is when, on the clock of the crew or vendor, travel and work are over after: the approval that the cost's 90th
    percentile needs (a task for the office), the wait for a technician, the lead time, and the slowest missing part.
    A plan is agreed to as a whole, by the cost of all its steps, before its first ones begin. Emergencies wait for no
    approval.
    """
    if not jobs:
        return []
    uniforms = np.stack([blocks[job.request].rows for job in jobs])
    shapes = [job.template for job in jobs]
    own_cost = uniforms[:, _COST] >= COST_FOLLOWS_WORK
    cost_uniforms = np.where(own_cost, uniforms[:, _COST_OWN], uniforms[:, _WORK])
    costs = np.sort(triangular_quantiles(corners([one.cost_usd for one in shapes]), cost_uniforms), axis=1)
    lead = triangular_quantiles(corners([one.lead_hours for one in shapes]), uniforms[:, _LEAD])
    lead += _parts_hours(jobs, blocks)
    busy = triangular_quantiles(corners([one.work_hours for one in shapes]), uniforms[:, _WORK])
    travels = [job.travel_hours if job.template.action in ON_SITE else NO_TIME for job in jobs]
    busy += triangular_quantiles(corners(travels), uniforms[:, _TRAVEL])
    taken_on: dict[tuple[int, ...], Floats] = {}
    approvals = _approvals(jobs, costs)
    begun = lead + np.stack([_taken_on(job, approvals[i], uniforms[i], taken_on) for i, job in enumerate(jobs)])
    hours = np.maximum(_end(jobs, begun, busy), begun) - np.array([[job.begin] for job in jobs])
    hours.sort(axis=1)
    return [Samples(cost_usd=costs[index], hours=hours[index]) for index in range(len(jobs))]


def quantile(ascending: Floats, level: float) -> float:
    """The quantile of an ascending sample, linear between its points."""
    place = level * (ascending.size - 1)
    low = int(place)
    high = min(low + 1, ascending.size - 1)
    return float(ascending[low] + (ascending[high] - ascending[low]) * (place - low))


def _parts_hours(jobs: Sequence[Job], blocks: Sequence[UniformBlock]) -> Floats:
    """How long each job waits for its slowest missing part: (jobs, replications)."""
    hours = np.zeros((len(jobs), blocks[jobs[0].request].rows.shape[1]))
    known: dict[tuple[int, str], Floats] = {}
    for row, job in zip(hours, jobs, strict=True):
        for part in job.parts:
            key = (job.request, part.part_id)
            if key not in known:
                known[key] = part_hours(part, blocks[job.request].of_part(part.part_id))
            np.maximum(row, known[key], out=row)
    return hours


def _approvals(jobs: Sequence[Job], costs: Floats) -> list[bool]:
    """Whether each job waits for somebody to agree to its cost, or to that of its plan: (jobs, replications)."""
    sums: dict[tuple[int, int], Floats] = {}
    for job, own in zip(jobs, costs, strict=True):
        if job.plan is not None:
            key = (job.request, job.plan)
            sums[key] = sums[key] + own if key in sums else own
    whole = [own if job.plan is None else sums[job.request, job.plan] for job, own in zip(jobs, costs, strict=True)]
    return [
        job.first and job.urgency is not Urgency.EMERGENCY and job.limits.tier(quantile(cost, 0.9)).rank > 0
        for job, cost in zip(jobs, whole, strict=True)
    ]


def _taken_on(job: Job, approval: bool, uniforms: Floats, known: dict[tuple[int, ...], Floats]) -> Floats:
    """When a technician is free for it; options of a request that wait for the same have the same array in `known`."""
    key = (job.request, id(job.clock), approval, *(id(each) for each in (job.waits, *(w for _, w in job.later_waits))))
    if key not in known:
        reported = np.full(uniforms.shape[1], job.begin)
        if approval:
            asked = job.office_clock.worked(reported)
            reported = job.office_clock.begin_after(asked + _drawn(job.office_waits, uniforms[_APPROVAL]))
        joined = job.clock.worked(reported)
        known[key] = job.clock.begin_after(joined + _waited(job, joined, uniforms[_WAIT]))
    return known[key]


def _waited(job: Job, joined: Floats, uniforms: Floats) -> Floats:
    """The wait of a job that joins the queue at these hours of its clock, interpolated between the hours known."""
    waited, known_at = _drawn(job.waits, uniforms), float(job.clock.worked(np.array([job.begin]))[0])
    for hour, waits in job.later_waits:
        at = float(job.clock.worked(np.array([hour]))[0])
        share = np.clip((joined - known_at) / (at - known_at), 0.0, 1.0) if at > known_at else joined >= at
        waited, known_at = waited + share * (_drawn(waits, uniforms) - waited), at
    return waited


def _drawn(quantiles: Floats, uniforms: Floats) -> Floats:
    return quantiles[(uniforms * quantiles.size).astype(np.intp)]


def _end(jobs: Sequence[Job], begun: Floats, busy: Floats) -> Floats:
    """When the work is over, for all jobs of one clock at a time."""
    ends = np.empty_like(begun)
    for clock in {id(job.clock): job.clock for job in jobs}.values():
        rows = [index for index, job in enumerate(jobs) if job.clock is clock]
        ends[rows] = clock.end_after(clock.worked(begun[rows]) + busy[rows])
    return ends
