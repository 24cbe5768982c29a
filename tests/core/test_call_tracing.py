"""A call that crosses into another process, of which a context of its own stands for the process."""

import asyncio
import contextvars
import pickle
from typing import Any

import pytest

from aam.trace_receiver import TraceReceiver
from adapters.tracing_otel import OtelTracer
from bench.handles import LocalHandle
from core import tracing
from core.call_tracing import TracedHandle, continues_traces
from core.errors import NotFound
from deployments.request_management.gathering import Gathered


@continues_traces
class Kitchen:
    """A service."""

    async def cook(self, dish: str) -> str:
        with tracing.span("stove"):
            return f"cooked {dish}"

    def serve(self, *, table: int) -> int:
        if table > 9:
            raise NotFound("There is no such table.")
        return table

    def check_health(self) -> None:
        pass


class Elsewhere:
    """As Ray: arguments are pickled, and nothing of the caller's context is at hand."""

    def __init__(self, service: object) -> None:
        self._service = service
        self.arguments: list[dict[str, Any]] = []

    def __getattr__(self, method: str) -> Any:
        called = getattr(self._service, method)

        class Method:
            @staticmethod
            async def remote(*args: Any, **kwargs: Any) -> Any:
                self.arguments.append(kwargs)
                args, kwargs = pickle.loads(pickle.dumps((args, kwargs)))

                async def run() -> Any:
                    result = called(*args, **kwargs)
                    return await result if asyncio.iscoroutine(result) else result

                return await asyncio.get_running_loop().create_task(run(), context=contextvars.Context())

        return Method


async def test_the_replicas_span_lies_within_the_callers(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    handle = TracedHandle(Elsewhere(Kitchen()), "Kitchen")
    with tracing.span("call"):
        assert await handle.cook.remote("soup") == "cooked soup"
        assert await handle.serve.remote(table=3) == 3
    tracer.flush()
    spans = {(span.name, span.kind): span for span in receiver.spans}
    call, client = spans["call", "internal"], spans["Kitchen/cook", "client"]
    server, stove = spans["Kitchen/cook", "server"], spans["stove", "internal"]
    assert (client.parent_id, server.parent_id, stove.parent_id) == (call.span_id, client.span_id, server.span_id)
    assert {span.trace_id for span in receiver.spans} == {call.trace_id}
    assert server.attributes == {"rpc.system": "ray_serve", "rpc.service": "Kitchen", "rpc.method": "cook"}
    assert "soup" not in repr(receiver.spans)


async def test_an_error_passes_with_its_type_and_is_no_failure(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    handle = TracedHandle(Elsewhere(Kitchen()), "Kitchen")
    with tracing.span("call"), pytest.raises(NotFound):
        await handle.serve.remote(table=10)
    tracer.flush()
    told = {span.name: (span.failed, span.attributes.get("error.type")) for span in receiver.spans}
    assert told == {"Kitchen/serve": (False, "NotFound"), "call": (False, None)}


async def test_what_belongs_to_no_trace_is_called_as_ever(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    elsewhere = Elsewhere(Kitchen())
    assert await TracedHandle(elsewhere, "Kitchen").cook.remote("soup") == "cooked soup"
    assert elsewhere.arguments == [{}]
    tracer.flush()
    assert [span.name for span in receiver.spans] == ["stove"]


async def test_in_one_process_the_span_is_at_hand(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    with tracing.span("call"):
        assert await TracedHandle(LocalHandle(Kitchen()), "Kitchen").cook.remote("soup") == "cooked soup"
    tracer.flush()
    stove, client, _ = receiver.spans
    assert (client.name, stove.parent_id) == ("Kitchen/cook", client.span_id)


async def test_one_call_for_several_requests_is_linked_with_each(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    handle = TracedHandle(Elsewhere(Kitchen()), "Kitchen")

    async def send(dishes: list[str]) -> list[str]:
        return [await handle.cook.remote("+".join(dishes))] * len(dishes)

    gathered = Gathered(send)

    async def request(number: int) -> None:
        with tracing.span(f"request {number}", parent={}):
            await gathered(f"dish {number}")

    await asyncio.gather(*(asyncio.create_task(request(number)) for number in range(3)))
    tracer.flush()
    [call] = [span for span in receiver.spans if span.name == "gathered call"]
    waiting = [span for span in receiver.spans if span.name == "gathered"]
    first = next(span for span in waiting if span.span_id == call.parent_id)
    others = [span for span in waiting if span is not first]
    assert len({span.trace_id for span in waiting}) == 3
    assert call.attributes["aam.batch.size"] == 3
    assert set(call.links) == {(span.trace_id, span.span_id) for span in others}
    assert all(span.links == ((call.trace_id, call.span_id),) for span in others)
    assert first.links == ()


def test_what_serve_itself_calls_stays_as_it_is() -> None:
    assert not hasattr(Kitchen.check_health, "__wrapped__")
    assert hasattr(Kitchen.cook, "__wrapped__")
    assert asyncio.iscoroutinefunction(Kitchen.cook)
    assert not asyncio.iscoroutinefunction(Kitchen.serve)
