"""The words of carrying out: kinds of action, how far one has come, and what people are told about."""

from enum import StrEnum


class ActionKind(StrEnum):
    """What Execution knows how to carry out; configuration says in which outside system."""

    DISPATCH_WORK_ORDER = "dispatch_work_order"
    """A work order for one crew."""
    CREATE_STAFF_TASK = "create_staff_task"
    """A task for the office, concierge or security."""
    SCHEDULE_VISIT = "schedule_visit"
    """A visit to a home at a time that notice, quiet hours and the resident's wishes allow."""
    ORDER_PART = "order_part"
    """A part from a supplier."""
    TRACE_PARCEL = "trace_parcel"
    """Ask the courier or the lockers where a parcel is."""
    REROUTE_PARCEL = "reroute_parcel"
    """Have a parcel brought to another place."""
    CREDIT_BILL = "credit_bill"
    """Money on a resident's account."""
    CORRECT_BILL = "correct_bill"
    """Another amount in the place of one that was charged."""
    BOOK_AMENITY = "book_amenity"
    """A shared place for one resident and time."""
    CLOSE_AMENITY = "close_amenity"
    """A shared place for nobody until a time."""
    ISSUE_ACCESS_CODE = "issue_access_code"
    """A code that opens one door for a time."""
    ALERT_ON_CALL = "alert_on_call"
    """A message to the person on call, and to the next one, until somebody takes it."""
    NOTIFY = "notify"
    """A message to a resident or to a staff role."""


MESSAGES = frozenset({ActionKind.ALERT_ON_CALL, ActionKind.NOTIFY})
"""What tells people and does nothing else; everything else is work that somebody or something ends."""


class ExecutionStatus(StrEnum):
    """How far an execution has come."""

    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DEAD_LETTERED = "DeadLettered"


class StepStatus(StrEnum):
    """How far one step of an execution has come."""

    QUEUED = "Queued"
    """Not tried yet, or tried in vain and waiting for the next try."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    """No further try is made."""
    SKIPPED = "Skipped"
    """Not tried, since a step that it needs failed."""
    UNDONE = "Undone"
    """It had succeeded and was taken back, since a step that needed it failed."""
    NOT_UNDONE = "NotUndone"
    """It had succeeded and could not be taken back; a person has to."""


class NoticeKind(StrEnum):
    """What a message to a person is about; people choose channels, digests and silence by it."""

    EMERGENCY = "emergency"
    """Danger; it can't be silenced, delayed or gathered."""
    REQUEST = "request"
    """How a request of theirs stands."""
    VISIT = "visit"
    """Somebody comes to their home."""
    REMINDER = "reminder"
    """Something waits for them."""
    COMMENT = "comment"
    """Somebody wrote to them."""
    INCIDENT = "incident"
    """A fault of the building that concerns them."""
    ANNOUNCEMENT = "announcement"
    """Everything else from the building."""
    WORK = "work"
    """For staff: a request or an execution needs them."""


class ChannelName(StrEnum):
    """How a message reaches a person. The inbox in the app holds every message; the others are pushed."""

    INBOX = "inbox"
    EMAIL = "email"
    SMS = "sms"
    CHAT = "chat"
    """A signed webhook, such as a bridge to the house's chat."""
