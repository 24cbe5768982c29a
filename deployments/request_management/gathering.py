"""Gathers calls that are there at the same moment into one, so that a hop is paid for each call and not each request.

Serve's own `@serve.batch` does the same inside a replica only; the services are to run without Ray, too, for tests and
for comparison.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from core import tracing
from core.errors import BrokenInvariant, ServiceUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Waiting:
    span: tracing.Span
    trace: tracing.Carrier


class Gathered(Generic[Item, Result]):
    """Calls `send` with up to `max_size` items, with at most `max_calls` calls on their way.

    An item that comes alone goes at once and waits for nobody. Where all calls are on their way, items wait for the
    first that returns, and then go together. An error of `send` is every item's of that call.
    """

    def __init__(
        self,
        send: Callable[[list[Item]], Awaitable[Sequence[Result]]],
        *,
        max_size: int = 32,
        max_calls: int = 4,
    ) -> None:
        self._send = send
        self._max_size = max_size
        self._max_calls = max_calls
        self._waiting: deque[tuple[Item, asyncio.Future[Result], _Waiting]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._flush_is_due = False

    async def __call__(self, item: Item) -> Result:
        """The result for this item."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        with tracing.span("gathered") as span:
            self._waiting.append((item, future, _Waiting(span, tracing.carrier())))
            if not self._flush_is_due:
                self._flush_is_due = True
                # What other tasks ask for in this same turn of the loop goes along.
                loop.call_soon(self._flush)
            return await future

    def _flush(self) -> None:
        self._flush_is_due = False
        while self._waiting and len(self._calls) < self._max_calls:
            size = min(self._max_size, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(size)]
            # A context of its own: a call serves many requests and must not be cancelled with one of them.
            call = asyncio.get_running_loop().create_task(self._call(batch), context=contextvars.Context())
            self._calls.add(call)
            call.add_done_callback(self._returned)

    def _returned(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._flush()

    async def _call(self, batch: list[tuple[Item, asyncio.Future[Result], _Waiting]]) -> None:
        try:
            with _call_span([waiting for _, _, waiting in batch]):
                for _, future, waiting in batch[1:]:
                    if not future.done():
                        waiting.span.link(tracing.carrier())
                results = await self._send([item for item, _, _ in batch])
            if len(results) != len(batch):
                raise BrokenInvariant(f"{len(batch)} items were sent and {len(results)} results came back.")
        except BaseException as error:
            failure = error if isinstance(error, Exception) else ServiceUnavailable("The call was broken off.")
            for _, future, _ in batch:
                if not future.done():
                    future.set_exception(failure)
            if isinstance(error, Exception):
                return
            raise
        for (_, future, _), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)


def _call_span(waiting: Sequence[_Waiting]) -> AbstractContextManager[tracing.Span]:
    """The span of one call for many: within the first item's trace, with a link to each of the others'.

    Where some are sampled, the first of those counts as the first.
    """
    traces = sorted((each.trace for each in waiting if each.trace), key=lambda trace: not tracing.is_sampled(trace))
    first, *others = traces or (tracing.NOTHING,)
    return tracing.span("gathered call", attributes={"aam.batch.size": len(waiting)}, parent=first, links=others)
