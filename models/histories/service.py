"""How work gets done at a site: queues, visits that fail, parts, and fixes of good or poor quality."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import cast

from core.labels import Category, Crew, Urgency
from models.histories.causes import CauseKind
from models.histories.clock import Clock
from models.histories.crews import Team
from models.histories.hazards import age_after_repair
from models.histories.tickets import Fault, Job, Ticket
from models.histories.world import Cause, Site, draw_stubborn

LABEL_CREW = {
    Category.BILLING: Crew.OFFICE,
    Category.SECURITY: Crew.SECURITY,
    Category.DELIVERIES: Crew.CONCIERGE,
    Category.AMENITIES: Crew.CONCIERGE,
    Category.COMMUNITY: Crew.OFFICE,
    Category.LEASING: Crew.OFFICE,
    Category.OTHER: Crew.OFFICE,
}
ANSWER_HOURS = 0.25
RUSHED_QUEUE = 6
"""From so many waiting jobs per technician on, the crew hurries."""


@dataclass(frozen=True)
class News:
    """Whom the service tells what became of a fault or a ticket."""

    fixed: Callable[[Fault, bool], None]
    """The fault has ended; True where the cause was only covered up."""
    answered: Callable[[Ticket], None]


class Service:
    """The crews of one site at work."""

    def __init__(self, clock: Clock, rng: Random, site: Site, poor_fixes: float, news: News) -> None:
        self._clock, self._rng, self._teams = clock, rng, site.teams
        self._poor_fixes, self._news = poor_fixes, news
        self._jobs = 0
        for team in self._teams.values():
            self._clock.at(rng.expovariate(1 / 90.0), partial(self._leave, team))

    def ask(self, ticket: Ticket, fault: Fault | None) -> Job:
        """Make the job that ends this fault, or answers this ticket, and queue it where the labels say."""
        answer = fault is None or fault.question
        kind = None if fault is None else fault.cause.kind
        self._jobs += 1
        job = Job(
            number=self._jobs,
            ticket=ticket,
            fault=fault,
            crew=self.crew_by_labels(ticket, kind, answer),
            work_hours=ANSWER_HOURS if answer or kind is None else kind.work_hours * self._rng.lognormvariate(0, 0.5),
            waits_for_parts=kind is not None and not answer and self._rng.random() < kind.parts,
            rank=ticket.classification.urgency.rank,
        )
        self._queue(job)
        return job

    def crew_by_labels(self, ticket: Ticket, kind: CauseKind | None, answer: bool) -> Crew:
        """Where a job goes at first; a wrong label sends it to the wrong crew."""
        category, trade = ticket.matter
        if kind is None or (answer and category is Category.MAINTENANCE):
            return Crew.OFFICE
        # Of several matters in one message the classifier names the crew of each; only the first may be mislabelled.
        if (category, trade) == (kind.category, kind.trade) or kind is not ticket.faults[0].cause.kind:
            return kind.crew
        return Crew(trade) if trade is not None else LABEL_CREW[category]

    def hurry(self, job: Job) -> None:
        """Serve a job earlier, because somebody complained."""
        team = self._teams[job.crew]
        waiting = [entry for entry in team.waiting if entry[2] is not job]
        if len(waiting) < len(team.waiting):
            team.waiting.clear()
            job.rank = min(3, job.rank + 1)
            for priority, _, other in waiting:
                team.push(priority, other)
            team.push(-job.rank, job)

    def _queue(self, job: Job) -> None:
        now, team = self._clock.now, self._teams[job.crew]
        emergency = job.ticket.classification.urgency is Urgency.EMERGENCY and job.fault is not None
        if emergency and (team.free <= 0 or team.opening(now) > now) and self._rng.random() < 0.9:
            hours = self._rng.lognormvariate(math.log(1.5), 0.7) + job.work_hours
            self._clock.at(now + hours / 24.0, partial(self._visited, team, job))
            return
        team.push(-job.rank, job)
        self._serve(team)

    def _serve(self, team: Team) -> None:
        now = self._clock.now
        while team.waiting and team.free > 0:
            opens = team.opening(now)
            if opens > now:
                self._wake(team, opens)
                return
            job = team.pop()
            team.busy += 1
            misrouted = job.fault is not None and job.crew is not self._right_crew(job.fault)
            hours = (0.3 if misrouted else job.work_hours) + self._rng.uniform(0.1, 0.5)
            self._clock.at(now + hours / 24.0, partial(self._back, team, job))

    def _wake(self, team: Team, opens: float) -> None:
        if team.next_wake > opens or team.next_wake <= self._clock.now:
            team.next_wake = opens
            self._clock.at(opens, partial(self._serve, team))

    def _back(self, team: Team, job: Job) -> None:
        team.busy -= 1
        self._visited(team, job)
        self._serve(team)

    def _visited(self, team: Team, job: Job) -> None:
        fault = job.fault
        if fault is None:
            self._news.answered(job.ticket)
            return
        right = self._right_crew(fault)
        if job.crew is not right:
            job.crew = right
            self._queue(job)
        elif self._locked_out(job, fault):
            self._queue_later(job, self._rng.uniform(0.5, 2.0))
        elif job.waits_for_parts:
            job.waits_for_parts = False
            self._queue_later(job, self._rng.lognormvariate(math.log(3.0), 0.7))
        else:
            self._news.fixed(fault, not fault.question and self._rng.random() < self.poor_chance(team, fault.cause))

    def poor_chance(self, team: Team, cause: Cause) -> float:
        """Chance that this crew, as busy as it is now, only covers up the cause."""
        rushed = len(team.waiting) > RUSHED_QUEUE * team.technicians
        chance = cause.kind.poor_fix * cause.stubborn / team.skill * (1.6 if rushed else 1.0)
        return min(0.93, chance * self._poor_fixes)

    def _queue_later(self, job: Job, days: float) -> None:
        self._clock.at(self._clock.now + days, partial(self._queue, job))

    def _locked_out(self, job: Job, fault: Fault) -> bool:
        needs_entry = fault.cause.home is not None and fault.cause.kind.category is Category.MAINTENANCE
        return needs_entry and not fault.question and self._rng.random() > job.ticket.resident.at_home

    @staticmethod
    def _right_crew(fault: Fault) -> Crew:
        maintenance = fault.cause.kind.category is Category.MAINTENANCE
        return Crew.OFFICE if fault.question and maintenance else fault.cause.kind.crew

    def anew(self, action: Callable[[], None]) -> float | None:
        """Another day for an absence that is to begin or end, given that it has not yet; None for anything else."""
        if not isinstance(action, partial):
            return None
        planned = cast("partial[None]", action).func
        if planned in (self._leave, self._return):
            return self._clock.now + self._rng.expovariate(1 / 90.0 if planned == self._leave else 1 / 6.0)
        return None

    def _leave(self, team: Team) -> None:
        team.absent += 1
        self._clock.at(self._clock.now + self._rng.expovariate(1 / 6.0), partial(self._return, team))

    def _return(self, team: Team) -> None:
        team.absent -= 1
        self._clock.at(self._clock.now + self._rng.expovariate(1 / 90.0), partial(self._leave, team))
        self._serve(team)


def renew(rng: Random, fault: Fault, now: float, poor: bool, renewal: float) -> None:
    """Let a fix do its work on the cause: a good one makes it younger, a poor one leaves it as it was.

    Where the owner is generous, a good fix of a stubborn cause is often a replacement.
    """
    cause = fault.cause
    aged = cause.age + max(0.0, fault.began - cause.since)
    cause.age = aged if poor or fault.question else age_after_repair(aged, renewal)
    cause.since = now
    if not fault.question:
        cause.relapses = cause.relapses + 1 if poor else 0
        if not poor and rng.random() < 0.6 * renewal:
            cause.stubborn = draw_stubborn(rng)
