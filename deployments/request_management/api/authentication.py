"""Who calls, found out once for each call and before its body is read."""

import asyncio
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from fastapi import Request
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import AppError, Unauthenticated
from core.identity import Principal
from deployments.request_management.api.problems import answer_error
from deployments.request_management.service import RequestManagementService

# An issuer that answers slowly holds up these threads and nothing else.
_threads = ThreadPoolExecutor(4, thread_name_prefix="tokens")


async def authenticate(request: Request) -> Principal:
    """The caller, remembered for the rest of the call. Raises `Unauthenticated`, `Unavailable`."""
    known = getattr(request.state, "principal", None)
    if isinstance(known, Principal):
        return known
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send a bearer token.")
    service: RequestManagementService = request.app.state.service()
    if service.settings.auth_mode == "local":
        principal = service.tokens.verify(token.strip())
    else:
        # An issuer's keys may have to be fetched.
        loop = asyncio.get_running_loop()
        principal = await loop.run_in_executor(_threads, service.tokens.verify, token.strip())
    request.state.principal = principal
    return principal


class AuthenticationMiddleware:
    """Refuses calls without a valid token below `prefix`, but for public paths; the guard decides about the rest."""

    def __init__(self, app: ASGIApp, prefix: str, public: Iterable[str]) -> None:
        """`public` are path templates below `prefix`."""
        self._app = app
        self._prefix = prefix + "/"
        self._public: list[re.Pattern[str]] = [compile_path(prefix + path)[0] for path in public]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_closed(scope["path"]):
            request = Request(scope)
            try:
                await authenticate(request)
            except AppError as error:
                await answer_error(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_closed(self, path: str) -> bool:
        return path.startswith(self._prefix) and not any(pattern.match(path) for pattern in self._public)
