"""Spans over OTLP to a receiver that speaks the real protocol."""

import asyncio
import logging
import time

import pytest

from aam.cluster import free_port
from aam.trace_receiver import TraceReceiver
from adapters.tracing_otel import OtelTracer, open_tracer
from core import tracing
from core.correlation import CorrelationFilter, detached_context, set_correlation
from core.errors import NotFound, SystemUnavailable

SECRET = "Marisol wrote: the key is under the mat"


def opened(url: str, sampling_ratio: float = 1.0) -> OtelTracer:
    return open_tracer(url, service="Tested", version="1.2", environment="test", sampling_ratio=sampling_ratio)


def test_spans_lie_within_each_other(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    with tracing.span("outer", kind="server", attributes={"http.route": "/x"}), tracing.span("inner"):
        pass
    tracer.flush()
    inner, outer = receiver.spans
    assert (inner.name, inner.parent_id, inner.trace_id) == ("inner", outer.span_id, outer.trace_id)
    assert (outer.kind, outer.parent_id, outer.service) == ("server", "", "Tested")
    assert outer.attributes == {"http.route": "/x"}
    assert inner.end_s <= outer.end_s


async def test_each_span_has_the_correlation_id(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    set_correlation("call-1")
    with tracing.span("work"):
        pass
    tracer.flush()
    assert receiver.spans[0].attributes == {"aam.correlation_id": "call-1"}


def test_an_error_is_told_by_its_type_alone(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    with pytest.raises(SystemUnavailable), tracing.span("work"):
        raise SystemUnavailable(SECRET) from ValueError(SECRET)
    tracer.flush()
    [span] = receiver.spans
    assert span.failed
    assert (span.attributes, span.status_text, span.events) == ({"error.type": "SystemUnavailable"}, "", ())
    assert SECRET not in repr(span)


@pytest.mark.parametrize("error", [NotFound("There is none."), asyncio.CancelledError()])
def test_what_a_caller_did_is_no_failure(tracer: OtelTracer, receiver: TraceReceiver, error: BaseException) -> None:
    with pytest.raises(type(error)), tracing.span("work"):
        raise error
    tracer.flush()
    assert not receiver.spans[0].failed
    assert receiver.spans[0].attributes == {"error.type": type(error).__name__}


def test_an_unknown_attribute_is_refused(tracer: OtelTracer) -> None:
    with pytest.raises(ValueError, match=r"message\.text"), tracing.span("work", attributes={"message.text": SECRET}):
        pass
    with tracing.span("work") as span, pytest.raises(ValueError, match=r"message\.text"):
        span.set({"message.text": SECRET})


def test_a_long_value_is_cut_off(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    with tracing.span("work", attributes={"aam.system": "x" * 5000}):
        pass
    tracer.flush()
    assert receiver.spans[0].attributes["aam.system"] == "x" * tracing.LONGEST_VALUE


async def test_a_detached_task_goes_on_with_the_trace(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    async def later() -> str | None:
        with tracing.span("later"):
            return tracing.trace_id()

    with tracing.span("call"):
        task = asyncio.get_running_loop().create_task(later(), context=detached_context())
        expected = tracing.trace_id()
    assert await task == expected
    tracer.flush()
    spans = {span.name: span for span in receiver.spans}
    assert spans["later"].parent_id == spans["call"].span_id


def test_a_carrier_continues_elsewhere_and_an_empty_one_begins_anew(
    tracer: OtelTracer, receiver: TraceReceiver
) -> None:
    with tracing.span("here"):
        trace = tracing.carrier()
        with tracing.span("anew", parent={}, links=[trace]):
            pass
    with tracing.span("there", parent=trace):
        pass
    tracer.flush()
    spans = {span.name: span for span in receiver.spans}
    assert spans["there"].parent_id == spans["here"].span_id
    assert spans["anew"].trace_id != spans["here"].trace_id
    assert spans["anew"].links == ((spans["here"].trace_id, spans["here"].span_id),)


def test_of_unsampled_traces_only_failures_are_sent(receiver: TraceReceiver) -> None:
    tracer = opened(receiver.url, sampling_ratio=0.0)
    with tracer.span("fails") as failing:
        with tracer.span("goes well"):
            # Whoever continues it elsewhere decides the same.
            assert not tracing.is_sampled(tracer.carrier())
            elsewhere = tracer.carrier()
        failing.fail("SystemUnavailable")
    with tracer.span("well elsewhere", parent=elsewhere):
        pass
    tracer.shutdown()
    assert [span.name for span in receiver.spans] == ["fails"]


def test_a_sampled_share_is_about_the_ratio(receiver: TraceReceiver) -> None:
    tracer = opened(receiver.url, sampling_ratio=0.25)
    for _ in range(1000):
        with tracer.span("root"), tracer.span("inner"):
            pass
    tracer.shutdown()
    whole = receiver.traces().values()
    assert 180 < len(whole) < 320
    assert {len(spans) for spans in whole} == {2}


def test_nobody_waits_for_a_collector_that_is_down() -> None:
    tracer = opened(f"http://127.0.0.1:{free_port()}")
    # Of this thread alone: other processes may have the machine.
    began = time.thread_time()
    for _ in range(1000):
        with tracer.span("work"):
            pass
    assert time.thread_time() - began < 0.5
    began = time.perf_counter()
    tracer.shutdown()
    # The library by itself takes more than 11 s.
    assert time.perf_counter() - began < 8.0


def test_log_lines_name_the_trace(tracer: OtelTracer) -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "said", None, None)
    with tracing.span("work"):
        CorrelationFilter().filter(record)
        assert record.__dict__["trace_id"] == tracing.trace_id() != "-"
    CorrelationFilter().filter(record)
    assert record.__dict__["trace_id"] == "-"
