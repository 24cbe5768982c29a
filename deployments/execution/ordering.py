"""Keeps the commands of one request in their order, whichever replica has them."""

from collections.abc import Callable
from datetime import datetime, timedelta

from core.execution import ExecutionCommand
from core.execution_labels import ExecutionStatus
from core.labels import Urgency
from core.ports.execution import ExecutionLog

PAUSE_S = 1.0
LONGEST_WAIT = timedelta(seconds=60)
"""From the message's time; an earlier command that nobody knows must not hold up a later one for ever."""


class Ordering:
    """Says whether a command may begin."""

    def __init__(self, log: ExecutionLog, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    async def may_begin(self, command: ExecutionCommand, since: datetime) -> bool:
        """Whether the command before it was tried once, or need not be waited for. Raises `StoreUnavailable`."""
        if command.after is None or command.urgency is Urgency.EMERGENCY or self._clock() - since >= LONGEST_WAIT:
            return True
        own = await self._log.get(command.execution_id)
        if own is not None and own.attempts > 0:
            return True
        earlier = await self._log.get(command.after)
        if earlier is None:
            return False
        first_try_ended = earlier.status not in (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING)
        return first_try_ended or earlier.attempts > 1
