"""Refusals from before the pages, such as of too large a form, as a page: a person reads them."""

import json
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.failure_reasons import reason_of
from web.language import language_of, words_in
from web.rendering import POLICY, render_plain

INTERFACE = ("/api", "/docs", "/openapi.json", "/static-offline-docs")
"""What is not a page's."""
_PROBLEM = "application/problem+json"


class PlainWords:
    """Writes a problem document as HTML where a browser asked for a page."""

    def __init__(self, app: ASGIApp, time_zone: str) -> None:
        self._app, self._time_zone = app, time_zone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks_for_page = (
            scope["type"] == "http"
            and not is_interface(scope["path"])
            and "text/html" in Headers(scope=scope).get("accept", "")
        )
        if not asks_for_page:
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                if Headers(raw=message["headers"]).get("content-type", "").startswith(_PROBLEM):
                    held.append(message)
                    return
            elif held:
                held.append(message)
                if not message.get("more_body", False):
                    for each in self._as_page(Request(scope), held):
                        await send(each)
                return
            await send(message)

        await self._app(scope, receive, answer)

    def _as_page(self, request: Request, held: list[Message]) -> list[Message]:
        start, *rest = held
        document: dict[str, Any] = json.loads(b"".join(each.get("body", b"") for each in rest))
        words = words_in(language_of(request), self._time_zone)
        title, advice = reason_of(start["status"])
        found = {"title": title, "advice": advice, "correlation_id": str(document.get("request_id", ""))}
        body = render_plain(words, "plain.html", **found).encode()
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-security-policy"] = POLICY
        headers["content-type"] = "text/html; charset=utf-8"
        headers["content-length"] = str(len(body))
        return [{**start, "headers": headers.raw}, {"type": "http.response.body", "body": body}]


def is_interface(path: str) -> bool:
    """Whether a path is the public interface's or its documentation's."""
    return any(path == each or path.startswith(each + "/") for each in INTERFACE)
