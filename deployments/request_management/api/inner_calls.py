"""Calls that a page makes for the person who looks at it: counted once, as the page's."""

from starlette.types import ASGIApp, Receive, Scope, Send

_MARK = "aam.inner_call"
"""A key of the scope, which no client can write."""


class InnerCalls:
    """The application as pages call it: the page itself was admitted and counted against its address already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, _MARK: True}, receive, send)


def is_inner(scope: Scope) -> bool:
    """Whether a page makes this call."""
    return bool(scope.get(_MARK))
