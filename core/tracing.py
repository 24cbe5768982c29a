"""Traces: what is done for one call, across tasks, services and queues, as spans that lie within each other.

Like logging, tracing is of the whole process: whoever does something worth seeing opens a `span`, and the tracer that
was installed, if any, takes it. A span tells ids, names of our own, numbers and types of errors; never what somebody
wrote, and no name, contact, token or address with a query.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import MappingProxyType
from typing import Literal, Protocol

from core.errors import AppError

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bool
Carrier = Mapping[str, str]
"""The W3C trace context: `traceparent`, and `tracestate` where there is one. An empty one belongs to no trace."""

ATTRIBUTES = frozenset(
    {
        "aam.batch.size",
        "aam.channel",
        "aam.correlation_id",
        "aam.due_action",
        "aam.execution_id",
        "aam.request_id",
        "aam.stage",
        "aam.system",
        "db.operation.name",
        "db.system.name",
        "error.type",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.max_tokens",
        "gen_ai.request.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "messaging.batch.message_count",
        "messaging.destination.name",
        "messaging.message.id",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.system",
        "rpc.method",
        "rpc.service",
        "rpc.system",
        "server.address",
        "server.port",
        "url.scheme",
    }
)
"""Everything that a span may tell; the names are OpenTelemetry's semantic conventions where those have one."""
LONGEST_VALUE = 200
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[ -~]{1,512}")


class Span(Protocol):
    """Something that is being done."""

    def set(self, attributes: Mapping[str, Value]) -> None:
        """Tell more of it. Raises `ValueError` for a name that is not in `ATTRIBUTES`."""
        ...

    def rename(self, name: str) -> None:
        """Give it a better name, which has few values."""
        ...

    def fail(self, error_type: str) -> None:
        """Say that it failed, and by what type of error."""
        ...

    def link(self, carrier: Carrier) -> None:
        """Point at another span, of this trace or of another."""
        ...


class Tracer(Protocol):
    """Takes spans. It never raises for what lies behind it, and no call waits for it."""

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        attributes: Mapping[str, Value] | None = None,
        parent: Carrier | None = None,
        links: Sequence[Carrier] = (),
    ) -> AbstractContextManager[Span]:
        """What is done within is this span. Without a `parent` it is within the one at hand; an empty one begins a
        trace.

        An error that leaves it is told by its type and passes on; it makes the span one that failed unless it is what
        a caller did wrong. Raises `ValueError` for an attribute that is not in `ATTRIBUTES`.
        """
        ...

    def carrier(self) -> dict[str, str]:
        """The span at hand for whoever continues its trace elsewhere; empty where there is none."""
        ...

    def flush(self) -> None:
        """Send what has ended, within a second or two."""
        ...


class _NoSpan:
    def set(self, attributes: Mapping[str, Value]) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def fail(self, error_type: str) -> None:
        pass

    def link(self, carrier: Carrier) -> None:
        pass


_NO_CONTEXT: AbstractContextManager[Span] = nullcontext(_NoSpan())


class Untraced:
    """Takes nothing."""

    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        attributes: Mapping[str, Value] | None = None,
        parent: Carrier | None = None,
        links: Sequence[Carrier] = (),
    ) -> AbstractContextManager[Span]:
        """See `Tracer`."""
        return _NO_CONTEXT

    def carrier(self) -> dict[str, str]:
        """Empty."""
        return {}

    def flush(self) -> None:
        """Nothing."""


_UNTRACED = Untraced()
_tracer: Tracer = _UNTRACED
NOTHING: Carrier = MappingProxyType({})
_resumed: ContextVar[Carrier] = ContextVar("resumed_trace", default=NOTHING)


def install(tracer: Tracer | None) -> None:
    """From here on this process gives its spans to this tracer; None for nobody."""
    global _tracer
    _tracer = tracer or _UNTRACED


def is_traced() -> bool:
    """Whether anybody takes this process's spans."""
    return _tracer is not _UNTRACED


def span(
    name: str,
    *,
    kind: Kind = "internal",
    attributes: Mapping[str, Value] | None = None,
    parent: Carrier | None = None,
    links: Sequence[Carrier] = (),
) -> AbstractContextManager[Span]:
    """A span of this process's tracer; see `Tracer.span`."""
    return _tracer.span(name, kind=kind, attributes=attributes, parent=parent, links=links)


def carrier() -> dict[str, str]:
    """The span at hand, or the one that this task goes on with; see `Tracer.carrier`."""
    return _tracer.carrier() or dict(_resumed.get())


def resume(trace: Carrier) -> None:
    """From here on, what this task does is within that span, which may have ended."""
    _resumed.set(valid_carrier(trace))


def resumed() -> Carrier:
    """The span that this task goes on with; empty where it has none."""
    return _resumed.get()


def flush() -> None:
    """See `Tracer.flush`."""
    _tracer.flush()


def trace_id() -> str | None:
    """The trace at hand as 32 hexadecimal digits, as viewers show it; None where there is none."""
    traceparent = carrier().get("traceparent")
    return traceparent.split("-")[1] if traceparent else None


def is_sampled(trace: Carrier) -> bool:
    """Whether everything of this trace is kept."""
    return bool(int(trace.get("traceparent", "00")[-2:], 16) & 1)


def valid_carrier(given: Mapping[str, object]) -> dict[str, str]:
    """What of it is a W3C trace context; empty where its `traceparent` is none."""
    traceparent, tracestate = given.get("traceparent"), given.get("tracestate")
    if not isinstance(traceparent, str) or not _TRACEPARENT.fullmatch(traceparent):
        return {}
    if isinstance(tracestate, str) and _TRACESTATE.fullmatch(tracestate):
        return {"traceparent": traceparent, "tracestate": tracestate}
    return {"traceparent": traceparent}


def require_known(attributes: Mapping[str, Value]) -> None:
    """Raises `ValueError` for a name that is not in `ATTRIBUTES`."""
    if not attributes.keys() <= ATTRIBUTES:
        raise ValueError(f"no span tells of {', '.join(sorted(attributes.keys() - ATTRIBUTES))}")


def error_type(error: BaseException) -> str:
    """The error's type by its name. An error that was handed on between replicas is told by what caused it."""
    cause = getattr(error, "cause", None)
    return type(cause if isinstance(cause, BaseException) else error).__name__


def is_failure(error: BaseException) -> bool:
    """Whether the system is to blame: not for what a caller did wrong, and not for a caller that left."""
    cause = getattr(error, "cause", None)
    told = cause if isinstance(cause, AppError) else error
    if isinstance(told, AppError):
        return told.status >= 500
    return not isinstance(told, asyncio.CancelledError | GeneratorExit)
