"""The SimPy model of one crew or vendor: technicians as preemptible resources, shifts, on-call duty and the queue."""

import math
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import simpy
from simpy.resources.resource import PriorityRequest

from core.labels import Urgency
from deployments.decision_simulation.duty import WEEK_HOURS, Interval
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import PREEMPTING, RANKS, Durations, Rank, ServerModel

Steps = Generator[simpy.Event, object, None]

ARRIVALS_PER_DRAW = 32
NO_BACKLOG: Mapping[Urgency, int] = {}


@dataclass(frozen=True)
class ReportedJob:
    """A job whose figures are given in place of drawn."""

    server: str
    """The crew or vendor, as `workforce.server_key`."""
    at: float
    """When it is reported, in hours since the Monday 00:00 from which the run counts; one before the run begins is
    there at the beginning."""
    urgency: Urgency
    busy_hours: float
    """Travel and hands-on work together."""
    lead_hours: float = 0.0


@dataclass(frozen=True)
class Dispatch:
    """A technician began, or resumed, a job."""

    at: float
    rank: float
    asked_at: float


class ServerRun:
    """One run of a crew or vendor from `begin` (hours since Monday 00:00) on, with a backlog that waits there.

    All technicians rest outside the duty hours by taking themselves as resources; the rest of the one on call is
    the only one that an emergency may interrupt. Usual jobs arrive at the model's rates unless `arrivals` is False;
    at a vendor's they do from `warm_up_hours` before the beginning on. Each urgency and the backlog have random
    numbers of their own, so that runs with one seed differ by nothing but what is changed.
    """

    def __init__(
        self,
        model: ServerModel,
        begin: float,
        backlog: Mapping[Urgency, int],
        rng: np.random.Generator,
        arrivals: bool = True,
    ) -> None:
        self.model = model
        opening = begin - (model.warm_up_hours if arrivals else 0.0)
        self.env = simpy.Environment(initial_time=opening)
        self.technicians = simpy.PreemptiveResource(self.env, capacity=model.technicians)
        self.dispatches: list[Dispatch] = []
        waiting, *streams = rng.spawn(1 + len(Urgency))
        if not model.clock.always:
            for index in range(model.technicians):
                on_call = model.on_call and index == 0
                self.env.process(self._rest(opening, Rank.ON_CALL_REST if on_call else Rank.OFF_DUTY))
        for urgency, stream in zip(Urgency, streams, strict=True):
            if (rate := model.jobs_per_hour.get(urgency, 0.0)) > 0 and arrivals:
                self.env.process(self._arrive(RANKS[urgency], rate, stream))
        if opening < begin:
            self.env.run(begin)
        for urgency in sorted(backlog, key=RANKS.__getitem__):
            for busy_hours in model.busy_hours(waiting, backlog[urgency]).tolist():
                self.env.process(self._serve(RANKS[urgency], busy_hours))

    def complete(self, urgency: Urgency, lead_hours: float, busy_hours: float) -> float:
        """The hour at which one more job, reported now, is done.

        With a lead time the job is taken on when its turn comes, what is needed is ordered, and the technician comes
        back for a booked visit.
        """
        self.env.run(self.env.process(self._serve_job(urgency, lead_hours, busy_hours)))
        return float(self.env.now)

    def complete_all(self, jobs: Sequence[ReportedJob], until: float = math.inf) -> Floats:
        """The hour at which each of these jobs is done, in their order; inf for one that is not done by `until`."""
        done = np.full(len(jobs), np.inf)
        order = sorted(range(len(jobs)), key=lambda place: jobs[place].at)
        last = self.env.process(self._report([(place, jobs[place]) for place in order], done))
        self.env.run(last if math.isinf(until) else self.env.any_of([last, self.env.timeout(until - self.env.now)]))
        return done

    def run_until(self, hour: float) -> None:
        """Run on."""
        self.env.run(hour)

    def _report(self, jobs: Sequence[tuple[int, ReportedJob]], done: Floats) -> Steps:
        served: list[simpy.Event] = []
        for place, job in jobs:
            if job.at > self.env.now:
                yield self.env.timeout(job.at - self.env.now)
            served.append(self.env.process(self._note_done(place, job, done)))
        yield self.env.all_of(served)

    def _note_done(self, place: int, job: ReportedJob, done: Floats) -> Steps:
        yield from self._serve_job(job.urgency, job.lead_hours, job.busy_hours)
        done[place] = self.env.now

    def _serve_job(self, urgency: Urgency, lead_hours: float, busy_hours: float) -> Steps:
        rank = RANKS[urgency]
        if lead_hours > 0:
            yield from self._serve(rank, 0.0)
            yield self.env.timeout(lead_hours)
            rank = min(rank, Rank.BOOKED)
        yield from self._serve(rank, busy_hours)

    def _arrive(self, rank: Rank, per_hour: float, rng: np.random.Generator) -> Steps:
        while True:
            gaps: list[float] = rng.exponential(1.0 / per_hour, ARRIVALS_PER_DRAW).tolist()
            busy: list[float] = self.model.busy_hours(rng, ARRIVALS_PER_DRAW).tolist()
            for gap, busy_hours in zip(gaps, busy, strict=True):
                yield self.env.timeout(gap)
                self.env.process(self._serve(rank, busy_hours))

    def _serve(self, rank: Rank, busy_hours: float) -> Steps:
        left, turn_rank, preempts = busy_hours, rank, rank in PREEMPTING
        done = False
        while not done:
            turn = self.technicians.request(priority=turn_rank, preempt=preempts)
            with turn:
                began: float | None = None
                try:
                    yield turn
                    began = self.env.now
                    self._note_dispatch(turn)
                    yield self.env.timeout(left)
                    done = True
                except simpy.Interrupt:
                    # Its technician may be taken away in the same instant, before it began.
                    left -= 0.0 if began is None else self.env.now - began
                    turn_rank = rank if preempts else Rank.BEGUN

    def _rest(self, begin: float, rank: Rank) -> Steps:
        for off, on in _gaps(self.model.clock.intervals, begin):
            if off > self.env.now:
                yield self.env.timeout(off - self.env.now)
            while self.env.now < on:
                turn = self.technicians.request(priority=rank)
                with turn:
                    try:
                        yield turn
                        yield self.env.timeout(max(0.0, on - self.env.now))
                    except simpy.Interrupt:
                        pass  # An emergency took the technician on call, who rests again afterwards.

    def _note_dispatch(self, turn: PriorityRequest) -> None:
        self.dispatches.append(Dispatch(self.env.now, turn.priority, turn.time))


def _gaps(intervals: tuple[Interval, ...], begin: float) -> Iterator[Interval]:
    """The off-duty stretches that end after `begin`, without end."""
    first_week = int(begin // WEEK_HOURS) - 1
    following = [start for start, _ in intervals[1:]] + [intervals[0][0] + WEEK_HOURS]
    for week in count(first_week):
        for (_, end), start in zip(intervals, following, strict=True):
            off, on = end + week * WEEK_HOURS, start + week * WEEK_HOURS
            if on > begin and on > off:
                yield off, on


def server_rng(seed: int, key: str, index: int = 0) -> np.random.Generator:
    """A generator of a server's own, so that a change to one server leaves the numbers of the others as they were."""
    return np.random.default_rng((seed, zlib.crc32(key.encode()), index))


def run_jobs(
    model: ServerModel,
    begin: float,
    jobs: Sequence[ReportedJob],
    rng: np.random.Generator,
    backlog: Mapping[Urgency, int] = NO_BACKLOG,
    arrivals: bool = False,
    until: float = math.inf,
) -> Floats:
    """The hour at which each of one server's jobs is done, in their order, from a full run; inf where not by `until`.

    `begin`, `until` and the result are in hours since one Monday 00:00. The backlog's durations are drawn, as are
    further jobs with `arrivals`, which needs a finite `until` where the server might never come to a job. Without
    them nothing is drawn, and a vendor's other customers are among `jobs` or nowhere.
    """
    return ServerRun(model, begin, backlog, rng, arrivals).complete_all(jobs, until)


def simulate_option(
    model: ServerModel,
    urgency: Urgency,
    lead_hours: Durations,
    busy_hours: Durations,
    begin: float,
    backlog: Mapping[Urgency, int],
    replications: int,
    seed: int,
    later_hours: float = 0.0,
    approval_hours: Floats | None = None,
) -> Floats:
    """Hours from report until done of one option, by a full run of its server for each replication: the reference.

    The server has its backlog at `begin`, in hours since Monday 00:00, and the request is reported `later_hours`
    after that; `busy_hours` is travel and hands-on work together, `lead_hours` that of the option and its parts.
    `approval_hours` (replications,) is how long after its report each waits for an approval before it joins the queue.
    """
    reported = begin + later_hours
    joined = reported + (np.zeros(replications) if approval_hours is None else approval_hours)
    hours = np.empty(replications)
    for index in range(replications):
        rng = server_rng(seed, model.key, index)
        lead, busy = float(lead_hours(rng, 1)[0]), float(busy_hours(rng, 1)[0])
        run = ServerRun(model, begin, backlog, rng)
        if joined[index] > begin:
            run.run_until(float(joined[index]))
        hours[index] = run.complete(urgency, lead, busy) - reported
    return hours
