"""The correlation id of a call: accepted or made, carried along, and given back on every answer."""

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.correlation import set_correlation

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:@/+=-]{1,128}")


class CorrelationMiddleware:
    """Keeps the correlation id in the scope's state and sets it on the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        identifier = given if _ACCEPTABLE.fullmatch(given) else str(uuid.uuid4())
        scope.setdefault("state", {})["correlation_id"] = identifier
        set_correlation(identifier)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = identifier
            await send(message)

        await self._app(scope, receive, answer)


def correlation_id(connection: HTTPConnection) -> str:
    """The correlation id of this call."""
    return connection.state.correlation_id
