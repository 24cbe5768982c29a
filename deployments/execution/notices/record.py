"""What is stored of one message: its words, who took it, how its pushes went and who was told of an alert."""

import hashlib
from collections.abc import Iterable
from typing import Any, Literal

from core.contract import Contract, UtcTime
from core.execution import Notification
from core.execution_labels import ChannelName, NoticeKind
from core.labels import Urgency
from core.notices import ALWAYS, of_person, of_resident, of_role
from core.ports.execution import DeliveredNotification, DeliveryRecord, LadderStep

INBOX = "inbox"
LONGEST_LADDER = 50
"""So many of the newest steps of an alert are kept, with their pushes."""
_LONGEST_PLAIN_NAME = 120

PushStatus = Literal["waiting", "sent", "failed", "suppressed"]


class Push(Contract):
    """One message to one person by one channel."""

    push_id: str
    """`<step>-<channel>`: unique within its message; the step is 0 but for an alert's."""
    channel: ChannelName
    recipient: str
    """A subject or a role, never an address."""
    status: PushStatus
    due_at: UtcTime
    gathered: bool = False
    """It goes out within a digest."""
    attempts: int = 0
    external_id: str | None = None
    reason: str | None = None
    at: UtcTime | None = None
    """When it was settled."""
    tried_since: UtcTime | None = None
    """When a try failed first."""
    tried_until: UtcTime | None = None
    """A try is under way; nobody else makes one until then."""

    @property
    def step(self) -> int:
        """The step of the ladder that it belongs to."""
        return int(self.push_id.split("-")[0])


class ToldPerson(Contract):
    """A step of an alert's ladder."""

    step: int
    who: str
    person: str
    at: UtcTime


class Notice(Contract):
    """One message as it is stored."""

    notice_id: str
    notification: Notification
    at: UtcTime
    acknowledged_by: str | None = None
    acknowledged_at: UtcTime | None = None
    pushes: tuple[Push, ...] = ()
    told: tuple[ToldPerson, ...] = ()
    """Of an alert: the newest steps of its ladder."""
    steps_taken: int = 0
    next_step_at: UtcTime | None = None
    """When the next person is told unless somebody has taken the alert; null where nobody else is."""
    members: tuple[str, ...] = ()
    """Of a digest: `<notice id>/<push id>` of what it gathers."""
    unsubscribes: NoticeKind | None = None
    """What the link in it switches off."""

    @property
    def is_alert(self) -> bool:
        """Whether somebody has to take it."""
        return self.notification.recipient_kind == "on_call"

    @property
    def is_urgent(self) -> bool:
        """Whether nobody's wishes delay or silence it."""
        return self.is_alert or is_danger(self.notification)

    def subject_of(self, push: Push) -> str:
        """Whose wishes the push goes by; of an alert, those of persons are told step by step."""
        if self.is_alert and push.step > 0:
            return of_person(push.recipient)
        return subject_of(self.notification, push.recipient)

    def push(self, push_id: str) -> Push | None:
        """The push, or None."""
        return next((push for push in self.pushes if push.push_id == push_id), None)

    def with_push(self, push_id: str, **changes: Any) -> "Notice":
        """The same but for these fields of one push."""
        pushes = tuple(push.model_copy(update=changes) if push.push_id == push_id else push for push in self.pushes)
        return self.model_copy(update={"pushes": pushes})

    def shown(self) -> DeliveredNotification:
        """As callers see it."""
        return DeliveredNotification(
            notification_id=self.notice_id,
            channel=INBOX,
            notification=self.notification,
            at=self.at,
            acknowledged_by=self.acknowledged_by,
            acknowledged_at=self.acknowledged_at,
            deliveries=tuple(map(_delivery, self.pushes)),
            ladder=tuple(LadderStep(step.who, step.person, step.at) for step in self.told),
        )


def _delivery(push: Push) -> DeliveryRecord:
    return DeliveryRecord(
        channel=push.channel,
        recipient=push.recipient,
        status=push.status,
        due_at=push.due_at,
        attempts=push.attempts,
        external_id=push.external_id,
        reason=push.reason,
        at=push.at,
    )


def subject_of(notification: Notification, recipient: str) -> str:
    """Whose wishes hold for a message to this recipient."""
    return of_resident(recipient) if notification.recipient_kind == "resident" else of_role(recipient)


def is_danger(notification: Notification) -> bool:
    """Whether it is told at once by every channel, whatever the person chose."""
    return notification.kind in ALWAYS or notification.urgency is Urgency.EMERGENCY


def notice_id_of(idempotency_key: str) -> str:
    """The same id for the same key."""
    return f"NTF-{hashlib.sha256(idempotency_key.encode()).hexdigest()[:20]}"


def short_name(name: str) -> str:
    """The name as part of a document's key; a long one as its hash."""
    encoded = name.encode()
    if len(encoded) <= _LONGEST_PLAIN_NAME:
        return name
    return f"sha256-{hashlib.sha256(encoded).hexdigest()}"


def only_recent(pushes: Iterable[Push], steps_taken: int) -> tuple[Push, ...]:
    """The pushes of the newest steps, so that an alert that nobody takes does not grow for ever."""
    return tuple(push for push in pushes if push.step >= steps_taken - LONGEST_LADDER)
