"""When a message comes again: what this process remembers of it between two of its deliveries.

Another process that gets the message begins anew, which costs no more than a shorter rest.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from core.execution import Execution
from core.execution_labels import ExecutionStatus, StepStatus
from core.labels import Urgency
from deployments.execution.retries import RetryPolicy

MOST_REMEMBERED = 10_000
CLOSE_S = 0.25
"""A step whose rest ends so soon is tried at once: a queue may deliver a little early."""


@dataclass
class Pace:
    """What is remembered of one message."""

    failures: int = 0
    """Turns that ended in an unexpected way."""
    outages: int = 0
    """Turns that a store of our own ended."""
    undo_turns: int = 0
    """Turns with nothing left but something to take back."""
    due: dict[int, tuple[int, float]] = field(default_factory=dict[int, tuple[int, float]])
    """By the place of a step that was tried in vain: how often, and when it may be tried again."""


class Pacing:
    """The rests of the messages of one consumer."""

    def __init__(
        self, retries: RetryPolicy, draw: Callable[[], float], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._retries = retries
        self._draw = draw
        self._monotonic = monotonic
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    def of(self, message_id: str) -> Pace:
        """What is remembered; it may be changed."""
        pace = self._paces.setdefault(message_id, Pace())
        self._paces.move_to_end(message_id)
        if len(self._paces) > MOST_REMEMBERED:
            # Others have finished it, most likely.
            self._paces.popitem(last=False)
        return pace

    def forget(self, message_id: str) -> None:
        """The message has ended."""
        self._paces.pop(message_id, None)

    def resting(self, message_id: str) -> frozenset[int]:
        """Steps whose rest is not over, where something else made the message come earlier."""
        pace, now_s = self._paces.get(message_id), self._monotonic()
        due = pace.due if pace is not None else {}
        return frozenset(index for index, (_, due_s) in due.items() if due_s - now_s > CLOSE_S)

    def pause_s(self, message_id: str, execution: Execution, wait_s: float | None, urgency: Urgency) -> float:
        """The pause after a turn: until a step may be tried again, or `wait_s`, what a system without room asked for.

        It grows with the tries of each step alone: a command that was put off often must not rest longer for that.
        While nothing but an undo is left, it grows with the turns that ended so.
        """
        pace, now_s = self.of(message_id), self._monotonic()
        pace.due = {
            index: self._due(pace.due.get(index), tries, now_s, urgency) for index, tries in _in_vain(execution).items()
        }
        waits = [due_s - now_s for _, due_s in pace.due.values()]
        if wait_s is not None:
            waits.append(self._retries.busy_pause_s(wait_s, self._draw()))
        if waits:
            return max(0.0, min(waits))
        if execution.status is not ExecutionStatus.FAILED:
            # Another worker is at it.
            return self._retries.pause_s(1, self._draw(), urgency)
        pace.undo_turns += 1
        return self._retries.pause_s(pace.undo_turns, self._draw(), urgency)

    def _due(self, known: tuple[int, float] | None, tries: int, now_s: float, urgency: Urgency) -> tuple[int, float]:
        if known is not None and known[0] == tries and known[1] > now_s:
            return known
        return tries, now_s + self._retries.pause_s(tries, self._draw(), urgency)


def _in_vain(execution: Execution) -> dict[int, int]:
    """How often each step that waits was called in vain, by its place; without those that never were."""
    tries = {
        index: step.attempts - step.attempts_before
        for index, step in enumerate(execution.steps)
        if step.status is StepStatus.QUEUED
    }
    return {index: count for index, count in tries.items() if count > 0}
