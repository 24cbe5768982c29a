"""Refuses a body over the limit as a problem document, whether its length was announced or not."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import TooLarge
from deployments.request_management.api.problems import answer_error


class BodyLimitMiddleware:
    """Reads the body before the application sees the call, and gives up at the limit."""

    def __init__(
        self,
        app: ASGIApp,
        limit_bytes: int,
        limits_by_path: Mapping[str, int] | None = None,
        limits_of_known: Mapping[str, int] | None = None,
        is_known: Callable[[Request], Awaitable[bool]] | None = None,
    ) -> None:
        """`limits_by_path` are the limits of single paths, such as those that take files, in bytes.

        `limits_of_known` hold for callers of whom `is_known` says so: a stranger's body is not held in memory.
        """
        self._app = app
        self._limit_bytes = limit_bytes
        self._limits_by_path = dict(limits_by_path or {})
        self._limits_of_known = dict(limits_of_known or {})
        self._is_known = is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        limit_bytes = await self._limit_of(request)
        announced = request.headers.get("content-length", "")
        too_large = announced.isdecimal() and int(announced[:20]) > limit_bytes
        try:
            body = None if too_large else await _read(receive, limit_bytes)
        except ClientDisconnect:
            return
        if body is None:
            await answer_error(request, TooLarge(f"A body may have {limit_bytes} bytes."))(scope, receive, send)
            return
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replay, send)

    async def _limit_of(self, request: Request) -> int:
        path = request.scope["path"]
        larger = self._limits_of_known.get(path)
        if larger is not None and self._is_known is not None and await self._is_known(request):
            return larger
        return self._limits_by_path.get(path, self._limit_bytes)


async def _read(receive: Receive, limit_bytes: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            return None
        if not message.get("more_body", False):
            return bytes(body)
