"""A change of a stored request in the making: its next form, the events that tell of it, and the work it causes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.errors import WrongState
from core.execution import ExecutionCommand
from core.labels import Status
from core.record import MadeCall, NextAction, RequestRecord
from core.request import Event
from core.status import ENDED, require_legal, require_recallable
from deployments.request_management import promises
from deployments.request_management.commands import POLICY
from deployments.request_management.subscribers import status_news

SYSTEM = "system"
DISPATCH_GRACE = timedelta(seconds=5)
CALLS_KEPT = 16
_TIMER_FIELDS = ("timers", "next_action", "next_action_at", "attempts")


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
    responds: bool = False
    """Whether this is what the resident was promised first: that somebody acts. A staff member's change always is."""
    _rescheduled: set[NextAction] = field(default_factory=set[NextAction])

    @property
    def status(self) -> Status:
        """As it will be."""
        return self.fields.get("status", self.record.request.status)

    def set(self, **fields: Any) -> None:
        """Change fields of the request."""
        self.fields.update(fields)

    def tell(
        self, kind: str, message: str, *, internal: bool = False, **details: str | int | float | bool | None
    ) -> None:
        """Add a line to the timeline; an `internal` one is for staff only."""
        self.events.append(
            Event(
                sequence=self.record.last_event + len(self.events) + 1,
                at=self.at,
                kind=kind,
                actor=self.actor,
                message=message,
                internal=internal,
                details=details,
            )
        )

    def move(self, wanted: Status, message: str, **details: str | int | float | bool | None) -> None:
        """Change the status, along the arrows only. Raises `IllegalTransition`."""
        current = self.status
        require_legal(current, wanted)
        self._enter(wanted, message, **details)

    def recall(self, message: str) -> None:
        """Cancel what policy selected, which the arrows for people's selections do not allow."""
        require_recallable(self.status)
        self._enter(Status.CANCELLED, message)

    def _enter(self, wanted: Status, message: str, **details: str | int | float | bool | None) -> None:
        current = self.status
        self.set(status=wanted)
        if wanted in ENDED:
            self.record_fields.update(waiting_for=None, emergency_raised_at=None)
        self.tell("status_changed", message, internal=False, **{"from": str(current), "to": str(wanted)}, **details)

    def send(self, commands: Sequence[ExecutionCommand]) -> None:
        """Put commands into the outbox; each of the request's own begins after the one before."""
        if commands:
            waiting = self.record_fields.get("outbox", self.record.outbox)
            self.record_fields["outbox"] = (*waiting, *map(self._in_order, commands))
            # Whoever made the change sends at once; the sweeper does where that one has died.
            self.schedule(NextAction.DISPATCH, self.at + DISPATCH_GRACE)

    def _in_order(self, command: ExecutionCommand) -> ExecutionCommand:
        if command.request_id is None:
            return command
        before = self.record_fields.get("last_command", self.record.last_command)
        self.record_fields["last_command"] = command.execution_id
        return command.model_copy(update={"after": before})

    @property
    def timers(self) -> dict[NextAction, datetime]:
        """As they will be."""
        return self.record_fields.get("timers", self.record.pending)

    def schedule(self, action: NextAction, at: datetime | None) -> None:
        """Say from when on the sweeper does this; None for never."""
        rest = {kind: due for kind, due in self.timers.items() if kind is not action}
        self._rescheduled.add(action)
        self.record_fields["timers"] = rest if at is None else {**rest, action: at}

    def done(self) -> Change:
        """The change as it is to be stored, with its clock and timers in step."""
        if self.status is not self.record.request.status:
            self._tell_incident()
        request = self.record.request.model_copy(
            update={**self.fields, "version": self.record.request.version + 1, "updated_at": self.at}
        )
        after = self.record.model_copy(update={**self.record_fields, "request": request})
        after, schedule = promises.keep(self.record, after, self.at, responds=self.responds or self._by_staff)
        for action, at in schedule.items():
            if at != self.timers.get(action):
                self.schedule(action, at)
        if self._rescheduled:
            self._choose_next()
        timers = {name: self.record_fields[name] for name in _TIMER_FIELDS if name in self.record_fields}
        last_event = self.record.last_event + len(self.events)
        return Change(after.model_copy(update={**timers, "last_event": last_event}), tuple(self.events))

    def _tell_incident(self) -> None:
        """Those who follow the request hear of its new status, and its incident takes note of an end."""
        self.send(status_news(self.record, self.status))
        if self.record.request.incident_id is not None and self.status in (*ENDED, Status.REOPENED):
            self.schedule(NextAction.INCIDENT, self.at)

    @property
    def _by_staff(self) -> bool:
        request = self.record.request
        return self.actor not in (SYSTEM, POLICY, request.resident_id, *self.record.subscribers)

    def _choose_next(self) -> None:
        """The earliest timer is next. One that is claimed and was left alone stays under its lease."""
        running = self.record.next_action
        leased = running is not None and running in self.timers and running not in self._rescheduled
        due = dict(self.timers)
        if leased and running is not None and self.record.next_action_at is not None:
            due[running] = self.record.next_action_at
        chosen = min(due, key=lambda kind: (due[kind], list(NextAction).index(kind)), default=None)
        kept = leased and chosen is running
        self.record_fields.update(
            timers=due,
            next_action=chosen,
            next_action_at=None if chosen is None else due[chosen],
            attempts=self.record.attempts if kept else 0,
        )


def made_by(call: MadeCall | None, change: Change) -> Change:
    """The change with the call that made it, so that the same call changes nothing when it is repeated."""
    if call is None:
        return change
    calls = (*change.record.calls, call)[-CALLS_KEPT:]
    return Change(change.record.model_copy(update={"calls": calls}), change.events)


def require_status(record: RequestRecord, *allowed: Status) -> None:
    """Pass in one of these statuses; else raise `WrongState`."""
    if record.request.status not in allowed:
        names = ", ".join(sorted(allowed))
        raise WrongState(f"The request is {record.request.status}; this is possible only when it is {names}.")


def quoted(comment: str | None) -> str:
    """A comment as it stands at the end of a sentence."""
    return f" “{comment}”" if comment else ""
