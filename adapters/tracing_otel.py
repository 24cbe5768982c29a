"""Spans by OpenTelemetry, sent as OTLP over HTTP in the background; whoever takes them may be slow, down or absent."""

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from core import tracing
from core.correlation import current_correlation
from core.tracing import LONGEST_VALUE, Carrier, Kind, Span, Value, require_known

EXPORT_EVERY_MS = 1000
EXPORT_TIMEOUT_S = 5
FLUSH_S = 2.0
WAITING_SPANS = 4096
"""So many wait to be sent at most; what comes beyond takes the place of the oldest."""
_KINDS: Mapping[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_W3C = TraceContextTextMapPropagator()
_NO_CONTEXT = Context()


class OtelTracer:
    """A `core.tracing.Tracer`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("agentic-apartment-manager")

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        attributes: Mapping[str, Value] | None = None,
        parent: Carrier | None = None,
        links: Sequence[Carrier] = (),
    ) -> Generator[Span]:
        """See the protocol."""
        found = self._tracer.start_span(
            name, context=_context(parent), kind=_KINDS[kind], links=[Link(each) for each in map(_span_context, links)]
        )
        span = OtelSpan(found)
        correlation_id = current_correlation()
        span.set({**({"aam.correlation_id": correlation_id} if correlation_id else {}), **(attributes or {})})
        # An error's text may hold what somebody wrote, so the library records none.
        with trace.use_span(found, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except BaseException as error:
                span.set({"error.type": tracing.error_type(error)})
                if tracing.is_failure(error):
                    found.set_status(Status(StatusCode.ERROR))
                raise

    def carrier(self) -> dict[str, str]:
        """See the protocol."""
        found: dict[str, str] = {}
        _W3C.inject(found)
        return found

    def flush(self) -> None:
        """See the protocol."""
        _within(FLUSH_S, self._provider.force_flush)

    def shutdown(self) -> None:
        """Send what has ended, and take no more; within some seconds, whoever takes it."""
        self.flush()
        _within(FLUSH_S, self._provider.shutdown)


class OtelSpan:
    """A `core.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, attributes: Mapping[str, Value]) -> None:
        """See the protocol. A text is cut off after `LONGEST_VALUE` characters."""
        require_known(attributes)
        for name, value in attributes.items():
            self._span.set_attribute(name, value[:LONGEST_VALUE] if isinstance(value, str) else value)

    def rename(self, name: str) -> None:
        """See the protocol."""
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        """See the protocol."""
        self.set({"error.type": error_type})
        self._span.set_status(Status(StatusCode.ERROR))

    def link(self, carrier: Carrier) -> None:
        """See the protocol."""
        self._span.add_link(_span_context(carrier))


class RecordingSampler(Sampler):
    """Samples as another does, but has the rest recorded, too, so that a span that fails can still be sent."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See `Sampler`."""
        result = self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is Decision.DROP:
            result.decision = Decision.RECORD_ONLY
        return result

    def get_description(self) -> str:
        """See `Sampler`."""
        return f"RecordingSampler({self._inner.get_description()})"


class FailuresKept(SpanProcessor):
    """Gives sampled spans to another processor, and of the rest those that failed."""

    def __init__(self, inner: SpanProcessor) -> None:
        self._inner = inner

    def on_start(self, span: trace.Span, parent_context: Context | None = None) -> None:
        """See `SpanProcessor`."""

    def on_end(self, span: ReadableSpan) -> None:
        """See `SpanProcessor`."""
        context = span.get_span_context()
        if context is None or context.trace_flags.sampled:
            self._inner.on_end(span)
        elif span.status.status_code is StatusCode.ERROR:
            self._inner.on_end(_as_sampled(span, context))

    def shutdown(self) -> None:
        """See `SpanProcessor`."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """See `SpanProcessor`."""
        return self._inner.force_flush(timeout_millis)


def open_tracer(endpoint: str, *, service: str, version: str, environment: str, sampling_ratio: float) -> OtelTracer:
    """A tracer that sends to this OTLP endpoint, such as `http://127.0.0.1:4318`.

    `sampling_ratio` is the share of the traces that begin here of which everything is sent; of those that began
    elsewhere, it was decided there. Spans that fail are sent in any case. Variables such as
    `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_CERTIFICATE` are the library's own.
    """
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S)
    resource = Resource.create(
        {"service.name": service, "service.version": version, "deployment.environment.name": environment}
    )
    sampler = ALWAYS_ON if sampling_ratio >= 1.0 else TraceIdRatioBased(sampling_ratio)
    provider = TracerProvider(sampler=RecordingSampler(ParentBased(sampler)), resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(FailuresKept(_batches(exporter)))
    return OtelTracer(provider)


def _within(seconds: float, work: Callable[[], object]) -> None:
    """Wait no longer, also for a library that knows no limit while nobody takes its spans."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)


def _batches(exporter: SpanExporter) -> BatchSpanProcessor:
    return BatchSpanProcessor(
        exporter,
        max_queue_size=WAITING_SPANS,
        schedule_delay_millis=EXPORT_EVERY_MS,
        max_export_batch_size=512,
        export_timeout_millis=EXPORT_TIMEOUT_S * 1000,
    )


def _context(parent: Carrier | None) -> Context | None:
    """Where a span lies; None for the library's own idea, the span at hand."""
    if parent is None:
        if trace.get_current_span().get_span_context().is_valid:
            return None
        parent = tracing.resumed()
    return _W3C.extract(parent, context=_NO_CONTEXT)


def _span_context(carrier: Carrier) -> SpanContext:
    return trace.get_current_span(_W3C.extract(carrier, context=_NO_CONTEXT)).get_span_context()


def _as_sampled(span: ReadableSpan, context: SpanContext) -> ReadableSpan:
    """The same span, which a batch does not leave out."""
    flags = TraceFlags(context.trace_flags | TraceFlags.SAMPLED)
    return ReadableSpan(
        name=span.name,
        context=SpanContext(context.trace_id, context.span_id, context.is_remote, flags, context.trace_state),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
    )
