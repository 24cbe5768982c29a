"""Carries out a command's actions, each once in effect, and tells what came of them.

Actions that do not need one another are tried side by side, in the order of the command where they go to the same
system. An execution is `Failed` while it waits for another attempt, or for something to be taken back, and
`DeadLettered` once it waits for a person; then everything is settled: done, taken back, or left as it is.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.errors import SystemBusy
from core.execution import Execution, ExecutionCommand
from core.execution_labels import ActionKind, ExecutionStatus, StepStatus
from core.labels import Urgency
from core.metrics import EXECUTIONS, UNMETERED, Meter
from core.ports.execution import ExecutionLog, Notifier, OutsideSystem
from core.ports.queue import Queue, QueueMessage
from core.request import ExecutionId, ExecutionStep
from deployments.execution.actions import NotifierSystem, Routing
from deployments.execution.dependencies import UNSETTLED, Dependencies
from deployments.execution.reports import Reports, count_tries, explain
from deployments.execution.retries import RETRY, RetryPolicy, Turn, shortest_wait_s
from deployments.execution.steps import Steps, is_settled

ENDED = frozenset({ExecutionStatus.SUCCEEDED, ExecutionStatus.DEAD_LETTERED})


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Progress:
    """How an execution stands after a turn."""

    execution: Execution
    wait_s: float | None = None
    """After how long another turn may be worth while; None where its tries were made and failed."""

    was_over: bool = False
    """It had ended before the turn, which only told of that again."""


class Board:
    """The steps of one command as they come out while a worker is at it."""

    def __init__(self, command: ExecutionCommand, before: Execution, steps: Sequence[ExecutionStep]) -> None:
        self.command = command
        self.before = before
        self.steps = list(steps)
        self.needs = Dependencies(command.actions)
        self.busy: list[SystemBusy] = []

    def goes_after(self, index: int) -> frozenset[int]:
        """What is tried before the step: all that it needs, and the step before it that goes to the same system."""
        system = self.steps[index].system
        same = [place for place in range(index) if self.steps[place].system == system]
        return self.needs.direct(index) | frozenset(same[-1:])

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be tried or to be taken back."""
        return all(map(is_settled, self.steps)) and not self.needs.to_undo(self.steps)


class Executor:
    """Runs one command at a time; may be used by many tasks at once."""

    def __init__(
        self,
        log: ExecutionLog,
        systems: Mapping[str, OutsideSystem],
        routes: Mapping[ActionKind, str],
        notifier: Notifier,
        outcomes: Queue,
        *,
        retries: RetryPolicy | None = None,
        call_timeout_s: float = 30.0,
        call_limits: Mapping[str, float] | None = None,
        clock: Callable[[], datetime] = utc_now,
        meter: Meter = UNMETERED,
    ) -> None:
        """`call_limits` bounds one call of an outside system with its own repetitions; else `call_timeout_s` does.

        Raises `Invalid` for a route to a system that is not there.
        """
        self._log = log
        self._routing = Routing(systems, routes, NotifierSystem(notifier, clock))
        self._retries = retries or RetryPolicy()
        self._steps = Steps(
            log,
            self._routing,
            retries=self._retries,
            call_timeout_s=call_timeout_s,
            call_limits=call_limits or {},
            clock=clock,
        )
        self._reports = Reports(outcomes, notifier, timeout_s=min(call_timeout_s, 10.0), clock=clock)
        self._clock = clock
        self._meter = meter

    def plan(self, command: ExecutionCommand) -> tuple[ExecutionStep, ...]:
        """The steps of a command, none of them tried. Raises `Invalid` for needs that are no earlier actions."""
        Dependencies(command.actions)
        return self._routing.steps(command)

    async def execute(self, command: ExecutionCommand, turn: Turn | None = None) -> Progress:
        """Try every step that can be done now, take back what has lost its purpose, and say how it stands.

        Its status is `Succeeded`, `DeadLettered` (a person has been told), `Failed` (again later) or `Running` (another
        worker is at it: again later). Returns only after the news of an end is stored. What was dead-lettered is only
        told again, unless the turn is a retry.

        Raises `StoreUnavailable` (also where staff could not be told of an end), `QueueUnavailable`, `Conflict` where
        the id was used for other actions, and `Invalid` as `plan`.
        """
        turn = turn or Turn(self._clock())
        execution = before = await self._log.register(command, self.plan(command), now=self._clock())
        dead = execution.status is ExecutionStatus.DEAD_LETTERED
        if execution.status is ExecutionStatus.SUCCEEDED or (dead and not turn.begins_anew(execution)):
            # The worker that ended it may have been stopped before it told.
            return Progress(await self._tell_end(command, execution), was_over=True)
        over = None if dead else self._retries.why_over(execution, turn, self._clock())
        if over is not None:
            return await self.give_up(command, reason=over)
        execution = await self._log.open(command, self.plan(command), now=self._clock())
        # Beside the steps and not before them: a queue that hangs must not hold up an alert.
        announcement = asyncio.create_task(self._reports.announce(command, execution, "running"))
        board = Board(command, before, execution.steps)
        try:
            await self._try_all(board, turn.resting)
        finally:
            announced = await announcement
        await self._compensate(board, last=False)
        return await self._conclude(board, execution, announced=announced)

    async def give_up(self, command: ExecutionCommand, *, reason: str) -> Progress:
        """Try a command no more, take back what has lost its purpose, and leave the rest to a person.

        It goes on where another worker has a step of it. Raises as `execute`.
        """
        execution = await self._log.register(command, self.plan(command), now=self._clock())
        if execution.status in ENDED:
            return Progress(await self._tell_end(command, execution), was_over=True)
        board = Board(command, execution, execution.steps)
        for index, step in enumerate(board.steps):
            if step.status in UNSETTLED:
                why = board.needs.why_skipped(index, board.steps)
                end = self._steps.fail if why is None else self._steps.skip
                board.steps[index] = await end(command, index, step, why or reason)
        await self._compensate(board, last=True)
        return await self._conclude(board, execution, announced=False, reason=reason)

    async def give_up_unreadable(self, message: QueueMessage, *, reason: str) -> Progress | None:
        """Tell a person of a message that can't be taken, and end the execution that it was about, if there is one.

        Raises as `execute`.
        """
        execution_id = ExecutionId(message.message_id.partition(RETRY)[0])
        command = await self._log.command(execution_id)
        progress = await self.give_up(command, reason=reason) if command is not None else None
        if progress is None or progress.was_over:
            # Of its end staff may have heard long ago; of this message they have not.
            await self._reports.tell_unreadable(message.message_id, reason)
        return progress

    async def _try_all(self, board: Board, resting: frozenset[int]) -> None:
        tasks: list[asyncio.Task[None]] = []
        for index in range(len(board.steps)):
            if index in resting:
                tasks.append(asyncio.create_task(_nothing()))
                continue
            earlier = {tasks[place] for place in board.goes_after(index)}
            tasks.append(asyncio.create_task(_after(earlier, lambda index=index: self._try_one(board, index))))
        try:
            # All of them end before the first problem is raised: a call under way must be recorded.
            problems = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
        for problem in problems:
            if problem is not None:
                raise problem

    async def _try_one(self, board: Board, index: int) -> None:
        step = board.steps[index]
        if is_settled(step):
            return
        if board.needs.is_ready(index, board.steps) and board.needs.why_skipped(index, board.steps) is None:
            tried = await self._steps.attempt(board.command, index, board.needs)
            board.steps[index] = tried.step
            if tried.busy is not None:
                board.busy.append(tried.busy)

    async def _compensate(self, board: Board, *, last: bool) -> None:
        """Leave out what can't be tried any more, and take back what has lost its purpose."""
        for index, step in enumerate(board.steps):
            why = None if is_settled(step) else board.needs.why_skipped(index, board.steps)
            if why is not None:
                board.steps[index] = await self._steps.skip(board.command, index, step, why)
        for index in board.needs.to_undo(board.steps):
            if board.needs.can_undo(index, board.steps):
                board.steps[index] = await self._steps.undo(board.command, index, board.needs, last=last)

    async def _conclude(
        self, board: Board, execution: Execution, *, announced: bool, reason: str | None = None
    ) -> Progress:
        if not board.is_settled:
            # Another worker may have some of the steps; whoever sees the last of them done concludes.
            current = await self._log.get(execution.execution_id) or execution
            board.steps = list(current.steps)
        execution = execution.model_copy(update={"steps": tuple(board.steps)})
        statuses = {step.status for step in board.steps}
        if not board.is_settled:
            return await self._wait(board, execution)
        if StepStatus.FAILED in statuses:
            return Progress(await self._abandon(board.command, execution, reason or explain(execution)))
        if not announced:
            await self._reports.store(board.command, execution, "running")
        return Progress(await self._succeed(board.command, execution))

    async def _wait(self, board: Board, execution: Execution) -> Progress:
        """It goes on later; staff hear of it now where that should not wait."""
        command = board.command
        if any(step.status is StepStatus.RUNNING for step in board.steps):
            progress = Progress(execution)
        else:
            execution = await self._finish(execution, ExecutionStatus.FAILED)
            if not _looks_alike(board.before, execution):
                await self._reports.announce(command, execution, "failed")
            progress = Progress(execution, shortest_wait_s(board.busy))
        if board.needs.to_undo(board.steps):
            reason = f"{explain(execution)} What had been done for it could not be taken back yet; tries go on."
            key = f"{command.execution_id}:not_taken_back:{count_tries(execution)}"
            await self._reports.tell_staff(execution, command.urgency, reason=reason, key=key)
        elif self._retries.is_late(command, execution, self._clock()):
            waited_s = (self._clock() - execution.created_at).total_seconds()
            reason = f"It has not succeeded for {waited_s:.0f} seconds; tries go on. {explain(execution)}"
            key = f"{command.execution_id}:late"
            await self._reports.tell_staff(execution, Urgency.EMERGENCY, reason=reason, key=key)
        return progress

    async def _abandon(self, command: ExecutionCommand, execution: Execution, reason: str) -> Execution:
        execution = await self._finish(execution, ExecutionStatus.DEAD_LETTERED, reason)
        # Other workers may have opened it meanwhile; all of them must tell of this end under the same ids.
        current = await self._log.get(execution.execution_id) or execution
        return await self._tell_end(command, execution.model_copy(update={"attempts": current.attempts}))

    async def _succeed(self, command: ExecutionCommand, execution: Execution) -> Execution:
        return await self._tell_end(command, await self._finish(execution, ExecutionStatus.SUCCEEDED))

    async def _tell_end(self, command: ExecutionCommand, execution: Execution) -> Execution:
        """Tell of the end, once, however often this is called."""
        if execution.status is ExecutionStatus.SUCCEEDED:
            await self._reports.store(command, execution, "succeeded")
            return execution
        await self._reports.store(command, execution, "dead_lettered")
        key = f"{execution.execution_id}:abandoned:{execution.attempts}"
        reason = execution.reason or explain(execution)
        await self._reports.tell_staff(execution, command.urgency, reason=reason, key=key, is_end=True)
        return execution

    async def _finish(self, execution: Execution, status: ExecutionStatus, reason: str | None = None) -> Execution:
        finished = execution.model_copy(update={"status": status, "updated_at": self._clock(), "reason": reason})
        await self._log.finish(finished)
        if status in ENDED:
            self._meter.add(EXECUTIONS, status=status)
        return finished


def _looks_alike(before: Execution, after: Execution) -> bool:
    """Whether a turn left everything as it was, so that there is no news of it."""
    return before.status is after.status and [s.status for s in before.steps] == [s.status for s in after.steps]


async def _nothing() -> None:
    """Stands for a step that rests."""


async def _after(earlier: set[asyncio.Task[None]], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if earlier:
        await asyncio.wait(earlier)
    await work()
