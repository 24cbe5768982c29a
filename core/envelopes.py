"""How commands to Execution, and the news that comes back, travel through a queue.

The id of a message is made of what it says, so that sending the same thing again is sending nothing.
"""

from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from core.contract import Contract
from core.errors import Invalid
from core.execution import ExecutionCommand, ExecutionOutcome
from core.ports.queue import QueueMessage

COMMAND_TYPE = "aam.execution.v1"
OUTCOME_TYPE = "aam.execution-outcome.v1"

ContractT = TypeVar("ContractT", bound=Contract)


def wrap_command(command: ExecutionCommand, now: datetime) -> QueueMessage:
    """The message that carries a command; its id is the execution's."""
    return QueueMessage(
        message_id=command.execution_id,
        type=COMMAND_TYPE,
        data=command.model_dump(mode="json"),
        time=now,
        correlation_id=command.correlation_id,
    )


def unwrap_command(message: QueueMessage) -> ExecutionCommand:
    """The command in a message. Raises `Invalid` on another type, version or shape."""
    return _unwrap(message, COMMAND_TYPE, ExecutionCommand)


def wrap_outcome(outcome: ExecutionOutcome, *, correlation_id: str, job: str | None = None) -> QueueMessage:
    """The message that carries news of an execution.

    Its id is `execution_id:kind`, so each kind of news is told once; `job` sets apart the jobs that one execution
    opened on the operations desk.
    """
    parts = [outcome.execution_id, outcome.kind] + ([job] if job is not None else [])
    return QueueMessage(
        message_id=":".join(parts),
        type=OUTCOME_TYPE,
        data=outcome.model_dump(mode="json"),
        time=outcome.at,
        correlation_id=correlation_id,
    )


def unwrap_outcome(message: QueueMessage) -> ExecutionOutcome:
    """The news in a message. Raises `Invalid` on another type, version or shape."""
    return _unwrap(message, OUTCOME_TYPE, ExecutionOutcome)


def _unwrap(message: QueueMessage, expected: str, contract: type[ContractT]) -> ContractT:
    if message.type != expected:
        raise Invalid(f"A message of type {message.type[:80]!r} came where {expected} is understood.")
    try:
        return contract.model_validate(dict(message.data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"The data do not fit {expected}: {where}: {first['msg']}.") from None
