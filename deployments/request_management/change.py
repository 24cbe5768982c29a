"""A change of a stored request in the making: its next form, the events that tell of it, and the work it causes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.errors import WrongState
from core.labels import Status
from core.messages import ExecutionCommand
from core.record import NextAction, RequestRecord
from core.request import Event, ResolutionNote
from core.status import require_legal

SYSTEM = "system"
DISPATCH_GRACE = timedelta(seconds=5)


@dataclass(frozen=True)
class Change:
    """The next form of an item, with its new events."""

    record: RequestRecord
    events: tuple[Event, ...]


@dataclass
class Draft:
    """A change in the making; `done` gives it, with the version and the events counted on."""

    record: RequestRecord
    at: datetime
    actor: str
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    record_fields: dict[str, Any] = field(default_factory=dict[str, Any])
    events: list[Event] = field(default_factory=list[Event])

    @property
    def status(self) -> Status:
        """As it will be."""
        return self.fields.get("status", self.record.request.status)

    def set(self, **fields: Any) -> None:
        """Change fields of the request."""
        self.fields.update(fields)

    def tell(self, kind: str, message: str, **details: str | int | float | bool | None) -> None:
        """Add a line to the timeline."""
        sequence = self.record.last_event + len(self.events) + 1
        self.events.append(
            Event(sequence=sequence, at=self.at, kind=kind, actor=self.actor, message=message, details=details)
        )

    def move(self, wanted: Status, message: str, **details: str | int | float | bool | None) -> None:
        """Change the status, along the arrows only. Raises `IllegalTransition`."""
        current = self.status
        require_legal(current, wanted)
        self.set(status=wanted)
        self.tell("status_changed", message, **{"from": str(current), "to": str(wanted)}, **details)

    def send(self, commands: Sequence[ExecutionCommand]) -> None:
        """Put commands into the outbox."""
        if commands:
            self.record_fields["outbox"] = (*self.record.outbox, *commands)
            # Whoever made the change sends at once; the sweeper does where that one has died.
            self.schedule(NextAction.DISPATCH, self.at + DISPATCH_GRACE)

    def schedule(self, action: NextAction | None, at: datetime | None) -> None:
        """Say what the sweeper does next, and from when on."""
        self.record_fields.update(next_action=action, next_action_at=at, attempts=0)

    def done(self) -> Change:
        """The change as it is to be stored."""
        request = self.record.request.model_copy(
            update={**self.fields, "version": self.record.request.version + 1, "updated_at": self.at}
        )
        record = self.record.model_copy(
            update={
                **self.record_fields,
                "request": request,
                "last_event": self.record.last_event + len(self.events),
            }
        )
        return Change(record, tuple(self.events))


def end_work(draft: Draft, notes: str, actual_cost_usd: float | None = None, actual_hours: float | None = None) -> None:
    """Resolve the request, with what it took; a breach of its target is noted."""
    note = ResolutionNote(
        resolution_notes=notes,
        actual_cost_usd=actual_cost_usd,
        actual_hours=actual_hours,
        resolved_by=draft.actor,
        resolved_at=draft.at,
    )
    sla = draft.record.request.sla
    draft.move(Status.RESOLVED, notes, actual_cost_usd=actual_cost_usd, actual_hours=actual_hours)
    draft.set(resolution=note, needs_attention=False)
    if sla is not None and draft.at > sla.resolution_due_at:
        draft.set(sla=sla.model_copy(update={"breached": True}))


def require_status(record: RequestRecord, *allowed: Status) -> None:
    """Pass in one of these statuses; else raise `WrongState`."""
    if record.request.status not in allowed:
        names = ", ".join(sorted(allowed))
        raise WrongState(f"The request is {record.request.status}; this is possible only when it is {names}.")


def quoted(comment: str | None) -> str:
    """A comment as it stands at the end of a sentence."""
    return f" “{comment}”" if comment else ""
