"""Tries single steps of commands, and takes them back, each by one worker at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from core.actions import parse_parameters
from core.errors import ActionRejected, BrokenInvariant, Rejected, SystemBusy, Unavailable
from core.execution import ExecutionCommand
from core.execution_labels import MESSAGES, StepStatus
from core.ports.execution import Effect, ExecutionLog
from core.request import ExecutionStep
from deployments.execution.actions import Routing, context_of
from deployments.execution.dependencies import UNSETTLED, Dependencies
from deployments.execution.retries import RetryPolicy

logger = logging.getLogger(__name__)

T = TypeVar("T")
LEASE_MARGIN_S = 5.0
MESSAGE_TIMEOUT_S = 5.0
"""For one call of the notifier, which only stores; a worker that dies must not hold an alert for long."""


@dataclass(frozen=True)
class Tried:
    """What came of one try."""

    step: ExecutionStep
    busy: SystemBusy | None = None
    """The try does not count: the system had no room and was not called, or the notifier did not answer."""


class Problem(Exception):
    """A try that failed: `is_final` where another would not help, `is_silence` where there was no answer."""

    def __init__(self, text: str, *, is_final: bool = False, is_silence: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.is_final = is_final
        self.is_silence = is_silence


class Steps:
    """Claims steps in the log, calls their outside systems, and records what came of it.

    `call_limits` bounds each call of a system, by its name, and `call_timeout_s` those of all others. A claim outlasts
    the calls that it covers: the question whether it was done already, and the doing.
    """

    def __init__(
        self,
        log: ExecutionLog,
        routing: Routing,
        *,
        retries: RetryPolicy,
        call_timeout_s: float,
        call_limits: Mapping[str, float],
        clock: Callable[[], datetime],
    ) -> None:
        self._log = log
        self._routing = routing
        self._retries = retries
        self._call_timeout_s = call_timeout_s
        self._call_limits = call_limits
        self._clock = clock

    async def attempt(self, command: ExecutionCommand, index: int, needs: Dependencies) -> Tried:
        """Try a step, unless another worker has it or it is settled."""
        claimed = await self._log.claim_step(
            command.execution_id, index, now=self._clock(), lease_s=self._lease_s(command, index)
        )
        # Read after the claim: what other workers did before it counts.
        steps = await self._read(command)
        if not claimed:
            return Tried(steps[index])
        untried = steps[index].model_copy(
            update={"attempts": max(0, steps[index].attempts - 1), "status": StepStatus.QUEUED}
        )
        before = (*steps[:index], untried, *steps[index + 1 :])
        if (why := needs.why_skipped(index, before)) is not None:
            tried = Tried(_skipped(untried, why))
        elif not needs.is_ready(index, before):
            tried = Tried(untried)
        else:
            tried = await self._try(command, index, untried)
        await self._log.record_step(command.execution_id, index, tried.step, now=self._clock())
        return tried

    async def skip(self, command: ExecutionCommand, index: int, step: ExecutionStep, why: str) -> ExecutionStep:
        """Leave a step out for good."""

        async def skipped(current: ExecutionStep) -> ExecutionStep:
            return _skipped(current, why)

        return await self._settle(command, index, skipped) or step

    async def fail(self, command: ExecutionCommand, index: int, step: ExecutionStep, why: str) -> ExecutionStep:
        """Try a step no more, unless one of its tries did it after all; as it stands where another worker has it."""

        async def ended(current: ExecutionStep) -> ExecutionStep:
            if current.attempts > current.attempts_before:
                return await self._last_word(command, index, current, current.error or why)
            return _failed(current, current.error or why)

        return await self._settle(command, index, ended) or step

    async def undo(self, command: ExecutionCommand, index: int, needs: Dependencies, *, last: bool) -> ExecutionStep:
        """Take back a step that succeeded; as it stands where that must be tried again, or another worker does it.

        `last`: what can't be taken back now is left to a person.
        """
        claimed = await self._log.claim_undo(
            command.execution_id, index, now=self._clock(), lease_s=self._lease_s(command, index)
        )
        steps = await self._read(command)
        step = steps[index]
        if not claimed or step.status is not StepStatus.SUCCEEDED:
            return step
        # Read after the claim: a worker that began a step that rests on this one did so before the failure.
        undone = await self._take_back(command, index, step, last=last) if needs.can_undo(index, steps) else step
        await self._log.record_step(command.execution_id, index, undone, now=self._clock())
        return undone

    async def _settle(
        self, command: ExecutionCommand, index: int, change: Callable[[ExecutionStep], Awaitable[ExecutionStep]]
    ) -> ExecutionStep | None:
        claimed = await self._log.claim_step(
            command.execution_id, index, now=self._clock(), lease_s=self._lease_s(command, index)
        )
        current = (await self._read(command))[index]
        if not claimed:
            return current
        settled = await change(current.model_copy(update={"attempts": max(0, current.attempts - 1)}))
        await self._log.record_step(command.execution_id, index, settled, now=self._clock())
        return settled

    async def _try(self, command: ExecutionCommand, index: int, step: ExecutionStep) -> Tried:
        """`step`: as it was before this try."""
        most, is_message = self._retries.attempts, step.action in MESSAGES
        if step.attempts - step.attempts_before >= most and not is_message:
            # Workers that were stopped at it: one of them may have done it.
            why = f"{most} tries have ended without a result. {step.error or ''}".strip()
            return Tried(await self._last_word(command, index, step, why))
        counted = step.model_copy(update={"attempts": step.attempts + 1})
        try:
            effect = await self._guarded(step, lambda: self._perform(command, index, step))
        except SystemBusy as busy:
            return Tried(step.model_copy(update={"error": busy.detail}), busy)
        except Problem as problem:
            if problem.is_final:
                return Tried(_failed(counted, problem.text))
            if problem.is_silence and is_message:
                # The notifier keeps messages in a store of our own, and sends once by its key: time alone ends this.
                waiting = SystemBusy(problem.text, self._retries.message_wait_s(command.urgency))
                return Tried(step.model_copy(update={"error": problem.text}), waiting)
            if counted.attempts - step.attempts_before < most:
                return Tried(counted.model_copy(update={"error": problem.text}))
            why = f"Given up after {most} tries. {problem.text}"
            return Tried(await self._last_word(command, index, counted, why))
        return Tried(_succeeded(counted, effect))

    async def _perform(self, command: ExecutionCommand, index: int, step: ExecutionStep) -> Effect:
        call = command.actions[index]
        parse_parameters(call.action, call.parameters)
        system, context = self._routing.system(step), context_of(command, index, step.round)
        if step.attempts > 0:
            async with asyncio.timeout(self._timeout_s(step)):
                found = await system.find(call, context)
            if found is not None:
                return found
        async with asyncio.timeout(self._timeout_s(step)):
            return await system.perform(call, context)

    async def _last_word(self, command: ExecutionCommand, index: int, step: ExecutionStep, why: str) -> ExecutionStep:
        """The step failed, unless its system can tell now that one of its tries did it after all."""
        context = context_of(command, index, step.round)
        try:
            async with asyncio.timeout(self._timeout_s(step)):
                found = await self._routing.system(step).find(command.actions[index], context)
        except Exception as error:
            logger.warning("%s can't tell what became of %s: %r", step.system, context.idempotency_key, error)
            found = None
        return _failed(step, why) if found is None else _succeeded(step, found)

    async def _take_back(
        self, command: ExecutionCommand, index: int, step: ExecutionStep, *, last: bool
    ) -> ExecutionStep:
        try:
            undone = await self._guarded(step, lambda: self._call_undo(command, index, step))
        except SystemBusy as busy:
            return _not_undone(step, busy.detail) if last else step
        except Problem as problem:
            return _not_undone(step, problem.text) if last or problem.is_final else step
        if not undone:
            return _not_undone(step, f"{step.system} can't take it back.")
        return step.model_copy(update={"status": StepStatus.UNDONE, "error": None})

    async def _call_undo(self, command: ExecutionCommand, index: int, step: ExecutionStep) -> bool:
        if step.external_id is None:
            raise BrokenInvariant(f"Step {index} of {command.execution_id} succeeded without an outside id.")
        system, context = self._routing.system(step), context_of(command, index, step.round)
        async with asyncio.timeout(self._timeout_s(step)):
            return await system.undo(command.actions[index], context, step.external_id)

    async def _guarded(self, step: ExecutionStep, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives. Raises `SystemBusy` where nothing was sent, else `Problem`."""
        try:
            return await work()
        except SystemBusy:
            raise
        except (Rejected, ActionRejected) as error:
            raise Problem(error.detail, is_final=True) from None
        except Unavailable as error:
            raise Problem(error.detail, is_silence=True) from None
        except TimeoutError:
            text = f"{step.system} did not answer within {self._timeout_s(step):g} seconds."
            raise Problem(text, is_silence=True) from None
        except Exception:
            logger.exception("a call of %s failed in an unexpected way", step.system)
            raise Problem(f"{step.system} failed in an unexpected way.") from None

    async def _read(self, command: ExecutionCommand) -> Sequence[ExecutionStep]:
        execution = await self._log.get(command.execution_id)
        if execution is None:
            raise BrokenInvariant(f"The execution {command.execution_id} has lost its log.")
        return execution.steps

    def _timeout_s(self, step: ExecutionStep) -> float:
        limit_s = self._call_limits.get(step.system, self._call_timeout_s)
        return min(MESSAGE_TIMEOUT_S, limit_s) if step.action in MESSAGES else limit_s

    def _lease_s(self, command: ExecutionCommand, index: int) -> float:
        """Longer than the three calls that a claim may cover, as the routes are now."""
        return 3 * self._timeout_s(self._routing.steps(command)[index]) + LEASE_MARGIN_S


def is_settled(step: ExecutionStep) -> bool:
    """Whether no further try is made."""
    return step.status not in UNSETTLED


def _succeeded(step: ExecutionStep, effect: Effect) -> ExecutionStep:
    update: dict[str, Any] = {
        "status": StepStatus.SUCCEEDED,
        "external_id": effect.external_id,
        "error": None,
        "is_work_done": effect.is_done and step.action not in MESSAGES,
    }
    return step.model_copy(update=update)


def _failed(step: ExecutionStep, error: str) -> ExecutionStep:
    return step.model_copy(update={"status": StepStatus.FAILED, "error": error})


def _skipped(step: ExecutionStep, why: str) -> ExecutionStep:
    return step.model_copy(update={"status": StepStatus.SKIPPED, "error": why})


def _not_undone(step: ExecutionStep, why: str) -> ExecutionStep:
    return step.model_copy(update={"status": StepStatus.NOT_UNDONE, "error": f"It could not be taken back: {why}"})
