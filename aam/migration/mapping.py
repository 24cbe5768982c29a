"""An item of the old system as a record of this one, and what of it has no place here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from core.errors import Invalid
from core.execution_labels import ActionKind
from core.labels import Category, Crew, Intent, Status, Urgency
from core.record import NextAction, RequestRecord
from core.request import (
    MAX_MESSAGE_CHARACTERS,
    Approval,
    BuildingId,
    Classification,
    Estimate,
    Event,
    OptionId,
    Preferences,
    Request,
    RequestId,
    ResidentId,
    ResolutionNote,
    ResolutionOption,
)
from core.rules import RuleBook

ACTOR = "migration"
OLD_MODEL = "old-system"
CLOSED_AFTER = timedelta(days=7)
"""What was resolved longer ago counts as confirmed."""
EnumT = TypeVar("EnumT", bound=StrEnum)

_STATUSES = {
    "submitted": Status.PROCESSING,
    "processing": Status.PROCESSING,
    "in progress": Status.IN_PROGRESS,
    "resolved": Status.RESOLVED,
    "escalated": Status.ESCALATED,
}
_CREWS = {
    Category.MAINTENANCE: Crew.GENERAL,
    Category.SECURITY: Crew.SECURITY,
    Category.DELIVERIES: Crew.CONCIERGE,
}
_KNOWN = frozenset(
    {
        "request_id",
        "resident_id",
        "message_text",
        "created_at",
        "updated_at",
        "category",
        "urgency",
        "intent",
        "classification_confidence",
        "risk_forecast",
        "simulated_options",
        "recommended_option_id",
        "user_selected_option_id",
        "chosen_action",
        "chosen_option_id",
        "status",
        "resolution_notes",
        "resolved_by",
        "resolved_at",
        "admin_comments",
        "is_recurring_issue",
        "recurring_issue_non_escalated",
        "allow_entry_when_absent",
        "preferred_time_slots",
        "preferred_days",
        "avoid_days",
        "special_instructions",
        "contact_before_arrival",
        "emergency_contact",
    }
)


@dataclass(frozen=True)
class Mapped:
    """The record of an item, its timeline, and what was left out."""

    record: RequestRecord
    events: tuple[Event, ...]
    unmapped: tuple[str, ...]
    """`field: why`, for each field that could not be brought over whole."""


@dataclass
class _Reader:
    """Reads an item's fields, and notes what it can't make sense of."""

    item: Mapping[str, Any]
    unmapped: list[str] = field(default_factory=list[str])

    def text(self, name: str) -> str | None:
        value = self.item.get(name)
        return value.strip() or None if isinstance(value, str) else None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Invalid(f"The item has no {name}.")
        return value

    def enum(self, name: str, kind: type[EnumT]) -> EnumT | None:
        """A value in any letter case."""
        value = self.text(name)
        found = next((one for one in kind if value and one.value.lower() == value.lower()), None)
        if value is not None and found is None:
            self.unmapped.append(f"{name}: no such value here")
        return found

    def moment(self, name: str) -> datetime | None:
        """A time without a zone is UTC, as the old system wrote it."""
        value = self.text(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.unmapped.append(f"{name}: not a time")
            return None

    def share(self, name: str) -> float | None:
        value = number(self.item.get(name))
        if value is None or not 0.0 <= value <= 1.0:
            if self.item.get(name) is not None:
                self.unmapped.append(f"{name}: not between 0 and 1")
            return None
        return value

    def flag(self, name: str) -> bool | None:
        value = self.item.get(name)
        if isinstance(value, str) and value.lower() in ("true", "false", "yes", "no"):
            return value.lower() in ("true", "yes")
        return value if isinstance(value, bool) else None

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.item.get(name)
        values = cast(list[Any], value) if isinstance(value, list) else [] if value is None else [value]
        return tuple(str(one) for one in values if one not in (None, ""))


def number(value: object) -> float | None:
    """A finite number, also where it is written as text."""
    try:
        read = float(cast(Any, value)) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        return None
    return read if math.isfinite(read) else None


def map_item(item: Mapping[str, Any], rules: RuleBook, now: datetime) -> Mapped:
    """The item in this system's form. Raises `Invalid` where its identity is missing or can't be told.

    What the old system had not decided goes through this one's pipeline. Its estimates had no spread: mean, p50 and
    p90 of an imported option are the one number that it gave, its breach probability is 0 or 1 by the present targets,
    and its approval tier is what the present rules say. Its one risk number is kept in the timeline.
    """
    read = _Reader(item)
    request_id, resident_id = read.required("request_id"), read.required("resident_id")
    building_id, unit = _home(resident_id)
    created_at = read.moment("created_at")
    if created_at is None:
        raise Invalid("The item has no created_at that is a time.")
    labels = _classification(read)
    options = _options(read, labels, rules.of(building_id))
    status = _status(read, labels, now)
    selected = _selected(read, options)
    request = Request(
        request_id=RequestId(request_id),
        resident_id=ResidentId(resident_id),
        building_id=BuildingId(building_id),
        unit=unit,
        message_text=_message(read),
        status=status,
        version=1,
        created_at=created_at,
        updated_at=read.moment("updated_at") or created_at,
        classification=labels,
        options=options,
        selected_option_id=selected.option_id if selected else None,
        approval=Approval(required=selected.approval) if selected else None,
        preferences=_preferences(read),
        resolution=_resolution(read, status, created_at),
        needs_attention=status in (Status.ESCALATED, Status.NEEDS_REVIEW),
    )
    events = _events(read, request, now)
    read.unmapped += [f"{name}: unknown field" for name in sorted(set(item) - _KNOWN)]
    timers = {NextAction.PROCESS: now} if status is Status.PROCESSING else {}
    record = RequestRecord(
        request=request,
        correlation_id=f"{ACTOR}-{request_id}",
        timers=timers,
        next_action=next(iter(timers), None),
        next_action_at=now if timers else None,
        last_event=len(events),
        selected_by=resident_id if selected else None,
    )
    return Mapped(record, events, tuple(read.unmapped))


def _home(resident_id: str) -> tuple[str, str | None]:
    parts = resident_id.split("_")
    if len(parts) < 3 or parts[0] != "RES" or not all(parts):
        raise Invalid("The resident_id is not of the form RES_<building>_<unit>.")
    return "_".join(parts[1:-1]), parts[-1]


def _message(read: _Reader) -> str:
    text = read.required("message_text")
    if len(text) > MAX_MESSAGE_CHARACTERS:
        read.unmapped.append(f"message_text: cut to {MAX_MESSAGE_CHARACTERS} characters")
    return text[:MAX_MESSAGE_CHARACTERS]


def _classification(read: _Reader) -> Classification | None:
    category, urgency = read.enum("category", Category), read.enum("urgency", Urgency)
    intent, confidence = read.enum("intent", Intent), read.share("classification_confidence")
    if category is None or urgency is None:
        if category or urgency:
            read.unmapped.append("category, urgency: only one of both is given")
        return None
    return Classification(
        category=category,
        urgency=urgency,
        intent=intent or Intent.SOLVE_PROBLEM,
        confidence=confidence or 0.0,
        source="model",
        emergency=urgency is Urgency.EMERGENCY,
        model_version=OLD_MODEL,
    )


def _options(read: _Reader, labels: Classification | None, rules: RuleBook) -> tuple[ResolutionOption, ...]:
    listed = read.item.get("simulated_options")
    options: list[ResolutionOption] = []
    for place, raw in enumerate(cast(list[Any], listed) if isinstance(listed, list) else []):
        made = _option(cast(Mapping[str, Any], raw), labels, rules) if isinstance(raw, dict) else None
        if made is None or made.option_id in {one.option_id for one in options}:
            read.unmapped.append(f"simulated_options[{place}]: incomplete or twice the same id")
        else:
            options.append(made)
    return tuple(options)


def _option(raw: Mapping[str, Any], labels: Classification | None, rules: RuleBook) -> ResolutionOption | None:
    cost, hours = number(raw.get("estimated_cost")), number(raw.get("estimated_time"))
    if cost is None or hours is None or cost < 0 or hours < 0 or not raw.get("option_id") or not raw.get("action"):
        return None
    category, urgency = (labels.category, labels.urgency) if labels else (Category.OTHER, Urgency.MEDIUM)
    crew = _CREWS.get(category, Crew.OFFICE)
    impact = number(raw.get("resident_satisfaction_impact")) or 0.0
    steps = raw.get("steps")
    return ResolutionOption(
        option_id=OptionId(str(raw["option_id"])),
        title=str(raw["action"]),
        action=ActionKind.DISPATCH_WORK_ORDER if crew is Crew.GENERAL else ActionKind.CREATE_STAFF_TASK,
        crew=crew,
        steps=tuple(str(step) for step in cast(list[Any], steps)) if isinstance(steps, list) else (),
        estimated_cost_usd=Estimate(mean=cost, p50=cost, p90=cost),
        estimated_time_hours=Estimate(mean=hours, p50=hours, p90=hours),
        sla_breach_probability=float(hours > rules.response_targets[urgency].resolution_hours),
        resident_satisfaction_impact=max(-1.0, min(1.0, impact)),
        approval=rules.approvals.limits[urgency].tier(cost),
        reasoning=str(raw.get("reasoning") or ""),
        source="llm",
        citations=(),
    )


def _status(read: _Reader, labels: Classification | None, now: datetime) -> Status:
    """What is still Submitted is decided anew, but for what was escalated without its status saying so."""
    told = read.text("status")
    status = _STATUSES.get(told.lower() if told else "submitted")
    if status is None:
        read.unmapped.append("status: no such value here")
        return Status.NEEDS_REVIEW
    if status is Status.PROCESSING:
        asks = labels is not None and labels.intent is Intent.HUMAN_ESCALATION
        recurs = bool(read.flag("is_recurring_issue")) and not read.flag("recurring_issue_non_escalated")
        return Status.ESCALATED if asks or recurs else status
    resolved_at = read.moment("resolved_at")
    long_ago = resolved_at is not None and now - resolved_at > CLOSED_AFTER
    return Status.CLOSED if status is Status.RESOLVED and long_ago else status


def _selected(read: _Reader, options: tuple[ResolutionOption, ...]) -> ResolutionOption | None:
    wanted = read.text("user_selected_option_id") or read.text("chosen_option_id")
    found = next((option for option in options if option.option_id == wanted), None)
    if wanted is not None and found is None:
        read.unmapped.append("user_selected_option_id, chosen_option_id: not among the options")
    return found


def _preferences(read: _Reader) -> Preferences | None:
    given = {
        "allow_entry_when_absent": read.flag("allow_entry_when_absent"),
        "contact_before_arrival": read.flag("contact_before_arrival"),
        "preferred_time_slots": read.texts("preferred_time_slots")[:20],
        "preferred_days": read.texts("preferred_days")[:7],
        "avoid_days": read.texts("avoid_days")[:7],
        "special_instructions": (read.text("special_instructions") or "")[:1000] or None,
        "emergency_contact": (read.text("emergency_contact") or "")[:200] or None,
    }
    try:
        preferences = Preferences.model_validate(given)
    except ValidationError:
        read.unmapped.append("preferences: not readable")
        return None
    return None if preferences == Preferences() else preferences


def _resolution(read: _Reader, status: Status, created_at: datetime) -> ResolutionNote | None:
    if status not in (Status.RESOLVED, Status.CLOSED):
        return None
    return ResolutionNote(
        resolution_notes=read.text("resolution_notes") or "Resolved in the old system.",
        resolved_by=read.text("resolved_by") or OLD_MODEL,
        resolved_at=read.moment("resolved_at")
        or read.moment("updated_at")
        or cast(datetime, read.moment("created_at")),
    )


def _events(read: _Reader, request: Request, now: datetime) -> tuple[Event, ...]:
    """The old system kept no timeline: what is known of it, in order, and that it was brought over."""
    told: list[tuple[datetime, str, str, str, bool]] = [
        (request.created_at, "submitted", request.resident_id, "The message was received.", False)
    ]
    told += [(request.updated_at, "comment", "staff", text, True) for text in read.texts("admin_comments")]
    if request.resolution is not None:
        note = request.resolution
        told.append((note.resolved_at, "status_changed", note.resolved_by, note.resolution_notes, False))
    recommended, chosen = read.text("recommended_option_id"), read.text("chosen_action")
    details: dict[str, str | int | float | bool | None] = {
        "old_status": read.text("status"),
        "recommended_option_id": recommended,
        "chosen_action": chosen,
        "risk_forecast": read.share("risk_forecast"),
        "recurring": read.flag("is_recurring_issue"),
    }
    events = [
        Event(sequence=place, at=at, kind=kind, actor=actor, message=message, internal=internal)
        for place, (at, kind, actor, message, internal) in enumerate(told, 1)
    ]
    moved = Event(
        sequence=len(events) + 1,
        at=now,
        kind="imported",
        actor=ACTOR,
        message="Brought over from the old system.",
        details={name: value for name, value in details.items() if value is not None},
    )
    return (*events, moved)
