"""Refuses calls beyond what a replica can take at once, as a problem document that says when to come back."""

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import Overloaded
from deployments.request_management.api.inner_calls import is_inner
from deployments.request_management.api.problems import problem_response


class AdmissionMiddleware:
    """Counts the calls that are being answered; Serve's own limit is above this one and answers in its own words.

    A live stream counts until its answer begins: what stays open has a limit of its own, and takes no call's place.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._present = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_inner(scope):
            await self._app(scope, receive, send)
            return
        if self._present >= self._limit:
            headers = {"Retry-After": str(Overloaded.retry_after_s)}
            detail = "Too many calls at once; please try again in a moment."
            error = Overloaded(detail)
            refusal = problem_response(Request(scope), error.status, error.code, error.title, detail, headers=headers)
            await refusal(scope, receive, send)
            return
        self._present += 1
        place = 1

        async def answer(message: Message) -> None:
            nonlocal place
            if place and _begins_stream(message):
                self._present -= place
                place = 0
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            self._present -= place


def _begins_stream(message: Message) -> bool:
    if message["type"] != "http.response.start":
        return False
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
