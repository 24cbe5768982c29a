"""A receiver of traces on this machine: OTLP over HTTP in protobuf, kept in memory."""

# The classes that protobuf makes have no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false

import gzip
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PATH = "/v1/traces"
LARGEST_BYTES = 64 * 1024 * 1024
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_FAILED = 2


@dataclass(frozen=True)
class SeenSpan:
    """One span as it arrived; ids are hexadecimal."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a trace's first span."""
    name: str
    kind: str
    service: str
    start_s: float
    end_s: float
    failed: bool = False
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    links: tuple[tuple[str, str], ...] = ()
    """Trace and span ids of the spans that it points at."""
    status_text: str = ""
    events: tuple[str, ...] = ()


class TraceReceiver:
    """Takes spans while it is entered; `port` 0 takes a free one."""

    def __init__(self, port: int = 0) -> None:
        take = self._take

        class Handler(_Handler):
            def taken(self, spans: list[SeenSpan]) -> None:
                take(spans)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._arrival = threading.Condition()
        self._spans: list[SeenSpan] = []

    @property
    def url(self) -> str:
        """For `AAM_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[SeenSpan]:
        """All that came, in the order of their arrival."""
        with self._arrival:
            return list(self._spans)

    def traces(self) -> dict[str, list[SeenSpan]]:
        """The spans of each trace."""
        found: defaultdict[str, list[SeenSpan]] = defaultdict(list)
        for span in self.spans:
            found[span.trace_id].append(span)
        return dict(found)

    def wait(self, timeout_s: float) -> bool:
        """Whether anything arrived within the time."""
        with self._arrival:
            before = len(self._spans)
            return self._arrival.wait_for(lambda: len(self._spans) > before, timeout_s)

    def forget(self, trace_id: str) -> None:
        """Drop a trace's spans."""
        with self._arrival:
            self._spans = [span for span in self._spans if span.trace_id != trace_id]

    def _take(self, spans: list[SeenSpan]) -> None:
        with self._arrival:
            self._spans += spans
            self._arrival.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def taken(self, spans: list[SeenSpan]) -> None:
        """What becomes of the spans."""
        raise NotImplementedError

    def do_POST(self) -> None:
        """Spans of one exporter."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != PATH or length > LARGEST_BYTES:
            self._answer(404 if self.path != PATH else 413)
            return
        body = self.rfile.read(length)
        try:
            told = ExportTraceServiceRequest.FromString(
                gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            )
        except (DecodeError, OSError, EOFError):
            self._answer(400)
            return
        self.taken(read_spans(told))
        self._answer(200)

    def _answer(self, status: int) -> None:
        body = ExportTraceServiceResponse().SerializeToString() if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the traces are what is to be seen."""


def read_spans(told: Any) -> list[SeenSpan]:
    """The spans of an `ExportTraceServiceRequest`."""
    return [
        _span(span, str(_attributes(resource.resource.attributes).get("service.name", "")))
        for resource in told.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(span: Any, service: str) -> SeenSpan:
    return SeenSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=KINDS[span.kind],
        service=service,
        start_s=span.start_time_unix_nano / 1e9,
        end_s=span.end_time_unix_nano / 1e9,
        failed=span.status.code == _FAILED,
        attributes=_attributes(span.attributes),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        status_text=span.status.message,
        events=tuple(event.name for event in span.events),
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}
