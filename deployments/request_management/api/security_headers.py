"""Headers that tell browsers to do as little as possible with an answer."""

from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.settings import Settings

_ALWAYS: Mapping[str, str] = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
# The page's own script is written into it, and holds nothing that anybody sent.
_PAGE = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGES = ("/docs", "/static-offline-docs")
_TWO_YEARS = "max-age=63072000; includeSubDomains"


def security_headers(settings: Settings, path: str) -> dict[str, str]:
    """The headers of an answer on this path, each of which a route may set otherwise for its own."""
    is_page = any(path == page or path.startswith(f"{page}/") for page in _PAGES)
    headers = {**_ALWAYS, "Content-Security-Policy": _PAGE if is_page else _NOTHING, "Cache-Control": "no-store"}
    if settings.environment == "production":
        headers["Strict-Transport-Security"] = _TWO_YEARS
    return headers


class SecurityHeadersMiddleware:
    """Sets them on every answer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in security_headers(self._settings, scope["path"]).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, answer)
