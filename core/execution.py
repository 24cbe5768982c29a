"""What travels between a request and whoever carries its work out: commands, their logs, news, jobs and messages."""

from typing import Any, Literal

from pydantic import Field

from core.contract import Contract, Dollars, UtcTime
from core.execution_labels import ActionKind, ChannelName, ExecutionStatus, NoticeKind
from core.labels import Category, Crew, Role, Urgency
from core.request import ExecutionId, ExecutionStep, OptionId, RequestId


class ActionCall(Contract):
    """One thing to do in an outside system."""

    action: ActionKind
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    needs: tuple[int, ...] = ()
    """Places, in the same command, of earlier actions that must have succeeded before this one begins.

    Where one of them fails for good, this one is left out; where this one does, they are taken back, unless it is
    only a message.
    """


class ExecutionCommand(Contract):
    """Carry out these actions, in this order, for this request."""

    execution_id: ExecutionId
    request_id: RequestId | None
    option_id: OptionId | None = None
    urgency: Urgency
    actions: tuple[ActionCall, ...] = Field(min_length=1)
    correlation_id: str
    requested_by: str
    """A subject, or `system` where policy acted."""
    after: ExecutionId | None = None
    """The command of the same request that begins before this one; an emergency's waits for none."""


class Execution(Contract):
    """The log of one execution."""

    execution_id: ExecutionId
    request_id: RequestId | None
    status: ExecutionStatus
    attempts: int
    steps: tuple[ExecutionStep, ...]
    created_at: UtcTime
    updated_at: UtcTime
    reason: str | None = None
    """Why it waits for a person; null unless it is dead-lettered."""


class ExecutionOutcome(Contract):
    """News of an execution, or of the work that it started, for the request."""

    execution_id: ExecutionId
    request_id: RequestId
    kind: Literal["running", "succeeded", "failed", "dead_lettered", "work_completed"]
    at: UtcTime
    steps: tuple[ExecutionStep, ...] = ()
    notes: str | None = None
    actor: str = "system"
    actual_cost_usd: float | None = None
    actual_hours: float | None = None
    job: str | None = None
    """The outside id of the work that was completed."""


class Notification(Contract):
    """A message to a resident, or to everybody who holds a staff role."""

    recipient_kind: Literal["resident", "staff_role", "on_call"]
    recipient: str
    """A resident id, a role, or the building whose on-call person is meant."""
    role: Role | None = None
    subject: str
    body: str
    event: str | None = None
    """The template that subject and body come from; null for words that somebody wrote."""
    fields: dict[str, str] = Field(default_factory=dict[str, str])
    """What the template's gaps were filled with."""
    kind: NoticeKind = NoticeKind.REQUEST
    channel: ChannelName | None = None
    """Only by this one, besides the inbox; null for what the recipient chose."""
    urgency: Urgency = Urgency.MEDIUM
    request_id: RequestId | None = None
    category: Category | None = None
    """What an alert is about; it decides whose turn it is."""


class WorkOrder(Contract):
    """A job on the operations desk."""

    work_order_id: str
    request_id: RequestId | None
    execution_id: ExecutionId
    kind: Literal[
        "work_order", "staff_task", "visit", "part_order", "parcel", "billing", "booking", "closure", "access_code"
    ]
    crew: Crew
    title: str
    steps: tuple[str, ...] = ()
    building_id: str | None = None
    unit: str | None = None
    instructions: str | None = None
    """What the crew must know: the resident's words and wishes for the visit."""
    details: dict[str, Any] = Field(default_factory=dict[str, Any])
    """The action's parameters, where it is more than a job for a crew."""
    cost_limit_usd: Dollars = 0.0
    """The most that was agreed to; the crew asks before it spends more."""
    vendor: str | None = None
    """The vendor that is called in place of the crew, which only lets it in and looks after it."""
    licence: str | None = None
    """The licence that whoever does it must hold."""
    not_before: UtcTime | None = None
    """No visit before: notice of entry has to run, or quiet hours to end."""
    waits_for: tuple[str, ...] = ()
    """Ids of the jobs that must be done before this one begins."""
    is_ready: bool = True
    """Whether all of these are done."""
    assigned_to: str | None = None
    """The person or vendor who does it."""
    scheduled_start: UtcTime | None = None
    scheduled_end: UtcTime | None = None
    rescheduled: int = 0
    """How often its time was set, changed or taken off by a person."""
    scheduled_before: UtcTime | None = None
    """When it was to begin before its time was last changed."""
    urgency: Urgency
    status: Literal["Open", "Done", "Cancelled"]
    created_at: UtcTime
    closed_at: UtcTime | None = None
    closed_by: str | None = None
    notes: str | None = None
    actual_cost_usd: float | None = None
    actual_hours: float | None = None
    version: int = 1
    """Grows by one with every change."""
