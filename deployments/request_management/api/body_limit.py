"""Refuses a body over the limit as a problem document, whether its length was announced or not."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import TooLarge
from deployments.request_management.api.problems import problem_response


class BodyLimitMiddleware:
    """Reads the body before the application sees the call, and gives up at the limit."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(receive)
        if body is None:
            detail = f"A body may have {self._limit_bytes} bytes."
            refusal = problem_response(Request(scope), TooLarge.status, TooLarge.code, TooLarge.title, detail)
            await refusal(scope, receive, send)
            return
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._limit_bytes:
                return None
            if not message.get("more_body", False):
                return bytes(body)
