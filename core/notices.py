"""What people chose about being told: language, channels, silence; and who is told of what when.

Residents, persons of the staff and roles have ids of their own each, so that what they chose is kept by namespaced
subjects: who may change a resident's wishes must not reach those of a person on call by an id that is alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator

from core.contract import ClockTime, Contract
from core.errors import Invalid
from core.execution_labels import ChannelName, NoticeKind

LANGUAGES = ("en", "es")
Language = Literal["en", "es"]
EmailAddress = Annotated[str, Field(pattern=r"^[^\s@<>\",;:]+@[^\s@<>\",;:]+\.[^\s@<>\",;:]{2,}$", max_length=254)]
PhoneNumber = Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")]
"""E.164."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("there is no such time zone; use a name such as America/New_York") from None
    return name


TimeZone = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_known_zone)]
"""An IANA name."""
ALWAYS = frozenset({NoticeKind.EMERGENCY})
"""Kinds that can't be switched off, delayed or gathered."""

_RESIDENT, _PERSON, _ROLE = "resident:", "person:", "role:"


def of_resident(resident_id: str) -> str:
    """The subject of a resident."""
    return f"{_RESIDENT}{resident_id}"


def of_person(sub: str) -> str:
    """The subject of somebody who works here, by the `sub` of their token."""
    return f"{_PERSON}{sub}"


def of_role(role: str) -> str:
    """The subject of a role, which no HTTP call can set."""
    return f"{_ROLE}{role}"


def resident_of(subject: str) -> str | None:
    """The resident id in a subject; None where it is nobody's who lives here."""
    return subject.removeprefix(_RESIDENT) if subject.startswith(_RESIDENT) else None


def is_role(subject: str) -> bool:
    """Whether it is a role's."""
    return subject.startswith(_ROLE)


def require_subject(subject: str) -> str:
    """The subject itself. Raises `Invalid` where it does not say whose it is."""
    if not subject.startswith((_RESIDENT, _PERSON, _ROLE)):
        raise Invalid("Say whose preferences they are: a resident's, a person's or a role's.")
    return subject


class QuietHours(Contract):
    """From when to when, in the recipient's zone, nothing is pushed; over midnight where the end is earlier.

    Hours that begin when they end are none.
    """

    start: ClockTime
    end: ClockTime


class NotificationPreferences(Contract):
    """How one person wishes to be told. The inbox in the app holds every message in any case."""

    language: Language = "en"
    email: EmailAddress | None = None
    phone: PhoneNumber | None = None
    channels: dict[NoticeKind, tuple[ChannelName, ...]] = Field(
        default_factory=dict[NoticeKind, tuple[ChannelName, ...]]
    )
    """By which channels each kind is pushed; a kind that is not named goes by mail where there is an address."""
    opted_out: frozenset[NoticeKind] = frozenset()
    """Kinds that are never pushed; danger always is."""
    quiet_hours: QuietHours | None = QuietHours(start=time(21), end=time(8))
    """Null for none; danger is told at any hour."""
    digest: frozenset[NoticeKind] = frozenset()
    """Kinds that are gathered and pushed once a day."""
    digest_at: ClockTime = time(8)
    time_zone: TimeZone | None = None
    """IANA; null for the portfolio's."""
    version: int = Field(default=0, ge=0)
    """0 where nobody has chosen yet."""

    @field_validator("opted_out", "digest")
    @classmethod
    def _danger_is_told(cls, kinds: frozenset[NoticeKind]) -> frozenset[NoticeKind]:
        if kinds & ALWAYS:
            raise ValueError("messages of danger can't be switched off or gathered")
        return kinds


@dataclass(frozen=True)
class EventWords:
    """What a template is for and which gaps it has."""

    kind: NoticeKind
    fields: frozenset[str] = frozenset()
    by_hand: bool = False
    """Whether staff may send it by name."""


def _event(kind: NoticeKind, *fields: str, by_hand: bool = False) -> EventWords:
    return EventWords(kind, frozenset(fields), by_hand)


EVENTS: Mapping[str, EventWords] = {
    # To residents.
    "request_received": _event(NoticeKind.REQUEST, by_hand=True),
    "visit_planned": _event(NoticeKind.VISIT, by_hand=True),
    "access_needed": _event(NoticeKind.VISIT, by_hand=True),
    "work_completed": _event(NoticeKind.REQUEST, by_hand=True),
    "visit_scheduled": _event(NoticeKind.VISIT, "title", "starts", "ends"),
    "visit_cancelled": _event(NoticeKind.VISIT, "title", "starts"),
    "work_started": _event(NoticeKind.REQUEST, "title"),
    "work_started_for_you": _event(NoticeKind.REQUEST, "title"),
    "help_is_coming": _event(NoticeKind.EMERGENCY, "advice"),
    "help_has_started": _event(NoticeKind.EMERGENCY, "advice", "title"),
    "choose_an_option": _event(NoticeKind.REMINDER, "count"),
    "staff_comment": _event(NoticeKind.COMMENT, "request_id", "text"),
    "incident_status": _event(NoticeKind.INCIDENT, "topic", "status"),
    "incident_joined": _event(NoticeKind.INCIDENT),
    "incident_left": _event(NoticeKind.INCIDENT),
    "incident_ended": _event(NoticeKind.INCIDENT, "title"),
    "digest": _event(NoticeKind.ANNOUNCEMENT, "count", "messages"),
    # To staff.
    "request_needs_person": _event(NoticeKind.WORK, "request_id", "building_id", "reason"),
    "request_recalled": _event(NoticeKind.WORK, "request_id", "building_id", "by"),
    "request_reopened": _event(NoticeKind.WORK, "request_id", "building_id"),
    "target_near": _event(NoticeKind.WORK, "request_id", "building_id"),
    "response_missed": _event(NoticeKind.WORK, "request_id", "building_id"),
    "target_missed": _event(NoticeKind.WORK, "request_id", "building_id"),
    "documentation_due": _event(NoticeKind.WORK, "request_id", "building_id", "due"),
    "documentation_overdue": _event(NoticeKind.WORK, "request_id", "building_id", "due"),
    "resident_comment": _event(NoticeKind.COMMENT, "request_id", "building_id"),
    "execution_needs_person": _event(NoticeKind.WORK, "execution_id", "reason", "done"),
    "message_unreadable": _event(NoticeKind.WORK, "message_id", "reason"),
    # To the person on call.
    "emergency": _event(NoticeKind.EMERGENCY, "building_id", "unit", "category", "reason", "text"),
    "emergency_target": _event(NoticeKind.EMERGENCY, "building_id", "request_id", "what"),
    "review_needed": _event(NoticeKind.EMERGENCY, "building_id", "request_id", "reason"),
}
"""Every event that people are told of in words of a template, by its name."""


def require_fields(event: str, fields: Mapping[str, str]) -> None:
    """Pass where the event is known and just its gaps are filled; else raise `ValueError`."""
    words = EVENTS.get(event)
    if words is None:
        raise ValueError(f"there is no event {event}; there are {', '.join(sorted(EVENTS))}")
    if words.fields != frozenset(fields):
        raise ValueError(f"{event} has the fields {', '.join(sorted(words.fields)) or 'none'}")
