"""The store's item: a request and the work that it still causes, changed together in one conditional write."""

from enum import StrEnum
from typing import Literal, cast

from pydantic import Field, field_validator

from core.contract import Contract, Dollars, Probability, UtcTime
from core.execution import ExecutionCommand
from core.labels import Category, Urgency
from core.messages import DecisionTrace, Retrieved
from core.request import ExecutionId, Request, RequestId, ResidentId
from core.service_terms import ServiceTerms


class NextAction(StrEnum):
    """What the sweeper does with an item when it is due."""

    PROCESS = "process"
    """Run, or resume, the pipeline."""
    DISPATCH = "dispatch"
    """Send the outbox to the queue."""
    PUBLISH = "publish"
    """Send the newest events to those who subscribed to them."""
    REVISE = "revise"
    """Ask policy again: the labels were corrected, or nothing was promised yet."""
    RESPONSE_BREACH = "response_breach"
    """Nobody has acted on it in time."""
    SLA_WARNING = "sla_warning"
    """The target is near."""
    SLA_BREACH = "sla_breach"
    """The target is missed."""
    DOCUMENT = "document"
    """What an emergency started must be documented and agreed to."""
    REMIND = "remind"
    """The resident has something to do, or staff have."""
    AUTO_CLOSE = "auto_close"
    """The resident has not answered that it is done."""
    INCIDENT = "incident"
    """Bring the incident that it is in in step with it."""


class LabelCorrection(Contract):
    """What a person put in the place of the labels, kept for learning."""

    at: UtcTime
    by: str
    category_before: Category | None
    """None where nothing had judged the message."""
    category_after: Category
    urgency_before: Urgency | None
    urgency_after: Urgency
    model_version: str | None
    """Of what judged it before."""
    confidence: Probability | None
    """Of the category before."""


class LabelObjection(Contract):
    """What a resident said against the labels of their request, kept for learning; it changes none by itself."""

    at: UtcTime
    by: str
    category: Category | None = None
    """What it is instead; None where they said so in words alone."""
    comment: str | None = None
    category_before: Category | None
    """None where nothing had judged the message."""
    model_version: str | None
    """Of what judged it."""
    confidence: Probability | None
    """Of the category before."""


class MadeCall(Contract):
    """A call with an idempotency key."""

    token: str
    """Tells it from every other: of the caller, the key, and what was asked for."""
    at: UtcTime
    """When the key was claimed for it."""


class RequestRecord(Contract):
    """A request as it is stored: the public form and what only the system needs."""

    request: Request
    correlation_id: str
    chosen_category: Category | None = None
    """As the writer chose it."""
    chosen_urgency: Urgency | None = None
    """As the writer chose it."""
    timers: dict[NextAction, UtcTime] = Field(default_factory=dict[NextAction, UtcTime])
    """All that is to happen later, each with the moment from which it is due."""
    next_action: NextAction | None = None
    """The earliest of `timers`."""
    next_action_at: UtcTime | None = None
    """Due from this moment on; a claim moves it into the future, which is its lease."""
    attempts: int = 0
    """How often `next_action` was tried."""
    outbox: tuple[ExecutionCommand, ...] = ()
    """Commands that the queue does not hold yet."""
    last_command: ExecutionId | None = None
    """The newest command for it that was put into the outbox; the next one begins after it."""
    selected_by: str | None = None
    """Who selected the option: a subject, or `policy` in the resident's place."""
    ordered_usd: float = 0.0
    """What staff's own orders for this request may spend in all, beside the selected option."""
    orders: tuple[str, ...] = ()
    """Ids of the executions that staff and services ordered, so that a repeated order is the same one."""
    costs: dict[str, Dollars] = Field(default_factory=dict[str, Dollars])
    """What each job really cost, in US dollars, by the id of the news of its end.

    What staff said of a job stands under its execution's id until that news comes; a figure that belongs to no job,
    under the version that it came at.
    """
    corrections: tuple[LabelCorrection, ...] = ()
    """Oldest first."""
    objections: tuple[LabelObjection, ...] = ()
    """Oldest first."""
    alarmed: bool = False
    """The person on call was alerted to it as an emergency."""
    emergency_raised_at: UtcTime | None = None
    """When a person raised it to an emergency; None as soon as policy's action for that has begun, or is not wanted."""
    document_by: UtcTime | None = None
    """Until when what policy started at once is to be documented; None where nothing is, or where it was."""
    waiting_for: Literal["access"] | None = None
    """What the work waits for, as staff said."""
    last_event: int = 0
    """The sequence number of the newest event of the timeline."""
    published: int = 0
    """The sequence number of the newest event that subscribers were sent."""
    terms: ServiceTerms | None = None
    """What policy promised; None where the request was never decided."""
    subscribers: tuple[ResidentId, ...] = ()
    """Residents besides the writer who are told of each change: the same fault concerns them."""
    led_by: RequestId | None = Field(default=None, exclude_if=lambda value: value is None)
    """The request that carries the work of its open incident, where that is another one.

    Left out of what is stored where it is None, so that replicas of the version before can read it.
    """
    news: tuple[str, ...] = ()
    """Ids of the messages about executions that were taken in, so that a repeated one changes nothing."""
    calls: tuple[MadeCall, ...] = ()
    """The newest calls with an idempotency key that changed it, so that one repeated after a crash changes nothing."""
    trace: DecisionTrace | None = None
    retrieved: tuple[Retrieved, ...] = ()

    @field_validator("calls", mode="before")
    @classmethod
    def _with_their_times(cls, calls: object) -> object:
        # Tokens were stored without their times once; for how long such a one holds nobody can say.
        if not isinstance(calls, list | tuple):
            return calls
        return tuple(call for call in cast("list[object]", calls) if not isinstance(call, str))

    @property
    def pending(self) -> dict[NextAction, UtcTime]:
        """`timers`; of an item that was stored before there were several, its one action."""
        if self.timers or self.next_action is None or self.next_action_at is None:
            return self.timers
        return {self.next_action: self.next_action_at}
