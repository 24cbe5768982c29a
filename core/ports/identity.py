"""Tokens: who is calling."""

from datetime import timedelta
from typing import Protocol, runtime_checkable

from core.identity import Principal
from core.labels import Role


class TokenVerifier(Protocol):
    """Tells whom a bearer token belongs to."""

    def verify(self, token: str) -> Principal:
        """The token's holder. Raises `Unauthenticated`; `Unavailable` where the issuer's keys can't be had."""
        ...


@runtime_checkable
class TokenIssuer(Protocol):
    """Makes tokens, in mode `local` alone."""

    def issue(
        self, role: Role, sub: str, *, valid_for: timedelta = timedelta(days=30), buildings: list[str] | None = None
    ) -> str:
        """A token for this subject."""
        ...
