"""The span of what a message of a queue asks for, within the trace of whoever sent it."""

from contextlib import AbstractContextManager

from core import tracing
from core.execution import ExecutionCommand
from core.ports.queue import QueueMessage


def process_span(
    message: QueueMessage, queue: str, command: ExecutionCommand | None = None
) -> AbstractContextManager[tracing.Span]:
    """Each delivery has one of its own; `command` is what the message says, where it is one."""
    attributes: dict[str, tracing.Value] = {
        "messaging.destination.name": queue,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": message.message_id,
    }
    if command is not None:
        attributes["aam.execution_id"] = command.execution_id
        if command.request_id is not None:
            attributes["aam.request_id"] = command.request_id
    return tracing.span(f"process {queue}", kind="consumer", attributes=attributes, parent=message.trace)
