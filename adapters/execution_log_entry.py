"""One execution as every log keeps it, and what each call of the log makes of it; pure, so that all logs agree."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.sqlite import from_millis, to_millis
from core.contract import Contract
from core.erasure import ERASED, ErasureScope
from core.errors import Conflict
from core.execution import Execution, ExecutionCommand
from core.execution_labels import ExecutionStatus, StepStatus
from core.request import ExecutionStep

CLAIMABLE = frozenset({StepStatus.QUEUED, StepStatus.RUNNING})
TAKEN_BACK = frozenset({StepStatus.UNDONE, StepStatus.NOT_UNDONE})
ENDED = frozenset({ExecutionStatus.SUCCEEDED, ExecutionStatus.DEAD_LETTERED})
_GIVEN_UP = frozenset({StepStatus.FAILED, StepStatus.SKIPPED})
_MAY_BECOME: Mapping[StepStatus, frozenset[StepStatus]] = {
    # Again `SUCCEEDED` ends a claim to take it back that came to nothing.
    StepStatus.SUCCEEDED: TAKEN_BACK | {StepStatus.SUCCEEDED},
    StepStatus.UNDONE: frozenset(),
    StepStatus.NOT_UNDONE: frozenset(),
    # A worker whose claim had run out may still have done it.
    StepStatus.FAILED: _GIVEN_UP | {StepStatus.SUCCEEDED},
    StepStatus.SKIPPED: _GIVEN_UP | {StepStatus.SUCCEEDED},
}
"""What may be recorded of a settled step; of any other, everything."""


class LogEntry(Contract):
    """An execution, its command, and who is at work on which step."""

    command: ExecutionCommand
    execution: Execution
    claims: tuple[int, ...]
    """For each step, the millisecond until which a worker holds it; 0 for nobody."""
    dead_since: int | None = None
    """The millisecond at which it was dead-lettered; None while it is not."""

    @property
    def is_unfinished(self) -> bool:
        """Whether it may still be carried out by itself."""
        return self.execution.status not in ENDED


def new_entry(command: ExecutionCommand, steps: Sequence[ExecutionStep], now: datetime) -> LogEntry:
    """An execution that waits in the queue."""
    moment = _cut(now)
    execution = Execution(
        execution_id=command.execution_id,
        request_id=command.request_id,
        status=ExecutionStatus.QUEUED,
        attempts=0,
        steps=tuple(steps),
        created_at=moment,
        updated_at=moment,
    )
    return LogEntry(command=command, execution=execution, claims=(0,) * len(execution.steps))


def require_same(entry: LogEntry, command: ExecutionCommand) -> None:
    """Raises `Conflict` for another request or other actions; who asked, and when, is no part of what is done."""
    if _substance(entry.command) != _substance(command):
        raise Conflict(f"The execution id {command.execution_id} was used for other actions.")


def opened(entry: LogEntry, now: datetime) -> LogEntry:
    """With one more attempt; what was dead-lettered begins anew, and what succeeded stays as it is."""
    execution = entry.execution
    if execution.status is ExecutionStatus.SUCCEEDED:
        return entry
    begins_anew = execution.status is ExecutionStatus.DEAD_LETTERED
    changes = {
        "status": ExecutionStatus.RUNNING,
        "attempts": execution.attempts + 1,
        "reason": None,
        "steps": tuple(map(_queued_again, execution.steps)) if begins_anew else execution.steps,
        "updated_at": _cut(now),
    }
    return entry.model_copy(update={"execution": execution.model_copy(update=changes), "dead_since": None})


def claimed(entry: LogEntry, index: int, now: datetime, lease_s: float) -> LogEntry | None:
    """With the step held and its attempt counted, or None where it is settled or held."""
    if not _is_free(entry, index, now) or (step := entry.execution.steps[index]).status not in CLAIMABLE:
        return None
    running = step.model_copy(update={"status": StepStatus.RUNNING, "attempts": step.attempts + 1})
    return _held(_with_step(entry, index, running), index, now, lease_s)


def claimed_to_undo(entry: LogEntry, index: int, now: datetime, lease_s: float) -> LogEntry | None:
    """With the step held, or None unless it is Succeeded and free."""
    if not _is_free(entry, index, now) or entry.execution.steps[index].status is not StepStatus.SUCCEEDED:
        return None
    return _held(entry, index, now, lease_s)


def recorded(entry: LogEntry, index: int, step: ExecutionStep, now: datetime) -> LogEntry:
    """With what came of a step and nobody holding it; as it was where a later word has been said of the step."""
    known = entry.execution.steps[index]
    if step.round < known.round or step.status not in _MAY_BECOME.get(known.status, frozenset(StepStatus)):
        return entry
    if known.status is step.status is StepStatus.SUCCEEDED:
        return entry.model_copy(update={"claims": _replaced(entry.claims, index, 0)})
    # One fewer than were claimed: the outside system had no room, and nothing was sent.
    attempts = step.attempts if step.attempts == known.attempts - 1 else max(known.attempts, step.attempts)
    kept = step.model_copy(update={"attempts": attempts})
    told = _with_step(entry, index, kept)
    return told.model_copy(
        update={
            "claims": _replaced(entry.claims, index, 0),
            "execution": told.execution.model_copy(update={"updated_at": _cut(now)}),
        }
    )


def finished(entry: LogEntry, execution: Execution) -> LogEntry:
    """With the status and reason of `execution`; as it was where it had succeeded."""
    if entry.execution.status is ExecutionStatus.SUCCEEDED:
        return entry
    moment = _cut(execution.updated_at)
    changes = {"status": execution.status, "reason": execution.reason, "updated_at": moment}
    is_dead = execution.status is ExecutionStatus.DEAD_LETTERED
    dead_since = to_millis(moment) if entry.dead_since is None else entry.dead_since
    return entry.model_copy(
        update={
            "execution": entry.execution.model_copy(update=changes),
            "dead_since": dead_since if is_dead else None,
        }
    )


def is_about(scope: ErasureScope, request_id: str | None, command: str) -> bool:
    """Whether an execution for this request with this command, as JSON, is for the scope or names the resident."""
    names = (json.dumps(scope.resident_id), json.dumps(scope.pseudonym))
    return request_id in scope.request_ids or any(name in command for name in names)


def erased(entry: LogEntry, scope: ErasureScope) -> LogEntry:
    """Without words about the resident: neither in the command nor in why something failed."""
    steps = tuple(
        step if step.error is None else step.model_copy(update={"error": ERASED}) for step in entry.execution.steps
    )
    reason = None if entry.execution.reason is None else ERASED
    execution = entry.execution.model_copy(update={"steps": steps, "reason": reason})
    return entry.model_copy(update={"command": scope.command(entry.command), "execution": execution})


def _substance(command: ExecutionCommand) -> str:
    return command.model_dump_json(include={"request_id", "actions"})


def _queued_again(step: ExecutionStep) -> ExecutionStep:
    # What could not be taken back still stands: to do it again would be to do it twice.
    if step.status not in _GIVEN_UP | {StepStatus.UNDONE}:
        return step
    changes: dict[str, Any] = {"status": StepStatus.QUEUED, "attempts_before": step.attempts}
    if step.status is StepStatus.UNDONE:
        # A new round has a key of its own: the outside system would answer the old one with what was taken back.
        changes |= {"round": step.round + 1, "external_id": None, "is_work_done": False}
    return step.model_copy(update=changes)


def _is_free(entry: LogEntry, index: int, now: datetime) -> bool:
    return 0 <= index < len(entry.claims) and entry.claims[index] <= to_millis(now)


def _held(entry: LogEntry, index: int, now: datetime, lease_s: float) -> LogEntry:
    return entry.model_copy(update={"claims": _replaced(entry.claims, index, to_millis(now) + round(lease_s * 1000))})


def _with_step(entry: LogEntry, index: int, step: ExecutionStep) -> LogEntry:
    steps = tuple(step if place == index else old for place, old in enumerate(entry.execution.steps))
    return entry.model_copy(update={"execution": entry.execution.model_copy(update={"steps": steps})})


def _replaced(claims: tuple[int, ...], index: int, until: int) -> tuple[int, ...]:
    return (*claims[:index], until, *claims[index + 1 :])


def _cut(moment: datetime) -> datetime:
    """To the millisecond, as it is stored."""
    return from_millis(to_millis(moment))
