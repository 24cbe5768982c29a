"""How often something is tried, how long it rests between tries, and when it is given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import SystemBusy
from core.execution import Execution, ExecutionCommand
from core.labels import Urgency
from core.settings import Settings

NET = 10
"""A message that was delivered so many times as often as a step is tried is one that nobody can settle."""
LONGEST_EMERGENCY_PAUSE_S = 30.0
LONGEST_EMERGENCY_OUTAGE_PAUSE_S = 5.0
"""While a store of our own does not answer: an alert must not rest after its return."""
MESSAGE_PAUSES = 5.0
"""How much longer than at first a message rests that no emergency is about."""
RETRY = ":retry:"
"""What stands between an execution's id and the attempts before it, in the id of a message that tries it again."""


@dataclass(frozen=True)
class RetryPolicy:
    """Limits of the tries of one step, and of the time that a command may take."""

    attempts: int = 6
    """Tries of one step; calls that were not sent don't count."""
    first_pause_s: float = 2.0
    longest_pause_s: float = 300.0
    horizon_s: float = 86_400.0
    """After so long a command is given up."""
    emergency_patience_s: float = 120.0
    """After so long without success, staff are told of an emergency's command; its tries go on."""

    @classmethod
    def of(cls, settings: Settings) -> "RetryPolicy":
        """As the settings say."""
        return cls(
            attempts=settings.execution_attempts,
            first_pause_s=settings.execution_retry_s,
            horizon_s=settings.execution_horizon_s,
            emergency_patience_s=settings.emergency_patience_s,
        )

    @property
    def deliveries(self) -> int:
        """How often a message may fail in an unexpected way, or come to a retry that it does not belong to."""
        return NET * self.attempts

    def pause_s(self, attempt: int, draw: float, urgency: Urgency = Urgency.MEDIUM) -> float:
        """The pause after try `attempt` (from 1): it doubles, and `draw` (0..1) takes away up to half of it."""
        longest = self.longest_pause_s
        if urgency is Urgency.EMERGENCY:
            longest = min(longest, LONGEST_EMERGENCY_PAUSE_S)
        return min(self.first_pause_s * 2.0 ** min(attempt - 1, 30), longest) * (1.0 - draw / 2.0)

    def outage_pause_s(self, outage: int, draw: float, urgency: Urgency) -> float:
        """The pause after `outage` turns (from 1) in which a store of our own did not answer."""
        pause_s = self.pause_s(outage, draw, urgency)
        return min(pause_s, LONGEST_EMERGENCY_OUTAGE_PAUSE_S) if urgency is Urgency.EMERGENCY else pause_s

    def message_wait_s(self, urgency: Urgency) -> float:
        """The wait for a notifier that did not answer, as for a system without room; see `busy_pause_s`."""
        if urgency is Urgency.EMERGENCY:
            return min(self.first_pause_s, LONGEST_EMERGENCY_OUTAGE_PAUSE_S / 1.5)
        return self.first_pause_s * MESSAGE_PAUSES

    def busy_pause_s(self, wait_s: float, draw: float) -> float:
        """The pause before a call that found no room: what the system asked for, and up to half as much again."""
        return max(wait_s, 0.0) * (1.0 + draw / 2.0)

    def is_late(self, command: ExecutionCommand, execution: Execution, now: datetime) -> bool:
        """Whether somebody should hear of an emergency's command that has not succeeded."""
        patience = timedelta(seconds=self.emergency_patience_s)
        return command.urgency is Urgency.EMERGENCY and now - execution.created_at >= patience

    def why_over(self, execution: Execution, turn: "Turn", now: datetime) -> str | None:
        """Why a command is given up whatever its steps say; None where it may be tried."""
        if not turn.is_retry and any(step.attempts_before for step in execution.steps):
            # A late copy of the first message: its age says nothing of a retry that a person started since.
            if turn.number > self.deliveries:
                return f"It was delivered {turn.number} times without an end."
        elif self.is_past(turn, now):
            return f"Given up: it has waited for more than {self.horizon_s / 3600:g} hours."
        return None

    def is_past(self, turn: "Turn", now: datetime) -> bool:
        """Whether the turn's message has waited longer than any may since it was sent, or put back."""
        return now - (turn.put_back_at or turn.since) > timedelta(seconds=self.horizon_s)


@dataclass(frozen=True)
class Turn:
    """One delivery of a command."""

    since: datetime
    """When its message was sent: the command's own, or one that tries it again."""
    number: int = 1
    """1 at the first delivery."""
    put_back_at: datetime | None = None
    """When somebody put its message back, where that was a dead letter."""
    retries_attempt: int | None = None
    """It was sent to try a command again that was given up after so many attempts."""
    resting: frozenset[int] = frozenset()
    """Places of steps that are not tried in this turn: their pause is not over."""

    @property
    def is_retry(self) -> bool:
        """Whether a person had the command tried again by this turn's message."""
        return self.put_back_at is not None or self.retries_attempt is not None

    def begins_anew(self, execution: Execution) -> bool:
        """Whether a person wants this execution, which was given up, tried again."""
        # One that was in hand already when another copy of it ended the execution is no retry.
        is_put_back = self.put_back_at is not None and execution.updated_at <= self.put_back_at
        return is_put_back or self.retries_attempt == execution.attempts


def shortest_wait_s(busy: list[SystemBusy]) -> float | None:
    """After how long one of the calls that found no room may be worth while; None where there is none."""
    return min((each.wait_s for each in busy), default=None)
