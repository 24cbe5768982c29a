"""Carries a trace from the caller of a service into the replica that answers.

Serve's own tracing is not used: see docs/observability.md.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from core import tracing

ARGUMENT = "trace_context"
"""The keyword argument that a traced call has besides its own."""
_OF_SERVE = frozenset({"reconfigure", "check_health", "record_autoscaling_stats"})
Service = TypeVar("Service", bound=type[Any])


class TracedHandle:
    """A handle whose `handle.method.remote(...)` is a span, within which the replica's lies."""

    def __init__(self, handle: Any, service: str) -> None:
        self._handle = handle
        self._service = service

    def __getattr__(self, method: str) -> "_TracedMethod":
        return _TracedMethod(getattr(self._handle, method), self._service, method)


class _TracedMethod:
    def __init__(self, method: Any, service: str, name: str) -> None:
        self._method, self._service, self._name = method, service, name

    def remote(self, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        if not tracing.carrier():
            # What belongs to no trace, such as a check of health, begins none.
            return self._method.remote(*args, **kwargs)
        return self._call(args, kwargs)

    async def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        attributes = _attributes(self._service, self._name)
        with tracing.span(f"{self._service}/{self._name}", kind="client", attributes=attributes):
            return await self._method.remote(*args, **kwargs, **{ARGUMENT: tracing.carrier()})


def continues_traces(service: Service) -> Service:
    """Let every public method of a service take up the trace of a `TracedHandle` that calls it."""
    for name, method in list(vars(service).items()):
        if inspect.isfunction(method) and not name.startswith("_") and name not in _OF_SERVE:
            setattr(service, name, _continuing(service.__name__, name, method))
    return service


def _continuing(service: str, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    attributes = _attributes(service, name)

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def answer(*args: Any, trace_context: tracing.Carrier | None = None, **kwargs: Any) -> Any:
            if trace_context is None:
                return await method(*args, **kwargs)
            with tracing.span(f"{service}/{name}", kind="server", attributes=attributes, parent=trace_context):
                return await method(*args, **kwargs)

        return answer

    @functools.wraps(method)
    def answer_at_once(*args: Any, trace_context: tracing.Carrier | None = None, **kwargs: Any) -> Any:
        if trace_context is None:
            return method(*args, **kwargs)
        with tracing.span(f"{service}/{name}", kind="server", attributes=attributes, parent=trace_context):
            return method(*args, **kwargs)

    return answer_at_once


def _attributes(service: str, method: str) -> dict[str, tracing.Value]:
    return {"rpc.system": "ray_serve", "rpc.service": service, "rpc.method": method}
