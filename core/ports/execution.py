"""What Execution needs: a log of what was done, outside systems to do it in, and a way to tell people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.erasure import ErasureScope
from core.labels import Urgency
from core.messages import ActionCall, Execution, ExecutionCommand, Notification, WorkOrder
from core.ports.page import Page
from core.request import ExecutionId, ExecutionStep, RequestId


class ExecutionLog(Protocol):
    """What was carried out. Every method may raise `StoreUnavailable`."""

    async def register(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """Start the log of an execution that waits in the queue, with no attempt yet; return it as it stands."""
        ...

    async def open(self, command: ExecutionCommand, steps: Sequence[ExecutionStep], *, now: datetime) -> Execution:
        """Start the log of an execution, or continue it: counts an attempt and returns it as it stands."""
        ...

    async def get(self, execution_id: ExecutionId) -> Execution | None:
        """The log, or None where no attempt was made yet."""
        ...

    async def claim_step(self, execution_id: ExecutionId, index: int, *, now: datetime, lease_s: float) -> bool:
        """Take the step at `index` for `lease_s`; False where it succeeded already or another worker holds it."""
        ...

    async def record_step(self, execution_id: ExecutionId, index: int, step: ExecutionStep, *, now: datetime) -> None:
        """Store what came of a claimed step and end the claim."""
        ...

    async def finish(self, execution: Execution) -> None:
        """Store the execution's status."""
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


class OutsideSystem(Protocol):
    """A system that actions are carried out in."""

    name: str

    async def perform(self, call: ActionCall, context: ActionContext) -> str:
        """Do it once and return the outside id; a repetition with the same key returns the same id.

        Raises `ActionRejected` (repeating won't help) or `SystemUnavailable` (it may).
        """
        ...

    async def find(self, idempotency_key: str) -> str | None:
        """The outside id of an action that was done with this key, or None."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...


class OperationsDesk(OutsideSystem, Protocol):
    """The built-in outside system: work orders and tasks that staff see and close."""

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """The job, or None."""
        ...

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """The jobs, newest first. Raises `InvalidCursor`."""
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
        """Close a job; closing a closed one returns it unchanged. Raises `NotFound`."""
        ...

    async def erase(self, scope: ErasureScope, *, now: datetime) -> tuple[str, ...]:
        """Take words, home and wishes out of the jobs for these requests, for good, and close those that are open.

        The ids of all jobs for them, erased before or now.
        """
        ...


@dataclass(frozen=True)
class DeliveredNotification:
    """A notification that a channel took."""

    notification_id: str
    channel: str
    notification: Notification
    at: datetime
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None


class Notifier(Protocol):
    """Tells people. `send` is once in effect by its key. Methods may raise `SystemUnavailable`."""

    async def send(self, notification: Notification, *, idempotency_key: str, now: datetime) -> str:
        """Hand the message to the channel and return its id there."""
        ...

    async def sent(self, *, recipient: str | None, limit: int, cursor: str | None) -> Page[DeliveredNotification]:
        """What was sent, newest first. Raises `InvalidCursor`."""
        ...

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Take the words out of what was sent to a resident or about these requests, for good; the ids of all that."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...
