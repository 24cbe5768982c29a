"""What is seen of queues and of the systems of others, and what those see of a trace."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr

from aam.trace_receiver import SeenSpan, TraceReceiver
from adapters import build
from adapters.call_guard import CallGuard
from adapters.outbound_http import OutboundHttp
from adapters.queue_events import decode, encode
from adapters.queue_sqlite import SqliteQueue
from adapters.traced_ports import traced_queue
from adapters.tracing_otel import OtelTracer
from core import tracing
from core.message_tracing import process_span
from core.ports.intelligence import LanguageModel
from core.ports.queue import QueueMessage
from core.settings import Settings
from core.systems import CallPolicy
from tests.gemini_server import GeminiServer
from tests.webhook_receiver import receiving

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TRACE = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "tracestate": "vendor=1"}


def message(trace: dict[str, str] | None = None) -> QueueMessage:
    return QueueMessage("EXE_1", "aam.execution.v1", {"text": "pouring"}, NOW, "call-1", trace or {})


def by_name(tracer: OtelTracer, receiver: TraceReceiver) -> dict[str, SeenSpan]:
    tracer.flush()
    return {span.name: span for span in receiver.spans}


def test_an_event_carries_the_trace_as_cloudevents_says() -> None:
    text = encode(message(TRACE))
    assert '"traceparent": "00-aaaa' in text
    assert decode(text, fallback_id="x", received_at=NOW) == message(TRACE)


@pytest.mark.parametrize("stated", ['"traceparent": "00-0-0-01"', '"traceparent": "x y"', '"tracestate": "a=b"'])
def test_an_event_without_a_trace_that_holds_is_read_all_the_same(stated: str) -> None:
    text = encode(message()).replace('"correlationid"', f'{stated}, "correlationid"')
    assert decode(text, fallback_id="x", received_at=NOW) == message()


async def test_what_is_received_lies_within_what_was_sent(
    tmp_path: Path, tracer: OtelTracer, receiver: TraceReceiver
) -> None:
    queue = traced_queue(SqliteQueue(tmp_path / "queues", "executions"), "executions", "sqlite")
    with tracing.span("call"):
        await queue.send([message()])
    [delivery] = await queue.receive(max_messages=1, wait_s=1, visibility_s=10)
    with process_span(delivery.message, "executions"):
        await queue.delete(delivery)
    await queue.close()
    spans = by_name(tracer, receiver)
    send, process = spans["send executions"], spans["process executions"]
    assert (send.parent_id, process.parent_id) == (spans["call"].span_id, send.span_id)
    assert (send.kind, process.kind) == ("producer", "consumer")
    assert send.attributes["messaging.system"] == "sqlite"
    assert process.attributes["messaging.message.id"] == "EXE_1"
    assert "pouring" not in repr(spans)


async def test_messages_of_an_older_file_are_received(tmp_path: Path) -> None:
    path = tmp_path / "queues"
    queue = SqliteQueue(path, "executions")
    await queue.send([message(TRACE)])
    await queue.close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE messages DROP COLUMN trace")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version - 1}")
    connection.close()
    queue = SqliteQueue(path, "executions")
    [delivery] = await queue.receive(max_messages=1, wait_s=1, visibility_s=10)
    assert delivery.message == message()
    await queue.close()


@pytest.mark.parametrize("sends", [False, True])
async def test_a_system_hears_of_the_trace_only_where_it_wants_to(
    tracer: OtelTracer, receiver: TraceReceiver, sends: bool
) -> None:
    async with receiving() as system:
        http = OutboundHttp(system.url, allow_loopback=True, send_traceparent=sends)
        with tracing.span("call"):
            answer = await http.request("POST", "/orders/RES_A_101?token=secret", content=b"pouring")
    assert answer.status == 204
    spans = by_name(tracer, receiver)
    call = spans["POST"]
    heard = system.got[0][0].get("traceparent", "").split("-")[1:3]
    assert heard == ([call.trace_id, call.span_id] if sends else [])
    assert (call.kind, call.parent_id) == ("client", spans["call"].span_id)
    assert call.attributes == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "http.response.status_code": 204,
    }
    assert not [word for word in ("secret", "RES_A_101", "pouring") if word in repr(spans)]


async def test_a_failing_system_is_a_failed_span_for_each_try(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    async with receiving() as system:
        system.answers = [503, 200]
        http = OutboundHttp(system.url, allow_loopback=True)
        guard = CallGuard("billing", CallPolicy())
        with tracing.span("call"):
            for _ in range(2):
                await guard.call(lambda: http.request("GET", ""), may_repeat=False)
    tracer.flush()
    calls = [span for span in receiver.spans if span.name == "GET"]
    assert [(span.failed, span.attributes.get("error.type")) for span in calls] == [(True, "503"), (False, None)]
    outside = [span for span in receiver.spans if span.name == "outside billing"]
    assert [span.attributes["aam.system"] for span in outside] == ["billing", "billing"]
    assert [span.parent_id for span in calls] == [span.span_id for span in outside]


@pytest.mark.filterwarnings("ignore:Inheritance class .* from ClientSession:DeprecationWarning")
async def test_a_language_models_call_tells_numbers_and_no_words(tracer: OtelTracer, receiver: TraceReceiver) -> None:
    server = GeminiServer()
    await server.start()
    settings = Settings(gemini_base_url=server.url, gemini_api_key=SecretStr("key-of-the-house"))
    model = build.gemini(settings, "key-of-the-house", cast(LanguageModel, None))
    with tracing.span("call"):
        assert await model.classify("My rent was charged twice, says Marisol") is not None
    await model.close()
    await server.stop()
    spans = by_name(tracer, receiver)
    call = spans[f"generate_content {settings.gemini_model}"]
    assert (call.kind, call.parent_id) == ("client", spans["call"].span_id)
    told = {name: value for name, value in call.attributes.items() if name.startswith("gen_ai.")}
    assert told["gen_ai.usage.input_tokens"] == 1500
    assert told["gen_ai.usage.output_tokens"] == 60
    assert told["gen_ai.response.finish_reasons"] == "STOP"
    assert told["gen_ai.request.model"] == settings.gemini_model
    assert not [word for word in ("charged", "Marisol", "key-of") if word in repr(call)]
