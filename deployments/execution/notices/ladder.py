"""The ladder of an alert: one person after the other is told, round after round, until somebody takes it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from core.execution import Notification
from deployments.execution.notices.record import LONGEST_LADDER, Notice, Push, ToldPerson, only_recent

WITHOUT_ANYBODY = timedelta(minutes=5)
"""After so long it is looked again whether the rules name somebody."""
TAKEN = "Somebody has taken the alert."


class Turn(Protocol):
    """Somebody who is told, and for how long their answer is waited for."""

    @property
    def who(self) -> str:
        """The post."""
        ...

    @property
    def person(self) -> str:
        """The subject who holds it."""
        ...

    @property
    def wait_minutes(self) -> float:
        """Then it is the next one's turn."""
        ...


OnCall = Callable[[Notification, datetime], Sequence[Turn]]
"""Who is told of an alert at this moment, in order."""


def whose_turn(rungs: Sequence[Turn], steps_taken: int) -> Turn | None:
    """Who is told next: after the last one the first again; None where nobody is on call."""
    return rungs[steps_taken % len(rungs)] if rungs else None


def climb(notice: Notice, rung: Turn, pushes: Sequence[Push], now: datetime) -> Notice:
    """The alert after one more person was told; `pushes` are those to them."""
    step = notice.steps_taken + 1
    told = (*notice.told, ToldPerson(step=step, who=rung.who, person=rung.person, at=now))
    return notice.model_copy(
        update={
            "told": told[-LONGEST_LADDER:],
            "pushes": only_recent((*notice.pushes, *pushes), step),
            "steps_taken": step,
            "next_step_at": now + timedelta(minutes=max(1, rung.wait_minutes)),
        }
    )


def turn_of(notice: Notice) -> str:
    """Which turn the last telling of an alert was: the first, the next one's, or again somebody's who was told."""
    *before, last = notice.told
    if any(each.who == last.who for each in before):
        return "again"
    return "next" if before else "first"


def take(notice: Notice, by: str, now: datetime) -> Notice:
    """The message after somebody has taken it; of an alert, nobody else is told."""
    taken = {"acknowledged_by": by, "acknowledged_at": now, "next_step_at": None}
    stopped = stop_pushes(notice, TAKEN, now) if notice.is_alert else notice
    return stopped.model_copy(update=taken)


def stop_pushes(notice: Notice, reason: str, now: datetime) -> Notice:
    """The message with nothing left to be pushed."""
    stopped = {"status": "suppressed", "reason": reason, "at": now}
    pushes = tuple(push.model_copy(update=stopped) if push.status == "waiting" else push for push in notice.pushes)
    return notice.model_copy(update={"pushes": pushes})
