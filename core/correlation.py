"""The correlation id of whatever is being done at the moment, carried along by the context of the task."""

import logging
import traceback
from contextvars import Context, ContextVar
from typing import Any

from core import tracing

_current: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def set_correlation(correlation_id: str) -> None:
    """From here on, what this task does belongs to this call."""
    _current.set(correlation_id)


def current_correlation() -> str | None:
    """The call that this task works for, or None for work of the system's own."""
    return _current.get()


def detached_context() -> Context:
    """An empty context but for the correlation id and the trace.

    Serve cancels what hangs on a request's context when its client leaves; what must go on runs in this one.
    """
    correlation_id, trace, context = _current.get(), tracing.carrier(), Context()
    if correlation_id is not None:
        context.run(set_correlation, correlation_id)
    if trace:
        context.run(tracing.resume, trace)
    return context


class CorrelationFilter(logging.Filter):
    """Puts the correlation id on every log record, as `correlation_id`, and the trace, as `trace_id`."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = _current.get() or "-"
        record.trace_id = tracing.trace_id() or "-"
        return True


class DiscreetFormatter(logging.Formatter):
    """Tells of an error its types and where it happened, and not its text, which may hold what somebody wrote."""

    def formatException(self, ei: Any) -> str:
        told: list[str] = []
        error, seen = ei[1], set[int]()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            name = f"{type(error).__module__}.{type(error).__qualname__}"
            # Newest first: each cause stands above what it led to.
            told.insert(0, "".join(traceback.format_tb(error.__traceback__)) + name)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\nled to\n".join(told)


def configure_logging(level: int = logging.INFO) -> None:
    """Log lines of this software to standard error with their correlation id; once for each process."""
    root = logging.getLogger("deployments")
    if any(isinstance(each, CorrelationFilter) for handler in root.handlers for each in handler.filters):
        return
    handler = logging.StreamHandler()
    handler.addFilter(CorrelationFilter())
    handler.setFormatter(
        DiscreetFormatter("%(asctime)s %(levelname)s %(name)s [%(correlation_id)s %(trace_id)s] %(message)s")
    )
    root.addHandler(handler)
    root.setLevel(level)
