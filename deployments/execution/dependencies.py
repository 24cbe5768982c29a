"""What the failure of one step means for the others of its command.

A step may need earlier ones. Where one of them failed for good, it is skipped. Where work (not a message) failed for
good, everything that it needed, directly or not, has lost its purpose and is taken back; and what was done on the
strength of something that is taken back is taken back before it. Messages stand: nobody can be untold.
"""

from collections.abc import Sequence

from core.errors import Invalid
from core.execution import ActionCall
from core.execution_labels import MESSAGES, StepStatus
from core.request import ExecutionStep

UNSETTLED = frozenset({StepStatus.QUEUED, StepStatus.RUNNING})
STANDING = frozenset({StepStatus.SUCCEEDED, StepStatus.NOT_UNDONE})
"""The effect is there."""
GONE = frozenset({StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.UNDONE})


class Dependencies:
    """The needs among the actions of one command, by their places."""

    def __init__(self, actions: Sequence[ActionCall]) -> None:
        """Raises `Invalid` where an action needs what is no earlier one."""
        for index, call in enumerate(actions):
            if any(not 0 <= need < index for need in call.needs):
                raise Invalid(f"Action {index} needs {list(call.needs)}; it may only need earlier ones of its command.")
        self._is_message = tuple(call.action in MESSAGES for call in actions)
        self._needs = tuple(frozenset(call.needs) for call in actions)
        self._all_needs: list[frozenset[int]] = []
        for direct in self._needs:
            self._all_needs.append(direct.union(*(self._all_needs[need] for need in direct)))

    def direct(self, index: int) -> frozenset[int]:
        """What the step needs itself."""
        return self._needs[index]

    def dependants(self, index: int) -> frozenset[int]:
        """What needs the step, directly or not."""
        return frozenset(place for place, needs in enumerate(self._all_needs) if index in needs)

    def is_ready(self, index: int, steps: Sequence[ExecutionStep]) -> bool:
        """Whether all that the step needs is there."""
        return all(steps[need].status in STANDING for need in self._needs[index])

    def why_skipped(self, index: int, steps: Sequence[ExecutionStep]) -> str | None:
        """Why a step that is not settled is never tried; None where it is, now or later.

        One that was tried already may have been done outside: its tries go on until that is clear.
        """
        lost = {need for need in self._needs[index] if steps[need].status in GONE}
        if not lost and not _was_tried(steps[index]):
            lost = self._needs[index] & self.pointless(steps)
        if not lost:
            return None
        first = min(lost)
        return f"Step {first + 1} ({steps[first].action}), which it needs, {_fate(steps[first])}."

    def pointless(self, steps: Sequence[ExecutionStep]) -> frozenset[int]:
        """Work that is to be taken back as soon as it can be, whether it has been or not."""
        failed = [
            index
            for index, step in enumerate(steps)
            if step.status is StepStatus.FAILED and not self._is_message[index]
        ]
        needed = self._work(frozenset[int]().union(*(self._all_needs[index] for index in failed)))
        return needed | self._work(frozenset[int]().union(*map(self.dependants, needed)))

    def to_undo(self, steps: Sequence[ExecutionStep]) -> tuple[int, ...]:
        """What is there and is to be taken back, in this order."""
        return tuple(
            index
            for index in sorted(self.pointless(steps), reverse=True)
            if steps[index].status is StepStatus.SUCCEEDED
        )

    def can_undo(self, index: int, steps: Sequence[ExecutionStep]) -> bool:
        """Whether nothing that rests on the step is under way or still to be taken back."""
        resting = self.dependants(index)
        waiting = any(steps[each].status in UNSETTLED for each in resting)
        return not waiting and not resting.intersection(self.to_undo(steps))

    def _work(self, places: frozenset[int]) -> frozenset[int]:
        return frozenset(place for place in places if not self._is_message[place])


def _was_tried(step: ExecutionStep) -> bool:
    return step.attempts > step.attempts_before


def _fate(step: ExecutionStep) -> str:
    match step.status:
        case StepStatus.FAILED:
            return "failed"
        case StepStatus.SKIPPED:
            return "was left out"
        case _:
            return "is taken back"
