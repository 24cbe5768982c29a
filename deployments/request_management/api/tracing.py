"""One span for each call, named by its route, so that everything that the call sets in motion lies within it."""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import tracing
from deployments.request_management.api.inner_calls import is_inner

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_IDS: Mapping[str, re.Pattern[str]] = {
    "request_id": re.compile(r"REQ_[0-9A-Za-z_-]{1,96}"),
    "execution_id": re.compile(r"EXE_[0-9A-Za-z_-]{1,96}"),
}
"""Parts of a path that a span tells, where they are ids of ours; anybody may write anything there."""


class TracingMiddleware:
    """A server span for each call but those of `untraced`, a prefix each.

    A caller's `traceparent` decides whether and under which id a call is traced, and so what tracing costs: it is
    continued with `trusts_callers` alone, and else becomes a link of a trace that begins here.
    """

    def __init__(self, app: ASGIApp, *, trusts_callers: bool, untraced: tuple[str, ...] = ()) -> None:
        self._app, self._trusts_callers, self._untraced = app, trusts_callers, untraced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not tracing.is_traced() or scope["path"].startswith(self._untraced):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        attributes: dict[str, tracing.Value] = {"http.request.method": method, "url.scheme": scope["scheme"]}
        parent, links = self._origin(scope)
        # A page's own calls lie within the page's span.
        kind = "internal" if is_inner(scope) else "server"
        with tracing.span(method, kind=kind, attributes=attributes, parent=parent, links=links) as span:

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_status(span, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, answer)
            finally:
                _note_route(span, scope, method)

    def _origin(self, scope: Scope) -> tuple[tracing.Carrier | None, tuple[tracing.Carrier, ...]]:
        """The span to be within, and those to point at."""
        if is_inner(scope):
            return None, ()
        given = tracing.valid_carrier(dict(Headers(scope=scope)))
        if self._trusts_callers or not given:
            return given, ()
        return {}, (given,)


def _note_status(span: tracing.Span, status: int) -> None:
    span.set({"http.response.status_code": status})
    if status >= 500:
        span.fail(str(status))


def _note_route(span: tracing.Span, scope: Scope, method: str) -> None:
    """The route's template; the path itself may hold a token."""
    route = scope.get("route")
    # A route of the interface knows its path without the prefix.
    entrance = scope["app"].state.entrances.get((id(route), method)) if "app" in scope else None
    template = getattr(entrance or route, "path", None)
    if isinstance(template, str):
        span.rename(f"{method} {template}")
        span.set({"http.route": template})
    given: Mapping[str, object] = scope.get("path_params") or {}
    for name, pattern in _IDS.items():
        value = given.get(name)
        if isinstance(value, str) and pattern.fullmatch(value):
            span.set({f"aam.{name}": value})
