"""Fixtures: a tracer of this process, and who receives its spans."""

from collections.abc import Iterator

import pytest

from aam.trace_receiver import TraceReceiver
from adapters.tracing_otel import OtelTracer, open_tracer
from core import tracing


@pytest.fixture
def receiver() -> Iterator[TraceReceiver]:
    with TraceReceiver() as found:
        yield found


@pytest.fixture
def tracer(receiver: TraceReceiver) -> Iterator[OtelTracer]:
    made = open_tracer(receiver.url, service="Tested", version="1", environment="test", sampling_ratio=1.0)
    tracing.install(made)
    yield made
    tracing.install(None)
    made.shutdown()
