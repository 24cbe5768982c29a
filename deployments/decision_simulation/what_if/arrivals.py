"""When each job of a replication arrives: as the store has it, or drawn from usual rates; the same in both systems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from core.estate import Vendor
from core.labels import Urgency
from core.rules import CrewRules, RuleBook
from core.what_if import Work
from deployments.decision_simulation.duty import WEEK_HOURS, week_hour
from deployments.decision_simulation.simulation import ReportedJob, server_rng
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles
from deployments.decision_simulation.what_if.kinds import Kind

DRAWS = 7
LEAD, TRAVEL, WORK, COST, COST_OWN, STOCK, PART = range(DRAWS)
"""The uniform numbers of one request."""
WARM_DAYS = 7
"""So long before the period, requests lend their load, so that it does not begin with empty queues."""
WARM_HOURS = WARM_DAYS * 24.0


@dataclass(frozen=True)
class Span:
    """The time of a replay, in hours since the Monday 00:00 before it begins."""

    start: float
    """The simulated time begins; before `begin` by the warm-up."""
    begin: float
    end: float

    @property
    def weeks(self) -> float:
        """From `begin` to `end`."""
        return (self.end - self.begin) / WEEK_HOURS


@dataclass(frozen=True)
class Arrivals:
    """The requests of one replication in the order of their arrival."""

    kind: NDArray[np.intp]
    at: Floats
    """When they were reported, in hours as of `Span`; of a backlog before it begins."""
    counted: NDArray[np.bool_]
    uniforms: Floats
    """(requests, DRAWS)."""

    @property
    def kinds(self) -> list[int]:
        """The kind of each request."""
        return [int(kind) for kind in self.kind]


def span_of(work: Work, zone: tzinfo) -> Span:
    """A backlog is there at once; everything else has a warm-up."""
    begin = week_hour(work.begin, zone)
    warm = 0.0 if work.source == "backlog" else WARM_HOURS
    return Span(begin - warm, begin, begin + (work.end - work.begin).total_seconds() / 3600)


def arrivals_of(work: Work, kinds: Sequence[Kind], span: Span, seed: int, replication: int) -> Arrivals:
    """The requests as they are in the store, or, for a synthetic replay, from Poisson processes."""
    rng = np.random.default_rng((seed, replication))
    if work.source == "synthetic":
        return _drawn(kinds, span, rng)
    hours = [span.begin + (kind.item.at - work.begin).total_seconds() / 3600 for kind in kinds]
    at = np.array(hours, dtype=np.float64)
    counted = np.array([kind.counted for kind in kinds], dtype=np.bool_)
    return Arrivals(np.arange(len(kinds)), at, counted, rng.random((len(kinds), DRAWS)))


def _drawn(kinds: Sequence[Kind], span: Span, rng: np.random.Generator) -> Arrivals:
    weeks = (span.end - span.start) / WEEK_HOURS
    numbers = rng.poisson([kind.rate_per_week * weeks for kind in kinds])
    kind = np.repeat(np.arange(len(kinds)), numbers)
    at = rng.uniform(span.start, span.end, kind.size)
    order = np.argsort(at, kind="stable")
    at = at[order]
    return Arrivals(kind[order], at, at >= span.begin, rng.random((kind.size, DRAWS)))


def background(
    servers: Mapping[str, CrewRules | Vendor], span: Span, seed: int, replication: int
) -> dict[str, list[ReportedJob]]:
    """Usual jobs of others for each server, from a random stream of each server's and urgency's own.

    A rate that is changed makes the same jobs come sooner or later, and leaves those of the others as they are.
    """
    return {key: _usual_jobs(key, rules, span, seed, replication) for key, rules in servers.items()}


def _usual_jobs(key: str, rules: CrewRules | Vendor, span: Span, seed: int, replication: int) -> list[ReportedJob]:
    jobs: list[ReportedJob] = []
    shapes = corners([rules.travel_hours, rules.job_hours])
    for urgency in Urgency:
        rate = rules.jobs_per_week.get(urgency, 0.0) / WEEK_HOURS
        rng, at = server_rng(seed, f"{key}/{urgency}", replication), span.start
        while rate > 0:
            gap, *uniforms = rng.random(3).tolist()
            at += -float(np.log1p(-gap)) / rate
            if at >= span.end:
                break
            busy = float(triangular_quantiles(shapes, np.array(uniforms)[:, None]).sum())
            jobs.append(ReportedJob(key, at, urgency, busy))
    return sorted(jobs, key=lambda job: job.at)


def crews_and_vendors(rules: RuleBook) -> dict[str, CrewRules | Vendor]:
    """All who serve, by the key that the simulation knows them by."""
    return {**{crew.value: one for crew, one in rules.crews.items()}, **rules.vendors}
