"""The SimPy model of one crew: technicians as preemptible resources, shifts, on-call duty, arrivals and the backlog."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sized
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import cast

import numpy as np
import simpy
from simpy.resources.resource import PriorityRequest

from core.labels import Crew, Urgency
from core.rules import CrewRules, EntryRules, RuleBook, Triangle
from deployments.decision_simulation.duty import ALWAYS, WEEK_HOURS, DutyClock, Interval, duty_clock
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles

Durations = Callable[[np.random.Generator, int], Floats]
"""Draws so many durations, in hours."""

Steps = Generator[simpy.Event, object, None]

ARRIVALS_PER_DRAW = 32


class Rank(IntEnum):
    """Who gets a technician first."""

    OFF_DUTY = 0
    EMERGENCY = 2
    ON_CALL_REST = 3
    BOOKED = 4
    BEGUN = 5
    """Interrupted by an emergency or the end of a shift: finished before a waiting job is begun."""
    HIGH = 6
    MEDIUM = 8
    LOW = 10


RANKS: Mapping[Urgency, Rank] = {
    Urgency.EMERGENCY: Rank.EMERGENCY,
    Urgency.HIGH: Rank.HIGH,
    Urgency.MEDIUM: Rank.MEDIUM,
    Urgency.LOW: Rank.LOW,
}
PREEMPTING = frozenset({Rank.EMERGENCY, Rank.BOOKED})
"""These take a technician away from a lesser job, which resumes later with what was left of it."""


class Readiness(IntEnum):
    """What a crew could begin at once."""

    NOTHING = 0
    EMERGENCY = 1
    ANYTHING = 2


@dataclass(frozen=True)
class CrewModel:
    """What the simulation needs to know of one crew."""

    crew: Crew
    technicians: int
    clock: DutyClock
    """When it does what is not an emergency."""
    on_call: bool
    """One technician serves emergencies outside the duty hours."""
    jobs_per_hour: Mapping[Urgency, float]
    travel_hours: Durations
    job_hours: Durations

    def clock_for(self, urgency: Urgency) -> DutyClock:
        """The hours in which the crew serves jobs of this urgency."""
        return ALWAYS if self.on_call and urgency is Urgency.EMERGENCY else self.clock


def crew_model(rules: CrewRules, entry: EntryRules) -> CrewModel:
    """The model of a crew as the knowledge base describes it."""
    return CrewModel(
        crew=rules.crew,
        technicians=rules.technicians,
        clock=duty_clock(rules, entry),
        on_call=rules.on_call_outside_shift,
        jobs_per_hour={urgency: rules.jobs_per_week.get(urgency, 0.0) / WEEK_HOURS for urgency in Urgency},
        travel_hours=triangular_durations(rules.travel_hours),
        job_hours=triangular_durations(rules.job_hours),
    )


def crew_models(rules: RuleBook) -> dict[Crew, CrewModel]:
    """The models of all crews."""
    return {crew: crew_model(crew_rules, rules.entry) for crew, crew_rules in rules.crews.items()}


def triangular_durations(triangle: Triangle) -> Durations:
    """Durations from a triangle."""
    shape = corners([triangle])
    return lambda rng, number: triangular_quantiles(shape, rng.random((1, number)))[0]


@dataclass(frozen=True)
class Dispatch:
    """A technician began, or resumed, a job."""

    at: float
    rank: float
    asked_at: float


class CrewRun:
    """One run of a crew from `begin` (hours since Monday 00:00) on, with a backlog that waits there.

    All technicians rest outside the duty hours by taking themselves as resources; the rest of the one on call is
    the only one that an emergency may interrupt.
    """

    def __init__(
        self, model: CrewModel, begin: float, backlog: Mapping[Urgency, int], rng: np.random.Generator
    ) -> None:
        self.model = model
        self.env = simpy.Environment(initial_time=begin)
        self.technicians = simpy.PreemptiveResource(self.env, capacity=model.technicians)
        self.dispatches: list[Dispatch] = []
        self.readiness: list[tuple[float, Readiness]] = [(begin, Readiness.ANYTHING)]
        self._rng = rng
        # SimPy leaves the type of its items open.
        self._queue = cast(Sized, self.technicians.put_queue)  # pyright: ignore[reportUnknownMemberType]
        if not model.clock.always:
            for index in range(model.technicians):
                on_call = model.on_call and index == 0
                self.env.process(self._rest(begin, Rank.ON_CALL_REST if on_call else Rank.OFF_DUTY))
        for urgency, number in backlog.items():
            for busy_hours in self._busy_hours(number):
                self.env.process(self._serve(RANKS[urgency], busy_hours))
        for urgency, rate in model.jobs_per_hour.items():
            if rate > 0:
                self.env.process(self._arrive(RANKS[urgency], rate))

    def complete(self, urgency: Urgency, lead_hours: float, busy_hours: float) -> float:
        """The hour at which one more job, reported now, is done.

        With a lead time the crew takes the job on when its turn comes, orders what is needed, and comes back for
        a booked visit.
        """
        job = self.env.process(self._serve_job(urgency, lead_hours, busy_hours))
        self.env.run(job)
        return float(self.env.now)

    def run_until(self, hour: float) -> None:
        """Run on."""
        self.env.run(hour)

    def _serve_job(self, urgency: Urgency, lead_hours: float, busy_hours: float) -> Steps:
        rank = RANKS[urgency]
        if lead_hours > 0:
            yield from self._serve(rank, 0.0)
            yield self.env.timeout(lead_hours)
            rank = min(rank, Rank.BOOKED)
        yield from self._serve(rank, busy_hours)

    def _busy_hours(self, number: int) -> list[float]:
        return (self.model.travel_hours(self._rng, number) + self.model.job_hours(self._rng, number)).tolist()

    def _arrive(self, rank: Rank, per_hour: float) -> Steps:
        while True:
            gaps: list[float] = self._rng.exponential(1.0 / per_hour, ARRIVALS_PER_DRAW).tolist()
            for gap, busy_hours in zip(gaps, self._busy_hours(ARRIVALS_PER_DRAW), strict=True):
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
            self._note_readiness()

    def _rest(self, begin: float, rank: Rank) -> Steps:
        for off, on in _gaps(self.model.clock.intervals, begin):
            if off > self.env.now:
                yield self.env.timeout(off - self.env.now)
            while self.env.now < on:
                turn = self.technicians.request(priority=rank)
                with turn:
                    try:
                        yield turn
                        self._note_readiness()
                        yield self.env.timeout(max(0.0, on - self.env.now))
                    except simpy.Interrupt:
                        pass  # An emergency took the technician on call, who rests again afterwards.
                self._note_readiness()

    def _note_dispatch(self, turn: PriorityRequest) -> None:
        self.dispatches.append(Dispatch(self.env.now, turn.priority, turn.time))
        self._note_readiness()

    def _note_readiness(self) -> None:
        users = self.technicians.users
        if len(users) < self.technicians.capacity:
            if self._queue:
                return  # SimPy hands the technician on within this instant; whoever gets it notes that.
            ready = Readiness.ANYTHING
        elif any(user.priority > Rank.EMERGENCY for user in users):
            ready = Readiness.EMERGENCY
        else:
            ready = Readiness.NOTHING
        if self.readiness[-1][1] is not ready:
            self.readiness.append((self.env.now, ready))


def _gaps(intervals: tuple[Interval, ...], begin: float) -> Iterator[Interval]:
    """The off-duty stretches that end after `begin`, without end."""
    first_week = int(begin // WEEK_HOURS) - 1
    following = [start for start, _ in intervals[1:]] + [intervals[0][0] + WEEK_HOURS]
    for week in count(first_week):
        for (_, end), start in zip(intervals, following, strict=True):
            off, on = end + week * WEEK_HOURS, start + week * WEEK_HOURS
            if on > begin and on > off:
                yield off, on


def simulate_option(
    model: CrewModel,
    urgency: Urgency,
    lead_hours: Durations,
    busy_hours: Durations,
    begin: float,
    backlog: Mapping[Urgency, int],
    replications: int,
    seed: int,
    later_hours: float = 0.0,
) -> Floats:
    """Hours from report until done of one option, by a full run of the crew for each replication: the reference.

    The crew has its backlog at `begin`, in hours since Monday 00:00, and the request is reported `later_hours`
    after that; `busy_hours` is travel and hands-on work together.
    """
    reported = begin + later_hours
    hours = np.empty(replications)
    for index in range(replications):
        rng = np.random.default_rng((seed, index))
        lead, busy = float(lead_hours(rng, 1)[0]), float(busy_hours(rng, 1)[0])
        run = CrewRun(model, begin, backlog, rng)
        if later_hours > 0:
            run.run_until(reported)
        hours[index] = run.complete(urgency, lead, busy) - reported
    return hours
