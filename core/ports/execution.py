"""What Execution needs: a log of what was done, outside systems to do it in, and channels to tell people by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from core.erasure import ErasureScope
from core.execution import ActionCall, Execution, ExecutionCommand, Notification, WorkOrder
from core.execution_labels import ChannelName
from core.labels import Urgency
from core.ports.page import Page
from core.request import ExecutionId, ExecutionStep, RequestId


class ExecutionLog(Protocol):
    """What was carried out. Every method may raise `StoreUnavailable`."""

    async def register(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """Start the log of an execution that waits in the queue, with no attempt yet; return it as it stands.

        Raises `Conflict` where the id was used for another request or for other actions; so does `open`.
        """
        ...

    async def open(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """Start the log of an execution, or continue it: counts an attempt and returns it as it stands.

        One that was dead-lettered begins anew: what had failed, was skipped or undone is queued again.
        """
        ...

    async def get(self, execution_id: ExecutionId) -> Execution | None:
        """The log, or None where no attempt was made yet."""
        ...

    async def command(self, execution_id: ExecutionId) -> ExecutionCommand | None:
        """What was to be carried out, or None."""
        ...

    async def claim_step(self, execution_id: ExecutionId, index: int, *, now: datetime, lease_s: float) -> bool:
        """Take the step at `index` for `lease_s` and count its attempt, by a conditional write.

        False where it is settled already or another worker holds it.
        """
        ...

    async def claim_undo(self, execution_id: ExecutionId, index: int, *, now: datetime, lease_s: float) -> bool:
        """Take the step at `index`, which succeeded, to take it back; it stays Succeeded until it is recorded.

        False unless it is Succeeded and nobody holds it.
        """
        ...

    async def record_step(self, execution_id: ExecutionId, index: int, step: ExecutionStep, *, now: datetime) -> None:
        """Store what came of a claimed step and end the claim. A step that succeeded only ever becomes undone."""
        ...

    async def finish(self, execution: Execution) -> None:
        """Store the execution's status and reason; one that succeeded stays so."""
        ...

    async def find_step(self, system: str, external_id: str) -> tuple[ExecutionCommand, int] | None:
        """The command and the place of the step that an outside system gave this id to, or None."""
        ...

    async def dead_lettered(self, *, limit: int, cursor: str | None) -> Page[Execution]:
        """What waits for a person, the newest first. Raises `InvalidCursor`."""
        ...

    async def unfinished(self, scope: ErasureScope) -> tuple[ExecutionId, ...]:
        """Executions for these requests, or that name the resident, that are not ended; a dead-lettered one is."""
        ...

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Take the words about a resident out, for good; the ids of the executions about them, erased before or now."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...


@dataclass(frozen=True)
class ActionContext:
    """Whose action it is."""

    execution_id: ExecutionId
    request_id: RequestId | None
    urgency: Urgency
    correlation_id: str
    idempotency_key: str
    """The same for every repetition of one step; the outside system makes one thing of them."""


@dataclass(frozen=True)
class Effect:
    """What an outside system did."""

    external_id: str
    is_done: bool = False
    """The work itself is done; otherwise it was only begun, and its end is told later."""


@dataclass(frozen=True)
class SystemState:
    """How an outside system looks from this replica."""

    name: str
    status: Literal["ok", "failing", "left_alone"]
    """`failing`: its newest call failed; `left_alone`: its circuit is open."""
    in_flight: int = 0
    calls: int = 0
    failures: int = 0
    last_error: str | None = None


class OutsideSystem(Protocol):
    """A system that actions are carried out in.

    Methods raise `ActionRejected` (repeating won't help), `SystemBusy` (nothing was sent) or `SystemUnavailable` (it
    may or may not have been done).
    """

    name: str

    async def perform(self, call: ActionCall, context: ActionContext) -> Effect:
        """Do it once; a repetition with the same key gives the same outside id."""
        ...

    async def find(self, call: ActionCall, context: ActionContext) -> Effect | None:
        """What was done with this key; None where nothing was, or where a repetition is safe by the key alone."""
        ...

    async def undo(self, call: ActionCall, context: ActionContext, external_id: str) -> bool:
        """Take it back; a repetition changes nothing. False where it can't be taken back."""
        ...

    def state(self) -> SystemState:
        """How its calls go."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...


@dataclass(frozen=True)
class Completion:
    """What an outside system said of the end of some work."""

    external_id: str
    notes: str | None = None
    actual_cost_usd: float | None = None
    actual_hours: float | None = None


class CompletionSource(Protocol):
    """An outside system that has to be asked what has ended."""

    async def completions(self, *, since: datetime, known: frozenset[str]) -> tuple[Completion, ...]:
        """Work of this service that ended at `since` or later, without the `known` ids. Raises `SystemUnavailable`."""
        ...


class CallbackReader(Protocol):
    """Reads the callbacks of one outside system."""

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[str, Completion | None]:
        """The callback's id, by which a repetition is known, and what it says; None where nothing has ended.

        Raises `Unauthenticated` for a wrong or missing signature or a stale time, `Invalid` for what can't be read.
        """
        ...


class OperationsDesk(OutsideSystem, Protocol):
    """The built-in outside system: jobs that staff see, plan and close."""

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """The job, or None."""
        ...

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """The jobs, newest first. Raises `InvalidCursor`."""
        ...

    async def calendar(
        self, *, start: datetime, end: datetime, buildings: frozenset[str] | None, limit: int
    ) -> tuple[WorkOrder, ...]:
        """Open jobs that are scheduled to begin within the span, the earliest first."""
        ...

    async def plan(
        self,
        work_order_id: str,
        *,
        by: str,
        expected_version: int,
        assigned_to: str | None,
        scheduled_start: datetime | None,
        scheduled_end: datetime | None,
        now: datetime,
    ) -> WorkOrder:
        """Say who does an open job and when; None takes that off.

        Raises `NotFound`, `StaleVersion`, `WrongState` for a closed job, `Invalid` for a time before `not_before`.
        """
        ...

    async def complete(
        self,
        work_order_id: str,
        *,
        by: str,
        notes: str,
        actual_cost_usd: float | None,
        actual_hours: float | None,
        now: datetime,
    ) -> WorkOrder:
        """Close a job; closing one that is done returns it unchanged.

        Raises `NotFound`, and `WrongState` for one that waits for others or was cancelled.
        """
        ...

    async def cancel(self, request_id: RequestId, *, by: str, reason: str, now: datetime) -> tuple[str, ...]:
        """Cancel the open jobs for a request, whose matter is settled without them; their ids, the first opened first.

        Bookings and closures stay: a shared place is taken for its time, whatever becomes of the request.
        """
        ...

    async def unannounced(self, limit: int) -> tuple[WorkOrder, ...]:
        """Jobs for requests that are done and whose request was not told of it yet, the first closed first."""
        ...

    async def announced(self, work_order_id: str) -> None:
        """The job's request was told that it is done; a repetition, or an unknown job, changes nothing."""
        ...

    async def erase(self, scope: ErasureScope, *, now: datetime) -> tuple[str, ...]:
        """Take words, home and wishes out of the jobs for these requests, for good, and close those that are open.

        The ids of all jobs for them, erased before or now.
        """
        ...


@dataclass(frozen=True)
class Envelope:
    """One message for one person by one channel."""

    address: str
    """A mail address, a telephone number, or a person's id."""
    subject: str
    body: str
    language: str
    message_id: str
    """The same at each try, so that a receiver can tell a repetition."""
    unsubscribe_url: str | None = None
    request_id: RequestId | None = None


class Channel(Protocol):
    """Pushes messages to people.

    `deliver` raises `ActionRejected` (the address or the message is refused), `SystemBusy` or `SystemUnavailable`.
    """

    name: ChannelName

    async def deliver(self, envelope: Envelope) -> str:
        """Hand the message over and return its id there. A try whose answer was lost may have been delivered."""
        ...

    def state(self) -> SystemState:
        """How its calls go."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...


@dataclass(frozen=True)
class DeliveryRecord:
    """How one push of a message went."""

    channel: ChannelName
    recipient: str
    status: Literal["waiting", "sent", "failed", "suppressed"]
    due_at: datetime
    """When it is, or was, to go out."""
    attempts: int = 0
    external_id: str | None = None
    reason: str | None = None
    """Why it failed, waits or was suppressed."""
    at: datetime | None = None


@dataclass(frozen=True)
class LadderStep:
    """One person who was told of an alert."""

    who: str
    """The post, such as `maintenance supervisor`."""
    person: str
    """The subject who holds it at that hour."""
    at: datetime


@dataclass(frozen=True)
class DeliveredNotification:
    """A notification that was taken: it stands in the inbox, and how its pushes went."""

    notification_id: str
    channel: str
    notification: Notification
    at: datetime
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    deliveries: tuple[DeliveryRecord, ...] = ()
    ladder: tuple[LadderStep, ...] = ()
    """Of an alert: who was told so far, in this order."""


class Notifier(Protocol):
    """Tells people. `send` is once in effect by its key. Methods may raise `StoreUnavailable`."""

    async def send(self, notification: Notification, *, idempotency_key: str, now: datetime) -> str:
        """Take the message durably, put it into the inbox, and return its id; what is pushed is due from then on."""
        ...

    async def sent(self, *, recipient: str | None, limit: int, cursor: str | None) -> Page[DeliveredNotification]:
        """What was sent, newest first. Raises `InvalidCursor`."""
        ...

    async def find_sent(self, notification_id: str) -> DeliveredNotification | None:
        """One notification, or None."""
        ...

    async def acknowledge(self, notification_id: str, *, by: str, now: datetime) -> DeliveredNotification:
        """Somebody has taken an alert; the first one stays, and nobody else is told. Raises `NotFound`."""
        ...

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Take the words out of what was sent to a resident or about these requests, for good; the ids of all that."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...


class MessageTemplates(Protocol):
    """The words of every event, in every language."""

    def events(self) -> frozenset[str]:
        """The names of the events that there are words for."""
        ...

    def render(self, event: str, language: str, fields: Mapping[str, str]) -> tuple[str, str]:
        """Subject and body. Raises `Invalid` for an unknown event or a missing field."""
        ...
