"""One request through the four deployments, each in a process of its own, is one trace."""

import time
from collections.abc import Iterator, Set

import httpx
import pytest

from aam.trace_receiver import SeenSpan, TraceReceiver
from aam.trace_view import draw
from bench.running_graph import Graph
from core.labels import Role
from core.settings import Settings

EMERGENCY = "Water is pouring through my bathroom ceiling, call Marisol Quintanilla"
ARRIVE_WITHIN_S = 30.0
SERVICES = {"RequestManagement", "AIProcessing", "DecisionSimulation", "Execution"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[TraceReceiver]:
    with TraceReceiver() as found:
        yield found


@pytest.fixture(scope="module")
def traced(
    built_settings: Settings, receiver: TraceReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Graph]:
    folder = tmp_path_factory.mktemp("traced")
    settings = built_settings.model_copy(update={"state_dir": folder / "state"})
    running = Graph(settings, folder / "log", {"AAM_OTLP_ENDPOINT": receiver.url})
    try:
        running.start()
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()


def submit(client: httpx.Client, correlation_id: str) -> None:
    headers = {"Prefer": "wait=20", "X-Request-ID": correlation_id}
    answer = client.post("/requests", json={"message_text": EMERGENCY}, headers=headers)
    assert answer.status_code == 201, answer.text


def trace_of(
    receiver: TraceReceiver, correlation_id: str, *until: str, services: Set[str] = frozenset()
) -> list[SeenSpan]:
    """The call's trace, once there is a span of each name and one of each service, which send theirs on their own."""
    end = time.monotonic() + ARRIVE_WITHIN_S
    while time.monotonic() < end:
        for spans in receiver.traces().values():
            is_of_call = any(span.attributes.get("aam.correlation_id") == correlation_id for span in spans)
            names, seen = {span.name for span in spans}, {span.service for span in spans}
            if is_of_call and names.issuperset(until) and seen >= services:
                return spans
        receiver.wait(1.0)
    pytest.fail("\n".join(draw(spans) for spans in receiver.traces().values()))


def test_a_request_is_one_trace_across_all_four_processes(traced: Graph, receiver: TraceReceiver) -> None:
    with traced.client(Role.RESIDENT, "RES_A_101") as resident:
        submit(resident, "call-1")
    names = ("POST /api/v1/requests", "process executions", "process outcomes")
    spans = trace_of(receiver, "call-1", *names, services=SERVICES)
    assert {span.service for span in spans} == SERVICES
    known = {span.span_id: span for span in spans}
    assert [span.name for span in spans if span.parent_id not in known] == ["POST /api/v1/requests"]
    servers = {span.name: span for span in spans if span.kind == "server" and span.parent_id}
    for name, service in (
        ("AIProcessing/assess", "AIProcessing"),
        ("DecisionSimulation/resolve", "DecisionSimulation"),
    ):
        assert servers[name].service == service
        caller = known[servers[name].parent_id]
        assert (caller.name, caller.kind, caller.service) == (name, "client", "RequestManagement")
    assert {span.service for span in spans if span.name.startswith("outside ")} == {"Execution"}
    told = repr(spans).lower()
    assert not [word for word in ("pouring", "bathroom", "marisol", "res_a_101") if word in told]


def test_calls_at_the_same_time_are_traces_of_their_own(traced: Graph, receiver: TraceReceiver) -> None:
    with traced.client(Role.RESIDENT, "RES_A_102") as resident:
        for number in range(3):
            submit(resident, f"other-{number}")
    ids = {trace_of(receiver, f"other-{number}", "POST /api/v1/requests")[0].trace_id for number in range(3)}
    assert len(ids) == 3


def test_what_was_seen_last_arrives_although_the_services_end(traced: Graph, receiver: TraceReceiver) -> None:
    with traced.client(Role.RESIDENT, "RES_A_103") as resident:
        resident.get("/requests", headers={"X-Request-ID": "last"})
    traced.stop()
    trace_of(receiver, "last", "GET /api/v1/requests")
