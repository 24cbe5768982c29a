"""Which addresses a call may go to: never this machine's own, a cloud's metadata, or the house's network unasked.

A name is looked up for each call, and the call goes to the very address that was checked (`adapters/outbound_http.py`),
so that a name that changes between the two leads nowhere else.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import Literal

import httpx

from core.errors import Invalid

LONGEST_URL = 2000
Network = Literal["public", "private"]
"""`private` adds the networks that only a house or a company has (RFC 1918 and RFC 4193) to the public one."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("2001::/23"),
    ipaddress.IPv6Network("2002::/16"),
    ipaddress.IPv6Network("3fff::/20"),
)
"""Kept for protocols, tunnels and examples, some of which Python counts as public: among them a cloud's metadata, and
Teredo and 6to4, whose addresses hide one of IPv4."""
_HOUSE = (
    ipaddress.IPv4Network("10.0.0.0/8"),
    ipaddress.IPv4Network("172.16.0.0/12"),
    ipaddress.IPv4Network("192.168.0.0/16"),
    ipaddress.IPv6Network("fc00::/7"),
)
_METADATA = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.169.254/32",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "fd00:ec2::/32",
        "fd00:c1::/32",
        "fd20:ce::/32",
    )
)
"""Where clouds hand out credentials. Some of these lie in a house's or in the public network; those of IPv6 are whole
networks, since a cloud has further services beside its metadata."""


class NameUnknown(Invalid):
    """The host has no address at the moment."""


class AddressRefused(Invalid):
    """The host's address is one that must not be called."""


@dataclass(frozen=True)
class AddressRules:
    """What may be called. `allow_loopback` adds this machine, and plain http to it, for development and tests."""

    network: Network = "public"
    allow_loopback: bool = False

    async def check(self, url: str) -> tuple[httpx.URL, Address]:
        """The url, and the address to connect to.

        Raises `Invalid` for what is no plain url, `NameUnknown` and `AddressRefused`.
        """
        parsed = parse_url(url)
        addresses = await _addresses(parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80))
        if self.allow_loopback and all(address.is_loopback for address in addresses):
            return parsed, addresses[0]
        if self.network == "public" and parsed.scheme != "https":
            raise AddressRefused("The url must begin with https://.")
        if not all(map(self._allows, addresses)):
            where = "the public network" if self.network == "public" else "the public or the house's own network"
            raise AddressRefused(f"The url's host is not an address of {where}.")
        return parsed, addresses[0]

    def _allows(self, address: Address) -> bool:
        return is_public(address) or (self.network == "private" and is_of_a_house(address))


def is_public(address: Address) -> bool:
    """Whether anybody on the internet may be there, and nobody of this house's own network."""
    address = _unwrap(address)
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_IPV6:
        return False
    if any(address in network for network in (*_METADATA, *_SPECIAL)):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_of_a_house(address: Address) -> bool:
    """Whether it is of a network that anybody may number as they like, and is no cloud's metadata."""
    address = _unwrap(address)
    return any(address in network for network in _HOUSE) and not any(address in network for network in _METADATA)


def parse_url(url: str) -> httpx.URL:
    """Raises `Invalid` for anything but plain http or https with a host."""
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


def _unwrap(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


async def _addresses(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NameUnknown("The url's host has no address.") from None
    # A link-local address may come with its zone, which is no part of the address.
    addresses = [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]
    if not addresses:
        raise NameUnknown("The url's host has no address.")
    return addresses
