"""Tells requests and staff how executions go."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from core.actions import parse_parameters
from core.envelopes import wrap_outcome
from core.errors import AppError, StoreUnavailable, Unavailable
from core.execution import ActionCall, Execution, ExecutionCommand, ExecutionOutcome, Notification
from core.execution_labels import ActionKind, NoticeKind, StepStatus
from core.labels import Role, Urgency
from core.ports.execution import Notifier
from core.ports.queue import Queue, QueueMessage
from core.request import ExecutionStep, RequestId

logger = logging.getLogger(__name__)

News = Literal["running", "succeeded", "failed", "dead_lettered"]
MOST_CHARACTERS = 8000
PAID_AT_ONCE = frozenset({ActionKind.CREDIT_BILL, ActionKind.CORRECT_BILL, ActionKind.ORDER_PART})
"""What is done at once costs what its parameters say; nobody tells it later."""


class Reports:
    """News for the request by the outcomes queue, and messages to staff by the notifier."""

    def __init__(self, outcomes: Queue, notifier: Notifier, *, timeout_s: float, clock: Callable[[], datetime]) -> None:
        self._outcomes = outcomes
        self._notifier = notifier
        self._timeout_s = timeout_s
        self._clock = clock

    async def announce(self, command: ExecutionCommand, execution: Execution, kind: News) -> bool:
        """Whether the news was stored; for news that may be told later, or never."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.store(command, execution, kind)
        except (Unavailable, TimeoutError):
            logger.warning("news %s of %s could not be stored", kind, execution.execution_id)
            return False
        return True

    async def store(self, command: ExecutionCommand, execution: Execution, kind: News) -> None:
        """Store the news, with that of all work that is done already where it is of the end."""
        if execution.request_id is None:
            return
        request_id = execution.request_id
        outcome = ExecutionOutcome(
            execution_id=execution.execution_id,
            request_id=request_id,
            kind=kind,
            at=self._clock(),
            steps=execution.steps,
            notes=explain(execution) if kind in ("failed", "dead_lettered") else None,
        )
        # Each end of an execution that was tried again is news of its own; its attempts grow whenever it is opened.
        end = str(execution.attempts) if kind == "dead_lettered" else None
        messages = [wrap_outcome(outcome, correlation_id=command.correlation_id, job=end)]
        if kind in ("succeeded", "dead_lettered"):
            messages += self._completed(command, execution, request_id)
        await self._outcomes.send(messages)

    async def tell_staff(
        self, execution: Execution, urgency: Urgency, *, reason: str, key: str, is_end: bool = False
    ) -> None:
        """Tell staff, once for each key, that an execution needs them.

        Best effort while tries go on. Of an end, raises `StoreUnavailable` where the notifier could not take it.
        """
        fields = {
            "execution_id": execution.execution_id,
            "reason": reason[:MOST_CHARACTERS],
            "done": describe_done(execution)[:MOST_CHARACTERS],
        }
        subject = f"Execution {execution.execution_id} needs a person"
        body = f"{fields['reason']} {fields['done']}"
        notification = _for_staff("execution_needs_person", fields, (subject, body), urgency, execution.request_id)
        await self._notify(notification, key, is_end=is_end)

    async def tell_unreadable(self, message_id: str, reason: str) -> None:
        """Tell staff, once, of a message that can't be read. Raises `StoreUnavailable`."""
        fields = {"message_id": message_id, "reason": reason[:MOST_CHARACTERS]}
        words = (f"Message {message_id} can't be read", fields["reason"])
        notification = _for_staff("message_unreadable", fields, words, Urgency.HIGH, None)
        await self._notify(notification, f"{message_id}:unreadable", is_end=True)

    def _completed(self, command: ExecutionCommand, execution: Execution, request_id: RequestId) -> list[QueueMessage]:
        done = [
            (call, step)
            for call, step in zip(command.actions, execution.steps, strict=True)
            if step.is_work_done and step.status is StepStatus.SUCCEEDED
        ]
        return [
            wrap_completion(
                ExecutionOutcome(
                    execution_id=execution.execution_id,
                    request_id=request_id,
                    kind="work_completed",
                    at=execution.updated_at,
                    actual_cost_usd=_cost_usd(call),
                    job=step.external_id,
                ),
                step,
                command.correlation_id,
            )
            for call, step in done
        ]

    async def _notify(self, notification: Notification, key: str, *, is_end: bool) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._notifier.send(notification, idempotency_key=key, now=self._clock())
        except (Unavailable, TimeoutError) as error:
            logger.warning("nobody could be told yet: %s: %r", notification.subject, error)
            if is_end:
                raise StoreUnavailable("Staff could not be told yet that they are needed.") from None
        except AppError:
            # Another try would be refused as well; the dead letter and the news of it stand.
            logger.exception("nobody could be told: %s", notification.subject)


def _for_staff(
    event: str, fields: dict[str, str], words: tuple[str, str], urgency: Urgency, request_id: RequestId | None
) -> Notification:
    return Notification(
        recipient_kind="staff_role",
        recipient=Role.STAFF,
        role=Role.STAFF,
        subject=words[0],
        body=words[1],
        event=event,
        fields=fields,
        kind=NoticeKind.WORK,
        urgency=urgency,
        request_id=request_id,
    )


def _cost_usd(call: ActionCall) -> float | None:
    return parse_parameters(call.action, call.parameters).cost_usd if call.action in PAID_AT_ONCE else None


def wrap_completion(outcome: ExecutionOutcome, step: ExecutionStep, correlation_id: str) -> QueueMessage:
    """The news that a step's work is done, the same whoever tells it: ids of two systems may be alike."""
    return wrap_outcome(outcome, correlation_id=correlation_id, job=f"{step.system}/{step.external_id}")


def count_tries(execution: Execution) -> int:
    """Tries of all steps so far; it stands still once none of them is tried again."""
    return sum(step.attempts for step in execution.steps)


def explain(execution: Execution) -> str:
    """Why it did not succeed: one sentence or more for each step that has an error."""
    failed = [step for step in execution.steps if step.status is StepStatus.FAILED]
    told = failed or [step for step in execution.steps if step.error]
    reasons = [f"{step.action}: {step.error}" for step in told if step.error]
    return " ".join(reasons) or "No step has told why."


def describe_done(execution: Execution) -> str:
    """What stands, what was taken back, and what a person has to take back, in words for staff."""
    titles = {
        StepStatus.SUCCEEDED: "Done",
        StepStatus.UNDONE: "Taken back",
        StepStatus.NOT_UNDONE: "Done, and could not be taken back",
        StepStatus.FAILED: "Failed",
        StepStatus.SKIPPED: "Left out",
    }
    parts: list[str] = []
    for status, title in titles.items():
        named = [_name(step) for step in execution.steps if step.status is status]
        if named:
            parts.append(f"{title}: {', '.join(named)}.")
    return " ".join(parts) or "Nothing was done."


def _name(step: ExecutionStep) -> str:
    identified = f"{step.action} ({step.system} {step.external_id})" if step.external_id else str(step.action)
    why = step.status in (StepStatus.NOT_UNDONE, StepStatus.FAILED) and step.error
    return f"{identified}: {step.error.rstrip('.')}" if why and step.error else identified
