"""The store's item: a request and the work that it still causes, changed together in one conditional write."""

from enum import StrEnum

from core.contract import Contract, UtcTime
from core.labels import Category, Urgency
from core.messages import DecisionTrace, ExecutionCommand, Retrieved
from core.request import Request


class NextAction(StrEnum):
    """What the sweeper does with an item when it is due."""

    PROCESS = "process"
    """Run, or resume, the pipeline."""
    DISPATCH = "dispatch"
    """Send the outbox to the queue."""


class RequestRecord(Contract):
    """A request as it is stored: the public form and what only the system needs."""

    request: Request
    correlation_id: str
    chosen_category: Category | None = None
    """As the writer chose it."""
    chosen_urgency: Urgency | None = None
    """As the writer chose it."""
    next_action: NextAction | None = None
    next_action_at: UtcTime | None = None
    """Due from this moment on; a claim moves it into the future, which is its lease."""
    attempts: int = 0
    """How often `next_action` was tried."""
    outbox: tuple[ExecutionCommand, ...] = ()
    """Commands that the queue does not hold yet."""
    selected_by: str | None = None
    """Who selected the option: a subject, or `policy` in the resident's place."""
    ordered_usd: float = 0.0
    """What staff's own orders for this request may spend in all, beside the selected option."""
    last_event: int = 0
    """The sequence number of the newest event of the timeline."""
    news: tuple[str, ...] = ()
    """Ids of the messages about executions that were taken in, so that a repeated one changes nothing."""
    trace: DecisionTrace | None = None
    retrieved: tuple[Retrieved, ...] = ()
