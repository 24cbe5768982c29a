"""Costs and completion times of many options at once, sampled from the waiting-time tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.labels import ActionKind, Urgency
from core.rules import ApprovalLimits, OptionTemplate, Triangle
from deployments.decision_simulation.duty import DutyClock
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles

METHOD = "waiting-time tables, Latin hypercube sampling, common random numbers"
COST_FOLLOWS_WORK = 0.7
"""Share of replications in which cost has the same quantile as hands-on time: their rank correlation."""
ON_SITE = frozenset({ActionKind.DISPATCH_WORK_ORDER, ActionKind.ALERT_ON_CALL})
"""Actions for which somebody travels."""
NO_TIME = Triangle(low=0, mode=0, high=0)
_WAIT, _LEAD, _TRAVEL, _WORK, _COST, _COST_OWN, _APPROVAL = range(7)
DRAWS = 7


@dataclass(frozen=True)
class Job:
    """One option of one request, as it is sampled."""

    request: int
    """Which of the batch's uniform blocks it uses; options of a request share one."""
    template: OptionTemplate
    travel_hours: Triangle
    clock: DutyClock
    """The crew's hours for this urgency."""
    waits: Floats
    """Quantiles (k,) of the wait, in hours of `clock`."""
    begin: float
    """Now, in hours since Monday 00:00."""
    urgency: Urgency
    limits: ApprovalLimits
    office_clock: DutyClock
    office_waits: Floats
    """As `waits`, for the office: who approves is found there."""


@dataclass(frozen=True)
class Samples:
    """One option's replications; every array has the same length, and equal places share their random numbers."""

    cost_usd: Floats
    """Ascending."""
    hours: Floats
    """From now until done, ascending."""


def uniform_block(seed: int, replications: int) -> Floats:
    """Uniforms (7, replications) in [0, 1): each row spread evenly over the interval, in an order of its own.

    Source: McKay, Beckman and Conover, Technometrics 21 (1979), Latin hypercube sampling.
    """
    rng = np.random.default_rng(seed)
    places = rng.permuted(np.tile(np.arange(replications, dtype=np.float64), (DRAWS, 1)), axis=1)
    return (places + rng.random((DRAWS, replications))) / replications


def sample_completion(jobs: Sequence[Job], blocks: Sequence[Floats]) -> list[Samples]:
    """Cost and hours until done of every job; `blocks` holds one uniform block for each request.

    Done is when, on the crew's clock, travel and work are over after: the approval that the cost's 90th percentile
    needs (a task for the office), the wait for a technician, and the lead time. Emergencies wait for no approval.
    """
    if not jobs:
        return []
    uniforms = np.stack([blocks[job.request] for job in jobs])
    shapes = [job.template for job in jobs]
    own_cost = uniforms[:, _COST] >= COST_FOLLOWS_WORK
    cost_uniforms = np.where(own_cost, uniforms[:, _COST_OWN], uniforms[:, _WORK])
    costs = np.sort(triangular_quantiles(corners([one.cost_usd for one in shapes]), cost_uniforms), axis=1)
    lead = triangular_quantiles(corners([one.lead_hours for one in shapes]), uniforms[:, _LEAD])
    busy = triangular_quantiles(corners([one.work_hours for one in shapes]), uniforms[:, _WORK])
    travels = [job.travel_hours if job.template.action in ON_SITE else NO_TIME for job in jobs]
    busy += triangular_quantiles(corners(travels), uniforms[:, _TRAVEL])
    taken_on: dict[tuple[int, int, int, bool], Floats] = {}
    begun = lead + np.stack([_taken_on(job, costs[i], uniforms[i], taken_on) for i, job in enumerate(jobs)])
    hours = np.maximum(_end(jobs, begun, busy), begun) - np.array([[job.begin] for job in jobs])
    hours.sort(axis=1)
    return [Samples(cost_usd=costs[index], hours=hours[index]) for index in range(len(jobs))]


def quantile(ascending: Floats, level: float) -> float:
    """The quantile of an ascending sample, linear between its points."""
    place = level * (ascending.size - 1)
    low = int(place)
    high = min(low + 1, ascending.size - 1)
    return float(ascending[low] + (ascending[high] - ascending[low]) * (place - low))


def _taken_on(job: Job, costs: Floats, uniforms: Floats, known: dict[tuple[int, int, int, bool], Floats]) -> Floats:
    """When a technician is free for it; options of a request that wait for the same have the same array in `known`."""
    approval = job.urgency is not Urgency.EMERGENCY and job.limits.tier(quantile(costs, 0.9)).rank > 0
    key = (job.request, id(job.clock), id(job.waits), approval)
    if key not in known:
        reported = np.full(uniforms.shape[1], job.begin)
        if approval:
            reported = _after_wait(job.office_clock, job.office_waits, reported, uniforms[_APPROVAL])
        known[key] = _after_wait(job.clock, job.waits, reported, uniforms[_WAIT])
    return known[key]


def _after_wait(clock: DutyClock, waits: Floats, hours: Floats, uniforms: Floats) -> Floats:
    waited = waits[(uniforms * waits.size).astype(np.intp)]
    return clock.begin_after(clock.worked(hours) + waited)


def _end(jobs: Sequence[Job], begun: Floats, busy: Floats) -> Floats:
    """When the work is over, for all jobs of one clock at a time."""
    ends = np.empty_like(begun)
    for clock in {id(job.clock): job.clock for job in jobs}.values():
        rows = [index for index, job in enumerate(jobs) if job.clock is clock]
        ends[rows] = clock.end_after(clock.worked(begun[rows]) + busy[rows])
    return ends
