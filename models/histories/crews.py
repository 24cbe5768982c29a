"""Crews of finite capacity: shifts, absences and a queue by priority."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.labels import Crew

if TYPE_CHECKING:
    from models.histories.tickets import Job

WORKING_DAYS = frozenset(range(5))
OVERTIME_QUEUE = 10
"""From so many waiting jobs per technician on, overtime is paid: two hours a day more, on every working day."""


def weekday(day: float) -> int:
    """0 for Monday; day 0 is 1 January 2023, a Sunday."""
    return (math.floor(day) + 6) % 7


@dataclass
class Team:
    """One crew of a site."""

    crew: Crew
    technicians: int
    weekdays: frozenset[int]
    """When it comes, 0 for Monday."""
    opens_hour: float
    hours: float
    """Length of a shift."""
    skill: float
    """Divides the chance of a poor fix."""
    load: float
    """Share of its time that it is asked for, as planned."""
    busy: int = 0
    absent: int = 0
    waiting: list[tuple[float, int, Job]] = field(default_factory=list["tuple[float, int, Job]"])
    next_wake: float = math.inf

    @property
    def free(self) -> int:
        """Technicians that could start a job."""
        return self.technicians - self.absent - self.busy

    @property
    def weekly_hours(self) -> float:
        """Technician hours per week when nobody is absent."""
        return self.technicians * len(self.weekdays) * self.hours

    @property
    def swamped(self) -> bool:
        """So far behind that it comes on every working day."""
        return len(self.waiting) > OVERTIME_QUEUE * self.technicians

    def opening(self, now: float) -> float:
        """The first moment from now on that lies in a shift."""
        comes = WORKING_DAYS if self.swamped else self.weekdays
        for offset in range(8):
            midnight = math.floor(now) + offset
            starts = midnight + self.opens_hour / 24.0
            ends = starts + (self.hours + (2.0 if self.swamped else 0.0)) / 24.0
            if weekday(midnight) in comes and now < ends:
                return max(now, starts)
        raise AssertionError("a team without a weekday")

    def push(self, priority: float, job: Job) -> None:
        """Put a job into the queue; the lowest priority number is served first, then the oldest."""
        heapq.heappush(self.waiting, (priority, job.number, job))

    def pop(self) -> Job:
        """Take the job that is served next."""
        return heapq.heappop(self.waiting)[2]

    def ahead(self, priority: float) -> int:
        """Jobs in the queue that would be served before a new one of this priority."""
        return sum(1 for entry in self.waiting if entry[0] <= priority)
