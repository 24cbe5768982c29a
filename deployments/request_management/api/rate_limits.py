"""Limits by network address, and how a caller is told how much is left."""

import math
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import RateLimited
from core.ports.rate_limits import RateAllowance
from core.settings import Settings
from deployments.request_management.api.inner_calls import is_inner
from deployments.request_management.api.problems import answer_error
from deployments.request_management.service import RequestManagementService

_CUSTOMER_BITS = 64
"""What one customer of a network has to themselves of an IPv6 address."""


def address_of(request: Request, trusted_proxies: int) -> IPv4Address | IPv6Address | None:
    """Where a call comes from: whom the outermost trusted proxy says it was called by. None where it is no address."""
    lines = request.headers.getlist("x-forwarded-for") if trusted_proxies else []
    forwarded = [part.strip() for line in lines for part in line.split(",")][-trusted_proxies:]
    peer = request.client.host if request.client else ""
    for text in (*forwarded[:1], peer):
        try:
            address = ip_address(text)
        except ValueError:
            continue
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return mapped or address
    return None


def is_local(request: Request, settings: Settings) -> bool:
    """Whether a call comes from this machine."""
    address = address_of(request, settings.trusted_proxies)
    return address is not None and address.is_loopback


def is_in_development(request: Request, settings: Settings) -> bool:
    """Whether a call comes from this machine while it serves for development: no limit holds."""
    return settings.environment == "development" and is_local(request, settings)


def remember(request: Request, allowance: RateAllowance) -> None:
    """Tell the caller of this allowance."""
    request.state.allowance = allowance


class AddressLimitMiddleware:
    """Counts calls by address, and writes what is left of the call's nearest limit on every answer."""

    def __init__(self, app: ASGIApp, settings: Settings, exempt: frozenset[str]) -> None:
        """`exempt` are paths that anybody may call as often as they like."""
        self._app, self._settings, self._exempt = app, settings, exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt or is_inner(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def answer(message: Message) -> None:
            allowance = getattr(request.state, "allowance", None)
            if message["type"] == "http.response.start" and isinstance(allowance, RateAllowance):
                _write(MutableHeaders(scope=message), allowance)
            await send(message)

        if not self._is_exempt(request):
            service: RequestManagementService = scope["app"].state.service()
            allowance = await service.limits.address.take(_network(request, self._settings.trusted_proxies))
            remember(request, allowance)
            if not allowance.allowed:
                error = RateLimited("Too many calls from your address; please wait a moment.", allowance.reset_s)
                await answer_error(request, error)(scope, receive, answer)
                return
        await self._app(scope, receive, answer)

    def _is_exempt(self, request: Request) -> bool:
        # All calls through a proxy on this machine would share one limit, where it is not trusted to say whence.
        hidden = self._settings.trusted_proxies == 0 and is_local(request, self._settings)
        return hidden or is_in_development(request, self._settings)


def _network(request: Request, trusted_proxies: int) -> str:
    address = address_of(request, trusted_proxies)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _CUSTOMER_BITS), strict=False))
    return str(address)


def _write(headers: MutableHeaders, allowance: RateAllowance) -> None:
    headers["RateLimit-Limit"] = str(allowance.limit)
    headers["RateLimit-Remaining"] = str(allowance.remaining)
    headers["RateLimit-Reset"] = str(math.ceil(allowance.reset_s))
