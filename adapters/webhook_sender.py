"""Posts CloudEvents 1.0, signed as Standard Webhooks says, and never to an address inside the house.

A name is looked up for each try and the connection goes to the very address that was checked, so that a name that
changes between the two leads nowhere else.
"""

import asyncio
import base64
import ipaddress
import secrets as randomness
import socket
from collections.abc import Sequence
from datetime import datetime

import httpx
from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks.webhooks import Webhook

from core.errors import Invalid
from core.ports.webhooks import OutgoingEvent, PostResult

TIMEOUT_S = 10.0
SECRET_BYTES = 32
LONGEST_URL = 2000
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_TUNNELS = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))
"""Teredo and 6to4, whose addresses hide one of IPv4."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class HttpWebhookSender:
    """A `WebhookSender`."""

    def __init__(self, *, allow_loopback: bool, timeout_s: float = TIMEOUT_S) -> None:
        """`allow_loopback` also allows plain http to this machine, for development; everything else needs https."""
        self._allow_loopback = allow_loopback
        self._timeout_s = timeout_s

    def new_secret(self) -> str:
        return "whsec_" + base64.b64encode(randomness.token_bytes(SECRET_BYTES)).decode()

    async def require_allowed(self, url: str) -> None:
        """See the port."""
        await self._checked(url)

    async def post(self, url: str, event: OutgoingEvent, secrets: Sequence[str], at: datetime) -> PostResult:
        """See the port. The answer's body is not read, redirects are not followed, no proxy of the machine is used."""
        message = to_structured_event(_cloud_event(event))
        headers = {**message.headers, **_signatures(event.message_id, message.body, secrets, at)}
        try:
            async with asyncio.timeout(self._timeout_s):
                return PostResult(await self._send(url, headers, message.body))
        except Invalid as error:
            return PostResult(None, error.detail)
        except (TimeoutError, httpx.TimeoutException):
            return PostResult(None, f"No answer within {self._timeout_s:g} seconds.")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return PostResult(None, f"The connection failed: {type(error).__name__}.")

    async def _send(self, url: str, headers: dict[str, str], body: bytes) -> int:
        parsed, address = await self._checked(url)
        host = parsed.netloc.decode("ascii")
        target = parsed.copy_with(host=str(address))
        # One connection for each post: a kept one would be shared by all names that lead to the same address.
        client = httpx.AsyncClient(timeout=self._timeout_s, trust_env=False, follow_redirects=False)
        async with (
            client,
            client.stream(
                "POST",
                target,
                content=body,
                headers={**headers, "Host": host, "User-Agent": "agentic-apartment-manager"},
                extensions={"sni_hostname": parsed.host},
            ) as response,
        ):
            return response.status_code

    async def _checked(self, url: str) -> tuple[httpx.URL, Address]:
        parsed = _parsed(url)
        addresses = await _addresses(parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80))
        is_loopback = all(address.is_loopback for address in addresses)
        if is_loopback and self._allow_loopback:
            return parsed, addresses[0]
        if parsed.scheme != "https":
            raise Invalid("The url must begin with https://.")
        if not all(map(is_public, addresses)):
            raise Invalid("The url's host is not an address of the public network.")
        return parsed, addresses[0]


def is_public(address: Address) -> bool:
    """Whether anybody on the internet may be there, and nobody of this house's own network."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _PUBLIC_IPV6 or any(address in tunnel for tunnel in _TUNNELS):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
        host, port = parsed.host, parsed.port
    except (httpx.InvalidURL, UnicodeError):
        raise Invalid("The url can't be read.") from None
    if len(url) > LONGEST_URL or not url.isprintable() or not host or parsed.scheme not in ("http", "https"):
        raise Invalid(f"Give a url of at most {LONGEST_URL} characters with a host.")
    if port is not None and not 0 < port < 65_536:
        raise Invalid("The url's port is none.")
    if parsed.userinfo or parsed.fragment:
        raise Invalid("The url must hold no user, password or fragment.")
    return parsed


async def _addresses(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Invalid("The url's host has no address.") from None
    # A link-local address may come with its zone, which is no part of the address.
    addresses = [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]
    if not addresses:
        raise Invalid("The url's host has no address.")
    return addresses


def _cloud_event(event: OutgoingEvent) -> CloudEvent:
    return CloudEvent(
        attributes={
            "id": event.event_id,
            "source": event.source,
            "type": event.type,
            "specversion": "1.0",
            "time": event.time,
            "subject": event.subject,
            "datacontenttype": "application/json",
        },
        data=dict(event.data),
    )


def _signatures(message_id: str, body: bytes, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    signatures = (Webhook(secret).sign(message_id, at, body.decode()) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
