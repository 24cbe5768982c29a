"""One request through everything in one process: what is seen of it, and what is not."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from aam.trace_receiver import SeenSpan, TraceReceiver
from aam.trace_view import draw
from adapters.tokens import LocalTokens
from adapters.tracing_otel import OtelTracer
from bench.one_process import assembled
from core import tracing
from core.labels import Role
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management.api.application import build_api
from deployments.request_management.service import RequestManagementService

EMERGENCY = "Water is pouring through my bathroom ceiling, call Marisol Quintanilla at +1 555 0100 or mq@example.org"
WORDS = (
    "pouring",
    "bathroom",
    "ceiling",
    "marisol",
    "quintanilla",
    "555 0100",
    "mq@example",
    "res_a_101",
    "bearer",
    "eyj",
)


@asynccontextmanager
async def caller(service: RequestManagementService, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    application = build_api(lambda: service, settings)
    token = LocalTokens(settings.local_key).issue(Role.RESIDENT, "RES_A_101")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application, raise_app_exceptions=False),
        base_url="http://testserver/api/v1",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client


@pytest.fixture
async def house(
    settings: Settings, tracer: OtelTracer, ai: AIProcessing, decision: DecisionSimulation
) -> AsyncIterator[httpx.AsyncClient]:
    async with assembled(settings, ai, decision) as service, caller(service, settings) as client:
        yield client


async def submit(client: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    answer = await client.post("/requests", json={"message_text": EMERGENCY}, headers={"Prefer": "wait=20", **headers})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def spans_of(
    tracer: OtelTracer, receiver: TraceReceiver, correlation_id: str, *until: str
) -> dict[str, list[SeenSpan]]:
    """The spans of a call's trace by their names, once there is one of each name."""
    found: defaultdict[str, list[SeenSpan]] = defaultdict(list)
    for _ in range(100):
        await asyncio.to_thread(tracer.flush)
        found.clear()
        for spans in receiver.traces().values():
            if any(span.attributes.get("aam.correlation_id") == correlation_id for span in spans):
                for span in spans:
                    found[span.name].append(span)
        if set(until) <= found.keys():
            return found
        await asyncio.sleep(0.1)
    pytest.fail(f"no {set(until) - found.keys()}:\n{draw(receiver.spans)}")


CROSSED = {
    "POST /api/v1/requests": "server",
    "assess": "internal",
    "AIProcessing/assess": "client",
    "resolve": "internal",
    "DecisionSimulation/resolve": "client",
    "store": "internal",
    "store save": "client",
    "send executions": "producer",
    "process executions": "consumer",
    "outside operations_desk": "internal",
    "send outcomes": "producer",
    "process outcomes": "consumer",
}


async def test_one_request_is_one_trace(house: httpx.AsyncClient, tracer: OtelTracer, receiver: TraceReceiver) -> None:
    request = await submit(house, **{"X-Request-ID": "call-7"})
    found = await spans_of(tracer, receiver, "call-7", *CROSSED)
    [call] = found["POST /api/v1/requests"]
    everything = {span.span_id: span for spans in found.values() for span in spans}
    assert {span.trace_id for span in everything.values()} == {call.trace_id}
    assert {name: found[name][0].kind for name in CROSSED} == CROSSED
    assert [span.name for span in everything.values() if span.parent_id not in everything] == [call.name]
    assert call.attributes["http.response.status_code"] == 201
    assert {span.attributes.get("aam.request_id") for span in found["pipeline"]} == {request["request_id"]}
    assert found["process executions"][0].attributes["aam.execution_id"].startswith("EXE_")
    assert not [span for span in everything.values() if span.failed]


async def test_no_word_of_the_resident_is_in_any_span(
    house: httpx.AsyncClient, tracer: OtelTracer, receiver: TraceReceiver
) -> None:
    request = await submit(house, **{"X-Request-ID": "call-8"})
    path = f"/requests/{request['request_id']}"
    assert (await house.post(f"{path}/comments", json={"text": EMERGENCY})).status_code < 300
    assert (await house.get("/requests/Marisol?note=pouring")).status_code == 404
    assert (await house.post("/requests", json={"message_text": [EMERGENCY]})).status_code == 422
    await spans_of(tracer, receiver, "call-8", "process outcomes", "process executions")
    await asyncio.to_thread(tracer.flush)
    names = {span.name for span in receiver.spans}
    assert {"GET /api/v1/requests/{request_id}", "POST /api/v1/requests/{request_id}/comments"} <= names
    told = repr(receiver.spans).lower()
    assert not [word for word in WORDS if word in told]
    for span in receiver.spans:
        assert span.attributes.keys() <= tracing.ATTRIBUTES
        assert (span.events, span.status_text) == ((), "")


FOREIGN = "00-11111111111111111111111111111111-2222222222222222-01"


async def test_a_strangers_trace_becomes_a_link(
    house: httpx.AsyncClient, tracer: OtelTracer, receiver: TraceReceiver
) -> None:
    await house.get("/requests", headers={"traceparent": FOREIGN, "X-Request-ID": "call-9"})
    [call] = (await spans_of(tracer, receiver, "call-9", "GET /api/v1/requests"))["GET /api/v1/requests"]
    assert call.trace_id != "1" * 32
    assert (call.parent_id, call.links) == ("", (("1" * 32, "2" * 16),))


async def test_a_gateways_trace_is_continued(
    settings: Settings, tracer: OtelTracer, receiver: TraceReceiver, ai: AIProcessing, decision: DecisionSimulation
) -> None:
    trusting = settings.model_copy(update={"trust_traceparent": True})
    async with assembled(trusting, ai, decision) as service, caller(service, trusting) as client:
        await client.get("/requests", headers={"traceparent": FOREIGN, "X-Request-ID": "call-10"})
        await client.get("/requests", headers={"traceparent": "00-no-1-01", "X-Request-ID": "call-11"})
        await client.get("/health")
    [call] = (await spans_of(tracer, receiver, "call-10", "GET /api/v1/requests"))["GET /api/v1/requests"]
    [other] = (await spans_of(tracer, receiver, "call-11", "GET /api/v1/requests"))["GET /api/v1/requests"]
    assert (call.trace_id, call.parent_id) == ("1" * 32, "2" * 16)
    assert (other.parent_id, other.links) == ("", ())
    assert not [span for span in receiver.spans if "health" in span.name]
