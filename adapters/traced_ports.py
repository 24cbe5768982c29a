"""A store and a queue that show each of their calls as a span."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from core import tracing
from core.ports.queue import Queue, QueueMessage
from core.ports.store import RequestStore


def traced_store(store: RequestStore, system: str) -> RequestStore:
    """The same store; `system` as OpenTelemetry names it, such as `aws.dynamodb`."""
    return cast(RequestStore, _TracedStore(store, system))


def traced_queue(queue: Queue, name: str, system: str) -> Queue:
    """The same queue, whose messages carry the trace of whoever sends them; `system` as for `traced_store`."""
    return cast(Queue, _TracedQueue(queue, name, system))


class _TracedStore:
    def __init__(self, store: RequestStore, system: str) -> None:
        self._store, self._system = store, system

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not inspect.iscoroutinefunction(method):
            return method
        traced = _in_span(method, {"db.system.name": self._system, "db.operation.name": name})
        # Found at once the next time.
        setattr(self, name, traced)
        return traced


def _in_span(method: Callable[..., Any], attributes: Mapping[str, tracing.Value]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        if not tracing.carrier():
            # What belongs to no trace, such as a look for due work, begins none.
            return await method(*args, **kwargs)
        with tracing.span(f"store {method.__name__}", kind="client", attributes=attributes):
            return await method(*args, **kwargs)

    return call


class _TracedQueue:
    def __init__(self, queue: Queue, name: str, system: str) -> None:
        self._queue, self._name, self._system = queue, name, system

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def send(self, messages: Sequence[QueueMessage]) -> None:
        attributes: dict[str, tracing.Value] = {
            "messaging.system": self._system,
            "messaging.destination.name": self._name,
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.batch.message_count": len(messages),
        }
        with tracing.span(f"send {self._name}", kind="producer", attributes=attributes):
            trace = tracing.carrier()
            await self._queue.send([each if each.trace else replace(each, trace=trace) for each in messages])
