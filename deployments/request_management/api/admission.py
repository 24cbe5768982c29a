"""Refuses calls beyond what a replica can take at once, as a problem document that says when to come back."""

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import Overloaded
from deployments.request_management.api.problems import problem_response


class AdmissionMiddleware:
    """Counts the calls that are being answered; Serve's own limit is above this one and answers in its own words."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._present = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
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
        try:
            await self._app(scope, receive, send)
        finally:
            self._present -= 1
