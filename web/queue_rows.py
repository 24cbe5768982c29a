"""One line of the staff's queue: what a request's fields say about why it is there and how long there is left."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from core.contract import rfc3339
from core.execution_labels import ExecutionStatus
from core.labels import Intent, Status
from core.request import Request
from core.status import ENDED, LEGAL, UNJUDGED
from web.language import Words
from web.wording import label

FIRST_WORDS = 140
SETTABLE = (
    Status.IN_PROGRESS,
    Status.RESOLVED,
    Status.CLOSED,
    Status.AWAITING_SELECTION,
    Status.ESCALATED,
    Status.REOPENED,
    Status.CANCELLED,
)
"""Statuses that staff may set by hand; the others have a step of their own."""
SEPARATOR = "|"
"""Between the parts of a checkbox's value; no id holds one."""


@dataclass(frozen=True)
class Clock:
    """The promise that a request is nearest to break."""

    kind: Literal["running", "late", "missed", "paused", "none"]
    """`late`: its time is over and nobody noted it yet; `missed`: it is noted as broken."""
    promise: Literal["response", "resolution"] = "resolution"
    at: datetime | None = None
    """When it is due; of a clock that is paused, since when."""


@dataclass(frozen=True)
class QueueRow:
    """What the queue shows of one request."""

    request: Request
    first_words: str
    clock: Clock
    reasons: tuple[str, ...]
    there: Words | None = None
    """How to tell the times of its building, where that is in another zone than the page."""

    @property
    def settable(self) -> tuple[Status, ...]:
        """Statuses that staff may set by hand now."""
        return settable_of(self.request)

    @property
    def mark(self) -> str:
        """The value of its checkbox: which request, and in which state it was seen."""
        request = self.request
        return SEPARATOR.join((request.request_id, str(request.version), rfc3339(request.updated_at)))


@dataclass(frozen=True)
class SeenRequest:
    """A request as somebody saw it before they chose it."""

    request_id: str
    version: int | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Figure:
    """A number of requests, of which there may be more."""

    count: int
    is_least: bool
    """There may be more than these."""

    @property
    def text(self) -> str:
        """`12`, or `50+`."""
        return f"{self.count}+" if self.is_least else str(self.count)


@dataclass(frozen=True)
class Figures:
    """How much waits for staff."""

    attention: Figure
    missed: Figure
    approval: Figure


def row_of(request: Request, words: Words, now: datetime, there: Words | None = None) -> QueueRow:
    """The line of one request; `there` tells times where the building's zone is another than the page's."""
    reasons = tuple(_reasons(request, words))
    return QueueRow(request, first_words(request.message_text), clock_of(request, now), reasons, there)


def settable_of(request: Request) -> tuple[Status, ...]:
    """The statuses that may follow the request's by hand; of what is still being looked at none."""
    if request.status in UNJUDGED:
        return ()
    legal = LEGAL[request.status]
    # To choose again there must be something to choose from; a cost is refused by a step of its own.
    no_choice = not request.options or request.status is Status.AWAITING_APPROVAL
    left_out = {Status.AWAITING_SELECTION} if no_choice else set[Status]()
    return tuple(status for status in SETTABLE if status in legal - left_out)


def figures_of(requests: Sequence[Request], *, is_all: bool) -> Figures:
    """What is to be said of the requests that need attention; they may be but the first of them."""

    def figure(holds: Callable[[Request], bool]) -> Figure:
        return Figure(sum(map(holds, requests)), not is_all)

    return Figures(
        attention=figure(lambda one: one.needs_attention),
        missed=figure(lambda one: one.sla is not None and (one.sla.breached or one.sla.response_breached)),
        approval=figure(lambda one: one.status is Status.AWAITING_APPROVAL),
    )


def read_mark(value: str) -> SeenRequest:
    """What a checkbox stands for; of a value that is none of ours only the id."""
    request_id, _, rest = value.partition(SEPARATOR)
    version, _, moment = rest.partition(SEPARATOR)
    try:
        return SeenRequest(request_id, int(version), datetime.fromisoformat(moment))
    except ValueError:
        return SeenRequest(request_id)


def first_words(text: str, limit: int = FIRST_WORDS) -> str:
    """The beginning of a text on one line, cut between words where there is a place to."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    whole, blank, _ = cut.rpartition(" ")
    return (whole if blank and len(whole) > limit // 2 else cut) + "…"


def clock_of(request: Request, now: datetime) -> Clock:
    """The nearest promise that is not kept yet, or one that is broken."""
    sla = request.sla
    if sla is None or request.status in ENDED:
        return Clock("none")
    if sla.breached:
        return Clock("missed", "resolution", sla.resolution_due_at)
    if sla.response_breached and sla.response_met_at is None:
        return Clock("missed", "response", sla.response_due_at)
    if sla.paused:
        return Clock("paused", at=sla.paused_at)
    promise = (
        "response" if sla.response_met_at is None and sla.response_due_at <= sla.resolution_due_at else "resolution"
    )
    due = sla.response_due_at if promise == "response" else sla.resolution_due_at
    return Clock("late" if due < now else "running", promise, due)


def _reasons(request: Request, words: Words) -> Iterator[str]:
    yield from _of_labels(request, words)
    yield from _of_status(request, words)
    yield from _of_promises(request, words)
    if request.possible_duplicates:
        yield words.gettext("May repeat an earlier request")


def _of_labels(request: Request, words: Words) -> Iterator[str]:
    labels = request.classification
    if labels is None:
        if request.status not in (Status.SUBMITTED, Status.PROCESSING):
            yield words.gettext("Could not be judged automatically")
        return
    if labels.emergency:
        yield words.gettext("Emergency")
    if labels.intent is Intent.HUMAN_ESCALATION:
        yield words.gettext("Asked for a person")
    if request.status is Status.NEEDS_REVIEW and labels.source in ("model", "llm"):
        yield words.gettext("Labels are %(share)s sure") % {"share": words.percent(labels.least_confidence)}


def _of_status(request: Request, words: Words) -> Iterator[str]:
    if request.status is Status.AWAITING_APPROVAL and request.approval is not None:
        tier = words.gettext(label(request.approval.required))
        yield words.gettext("Needs approval: %(tier)s") % {"tier": tier}
    if request.status in (Status.ESCALATED, Status.NEEDS_REVIEW) and request.decision and request.decision.escalation:
        yield request.decision.escalation.reason
    if request.reopened:
        times = words.ngettext("Reopened once", "Reopened %(count)s times", request.reopened)
        yield times % {"count": request.reopened}
    if request.execution is not None and request.execution.status is ExecutionStatus.DEAD_LETTERED:
        yield words.gettext("Carrying it out was given up")


def _of_promises(request: Request, words: Words) -> Iterator[str]:
    sla = request.sla
    if sla is None or request.status in ENDED:
        return
    if sla.response_breached:
        yield (
            words.gettext("First answer was late") if sla.response_met_at else words.gettext("Nobody has answered yet")
        )
    if sla.breached:
        yield words.gettext("Promised time has passed")
    elif sla.warned_at is not None:
        yield words.gettext("Promised time is near")
