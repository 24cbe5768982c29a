"""Carries out a command's actions, each once in effect, and tells what came of them.

The actions of a command do not depend on one another: they are tried in the order given, and one that fails holds up
none of the others. A step is `Queued` until a try worked (with the error of its last try, if any), and `Failed` once no
further try is made. An execution is `Failed` while it waits for another attempt and `DeadLettered` once it waits for a
person.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from core.actions import parse_parameters
from core.envelopes import wrap_outcome
from core.errors import ActionRejected, AppError, Rejected, Unavailable
from core.labels import ExecutionStatus, Role, Urgency
from core.messages import Execution, ExecutionCommand, ExecutionOutcome, Notification
from core.ports.execution import ActionContext, ExecutionLog, Notifier, OperationsDesk, OutsideSystem
from core.ports.queue import Queue, QueueMessage
from core.request import ExecutionId, ExecutionStep
from deployments.execution.actions import route_actions

logger = logging.getLogger(__name__)

News = Literal["running", "succeeded", "failed", "dead_lettered"]

LEASE_MARGIN_S = 5.0


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Abandonment:
    """Why an execution is left to a person."""

    reason: str
    urgency: Urgency
    correlation_id: str


class Executor:
    """Runs one command at a time; may be used by many tasks at once.

    `call_timeout_s` bounds each call of an outside system. A claim on a step outlasts the two calls that it covers.
    """

    def __init__(
        self,
        log: ExecutionLog,
        desk: OperationsDesk,
        notifier: Notifier,
        outcomes: Queue,
        *,
        call_timeout_s: float = 10.0,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._log = log
        self._notifier = notifier
        self._outcomes = outcomes
        self._systems = route_actions(desk, notifier, clock)
        self._call_timeout_s = call_timeout_s
        self._lease_s = 2 * call_timeout_s + LEASE_MARGIN_S
        self._clock = clock

    def plan(self, command: ExecutionCommand) -> tuple[ExecutionStep, ...]:
        """The steps of a command, none of them tried."""
        return tuple(
            ExecutionStep(
                action=call.action, system=self._systems[call.action].name, status=ExecutionStatus.QUEUED, attempts=0
            )
            for call in command.actions
        )

    async def execute(self, command: ExecutionCommand) -> Execution:
        """Try every step that has not been done, and return the log.

        Its status is `Succeeded`, `DeadLettered` (a step was refused: a person has been told), `Failed` (try again
        later) or `Running` (another worker is at it: try again later). Returns only after the news of an end is stored.
        Raises `StoreUnavailable`, `QueueUnavailable`, and `Conflict` where the id was used for other actions.
        """
        execution = await self._log.open(command, self.plan(command), now=self._clock())
        if execution.status is ExecutionStatus.SUCCEEDED:
            # The worker that finished it may have been stopped before it told.
            return await self._succeed(execution, command.correlation_id)
        # Beside the steps and not before them: a queue that hangs must not hold up an alert.
        announcement = asyncio.create_task(self._announce(execution, "running", command.correlation_id))
        try:
            steps = [
                await self._carry_out(command, index, step) if step.status in _UNSETTLED else step
                for index, step in enumerate(execution.steps)
            ]
        finally:
            announced = await announcement
        return await self._conclude(command, execution.model_copy(update={"steps": tuple(steps)}), announced)

    async def give_up(self, command: ExecutionCommand, *, reason: str) -> Execution:
        """Leave a command that was tried often enough to a person; returns it unchanged where it succeeded after all.

        Raises as `execute`.
        """
        execution = await self._log.register(command, self.plan(command), now=self._clock())
        return await self._abandon(execution, Abandonment(reason, command.urgency, command.correlation_id))

    async def give_up_unreadable(self, message: QueueMessage, *, reason: str) -> None:
        """Tell a person of a message that can't be read, and end the execution that it was about, if there is one.

        Raises as `execute`.
        """
        abandonment = Abandonment(reason, Urgency.HIGH, message.correlation_id)
        execution = await self._log.get(ExecutionId(message.message_id))
        if execution is None:
            await self._tell_staff(message.message_id, f"Message {message.message_id} can't be read", abandonment)
        else:
            await self._abandon(execution, abandonment)

    async def _carry_out(self, command: ExecutionCommand, index: int, step: ExecutionStep) -> ExecutionStep:
        if not await self._log.claim_step(command.execution_id, index, now=self._clock(), lease_s=self._lease_s):
            current = await self._log.get(command.execution_id)
            return step if current is None else current.steps[index]
        tried = await self._try_step(command, index, step)
        await self._log.record_step(command.execution_id, index, tried, now=self._clock())
        return tried

    async def _try_step(self, command: ExecutionCommand, index: int, step: ExecutionStep) -> ExecutionStep:
        status, external_id, error_text = ExecutionStatus.QUEUED, None, None
        try:
            external_id = await self._perform(command, index, half_done=step.attempts > 0)
            status = ExecutionStatus.SUCCEEDED
        except (Rejected, ActionRejected) as error:
            status, error_text = ExecutionStatus.FAILED, error.detail
        except Unavailable as error:
            error_text = error.detail
        except TimeoutError:
            error_text = f"{step.system} did not answer within {self._call_timeout_s:g} seconds."
        except Exception:
            logger.exception("step %s of %s failed in an unexpected way", index, command.execution_id)
            error_text = f"{step.system} failed in an unexpected way."
        return step.model_copy(
            update={
                "status": status,
                "external_id": external_id,
                "attempts": step.attempts + 1,
                "error": error_text,
            }
        )

    async def _perform(self, command: ExecutionCommand, index: int, *, half_done: bool) -> str:
        """The outside id of the step's action. `half_done`: an earlier try may have reached the outside system."""
        call = command.actions[index]
        parse_parameters(call.action, call.parameters)
        system: OutsideSystem = self._systems[call.action]
        context = ActionContext(
            execution_id=command.execution_id,
            request_id=command.request_id,
            urgency=command.urgency,
            correlation_id=command.correlation_id,
            idempotency_key=f"{command.execution_id}:{index}",
        )
        if half_done:
            async with asyncio.timeout(self._call_timeout_s):
                found = await system.find(context.idempotency_key)
            if found is not None:
                return found
        async with asyncio.timeout(self._call_timeout_s):
            return await system.perform(call, context)

    async def _conclude(self, command: ExecutionCommand, execution: Execution, announced: bool) -> Execution:
        if any(step.status is ExecutionStatus.RUNNING for step in execution.steps):
            # Another worker had these steps; whoever sees the last of them done concludes.
            execution = await self._log.get(execution.execution_id) or execution
        statuses = {step.status for step in execution.steps}
        if ExecutionStatus.RUNNING in statuses:
            return execution
        if ExecutionStatus.QUEUED in statuses:
            execution = await self._finish(execution, ExecutionStatus.FAILED)
            await self._announce(execution, "failed", command.correlation_id)
            return execution
        if ExecutionStatus.FAILED in statuses:
            reason = explain_failure(execution)
            return await self._abandon(execution, Abandonment(reason, command.urgency, command.correlation_id))
        if not announced:
            await self._store_news(execution, "running", command.correlation_id)
        return await self._succeed(execution, command.correlation_id)

    async def _succeed(self, execution: Execution, correlation_id: str) -> Execution:
        execution = await self._finish(execution, ExecutionStatus.SUCCEEDED)
        await self._store_news(execution, "succeeded", correlation_id)
        return execution

    async def _abandon(self, execution: Execution, abandonment: Abandonment) -> Execution:
        for index, step in enumerate(execution.steps):
            if step.status in _UNSETTLED:
                failed = step.model_copy(
                    update={"status": ExecutionStatus.FAILED, "error": step.error or abandonment.reason}
                )
                await self._log.record_step(execution.execution_id, index, failed, now=self._clock())
        execution = await self._log.get(execution.execution_id) or execution
        if all(step.status is ExecutionStatus.SUCCEEDED for step in execution.steps):
            return await self._succeed(execution, abandonment.correlation_id)
        execution = await self._finish(execution, ExecutionStatus.DEAD_LETTERED)
        await self._store_news(execution, "dead_lettered", abandonment.correlation_id)
        subject = f"Execution {execution.execution_id} needs a person"
        await self._tell_staff(execution.execution_id, subject, abandonment, execution)
        return execution

    async def _finish(self, execution: Execution, status: ExecutionStatus) -> Execution:
        finished = execution.model_copy(update={"status": status, "updated_at": self._clock()})
        await self._log.finish(finished)
        return finished

    async def _announce(self, execution: Execution, kind: News, correlation_id: str) -> bool:
        """Whether the news was stored; for news that may be told later, or never."""
        try:
            async with asyncio.timeout(self._call_timeout_s):
                await self._store_news(execution, kind, correlation_id)
        except (Unavailable, TimeoutError):
            logger.warning("news %s of %s could not be stored", kind, execution.execution_id)
            return False
        return True

    async def _store_news(self, execution: Execution, kind: News, correlation_id: str) -> None:
        if execution.request_id is None:
            return
        outcome = ExecutionOutcome(
            execution_id=execution.execution_id,
            request_id=execution.request_id,
            kind=kind,
            at=self._clock(),
            steps=execution.steps,
            notes=explain_failure(execution) if kind in ("failed", "dead_lettered") else None,
        )
        await self._outcomes.send([wrap_outcome(outcome, correlation_id=correlation_id)])

    async def _tell_staff(
        self, key: str, subject: str, abandonment: Abandonment, execution: Execution | None = None
    ) -> None:
        """Best effort: the dead letter and the news of it stand where the notifier is what is down."""
        request_id = execution.request_id if execution else None
        about = f" It is for request {request_id}." if request_id else ""
        notification = Notification(
            recipient_kind="staff_role",
            recipient=Role.STAFF,
            role=Role.STAFF,
            subject=subject,
            body=f"It could not be carried out and will not be tried again by itself.{about} {abandonment.reason}",
            urgency=abandonment.urgency,
            request_id=request_id,
        )
        try:
            async with asyncio.timeout(self._call_timeout_s):
                await self._notifier.send(notification, idempotency_key=f"{key}:abandoned", now=self._clock())
        except (AppError, TimeoutError):
            logger.exception("nobody could be told that %s was abandoned", key)


_UNSETTLED = (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING)


def explain_failure(execution: Execution) -> str:
    """One sentence for each step that has an error."""
    reasons = [f"{step.action}: {step.error}" for step in execution.steps if step.error]
    return " ".join(reasons) or "No step has told why."
