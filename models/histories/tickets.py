"""What arises in the simulation: faults, the requests that residents write about them, and the jobs that end them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property

from core.labels import Category, Crew, Intent, Status, Trade, Urgency
from core.messages import PastRequest
from core.request import Classification, RequestId
from core.rules import ResponseTarget
from deployments.decision_simulation.sla import due_at
from kb.compile import compile_documents
from models.histories.world import Cause, Home, Resident

START = datetime(2023, 1, 1, tzinfo=UTC)


@cache
def targets() -> dict[Urgency, ResponseTarget]:
    """When a request must be done, as the knowledge base's documents in force say."""
    return compile_documents().response_targets


def due_day(written: float, urgency: Urgency) -> float:
    """The day by which a request must be done, by the same clocks as when serving."""
    target = targets()[urgency]
    if target.clock == "calendar":
        return written + target.resolution_hours / 24.0
    return (due_at(moment(written), target.resolution_hours, True, UTC) - START) / timedelta(days=1)


def moment(day: float) -> datetime:
    """The day count as a time, to the millisecond."""
    return START + timedelta(milliseconds=round(day * 86_400_000))


@dataclass
class Fault:
    """One occurrence of a cause, from its beginning to its (real or seeming) end."""

    cause: Cause
    began: float
    urgency: Urgency
    says: str
    """How the writer names it."""
    relapse: bool
    question: bool = False
    tickets: list[Ticket] = field(default_factory=list["Ticket"])
    job: Job | None = None
    ended: float | None = None


@dataclass
class Job:
    """The work on one fault, or on an answer where `fault` is None."""

    number: int
    ticket: Ticket
    fault: Fault | None
    crew: Crew
    """Where it is queued now; not the right one where the labels were wrong."""
    work_hours: float
    waits_for_parts: bool
    rank: int
    """3 for Emergency down to 0, raised by a complaint."""


@dataclass
class Ticket:
    """One request as the system has it at the present moment of the simulation."""

    number: int
    home: Home
    resident: Resident
    written: float
    text: str
    classification: Classification
    faults: list[Fault]
    follow_up_of: Ticket | None = None
    resolved: float | None = None
    breached: bool = False
    complaints: list[float] = field(default_factory=list[float])
    """Days on which the resident asked for a person, complained or reopened it."""

    @cached_property
    def due(self) -> float:
        """Day by which it must be done."""
        return due_day(self.written, self.classification.urgency)

    @property
    def matter(self) -> tuple[Category, Trade | None]:
        """What makes two requests similar."""
        return self.classification.category, self.classification.trade

    def status(self) -> Status:
        """As the store would show it now."""
        if self.resolved is not None:
            asked = self.classification.intent is Intent.ANSWER_QUESTION
            return Status.ANSWERED if asked else Status.CLOSED
        return Status.ESCALATED if self.complaints else Status.IN_PROGRESS

    def remembered(self) -> PastRequest:
        """As the history of a later request shows it now."""
        return PastRequest.model_construct(
            request_id=RequestId(f"{self.home.building.building_id}-{self.number}"),
            resident_id=self.resident.resident_id,
            category=self.classification.category,
            trade=self.classification.trade,
            urgency=self.classification.urgency,
            status=self.status(),
            created_at=moment(self.written),
            resolved_at=None if self.resolved is None else moment(self.resolved),
            breached=self.breached,
            escalated=bool(self.complaints),
        )
