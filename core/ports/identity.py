"""Tokens: who is calling."""

from typing import Protocol

from core.identity import Principal


class TokenVerifier(Protocol):
    """Tells whom a bearer token belongs to."""

    def verify(self, token: str) -> Principal:
        """The token's holder. Raises `Unauthenticated`; `Unavailable` where the issuer's keys can't be had."""
        ...
