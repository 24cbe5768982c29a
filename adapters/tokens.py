"""Bearer tokens, verified against an issuer's published keys (`oidc`) or a key of this installation (`local`)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt

from adapters.issuer_keys import IssuerKeys
from adapters.key_files import read_or_make_key
from core.errors import Unauthenticated
from core.identity import Principal
from core.labels import ApprovalTier, Role

LOCAL_ISSUER = "aam-local"
CLOCK_SKEW_S = 30
LONGEST_TOKEN = 8192
_LONGEST_SUBJECT = 200
_NOT_A_TOKEN = (jwt.PyJWTError, RecursionError)
"""What a token raises that is none, or not a valid one."""


class LocalTokens:
    """Mode `local`, for development: HMAC with a key made on first run and kept in a file that only its owner reads."""

    def __init__(self, key_file: Path) -> None:
        self._key = read_or_make_key(key_file)

    def issue(
        self, role: Role, sub: str, *, valid_for: timedelta = timedelta(days=30), buildings: list[str] | None = None
    ) -> str:
        """A token for this subject."""
        now = datetime.now(UTC)
        claims: dict[str, Any] = {"iss": LOCAL_ISSUER, "sub": sub, "role": role, "iat": now, "exp": now + valid_for}
        if buildings is not None:
            claims["buildings"] = buildings
        return jwt.encode(claims, self._key, algorithm="HS256")

    def verify(self, token: str) -> Principal:
        """See `core.ports.identity.TokenVerifier`."""
        _require_short(token)
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer=LOCAL_ISSUER,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "sub"]},
            )
        except _NOT_A_TOKEN:
            raise Unauthenticated("The token is not valid.") from None
        return principal_from(claims)


class OidcTokens:
    """Mode `oidc`: an issuer's tokens, checked against its JWKS with the algorithms pinned to asymmetric ones."""

    def __init__(self, issuer: str, audience: str, jwks_url: str | None = None) -> None:
        """`jwks_url` is discovered from the issuer where it is None."""
        self._issuer = issuer
        self._audience = audience
        self._keys = IssuerKeys(issuer, jwks_url)

    def verify(self, token: str) -> Principal:
        """See `core.ports.identity.TokenVerifier`."""
        _require_short(token)
        try:
            # The key is the one that the token names, but what may be done with it is the key's own statement.
            key_id = jwt.get_unverified_header(token).get("kid")
            if not isinstance(key_id, str) or not key_id:
                raise Unauthenticated("The token is not valid.")
            key = self._keys.find(key_id)
            claims = jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                audience=self._audience,
                issuer=self._issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
        except _NOT_A_TOKEN:
            raise Unauthenticated("The token is not valid.") from None
        return principal_from(claims)


def principal_from(claims: dict[str, Any]) -> Principal:
    """The caller that verified claims describe. Raises `Unauthenticated` where they describe nobody."""
    try:
        buildings = claims.get("buildings")
        tier = claims.get("approval_tier")
        return Principal(
            sub=_text(claims["sub"]),
            role=Role(claims["role"]),
            buildings=None if buildings is None else frozenset(_text(one) for one in _list(buildings)),
            approval_tier=None if tier is None else ApprovalTier(tier),
        )
    except (KeyError, ValueError):
        raise Unauthenticated("The token's claims are not those of a user of this system.") from None


def _require_short(token: str) -> None:
    if len(token) > LONGEST_TOKEN:
        raise Unauthenticated("The token is too long.")


def _text(value: Any) -> str:
    # What is printable can't break a log line; what is short can't fill one.
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_SUBJECT or not value.isprintable():
        raise ValueError("a claim is not a short text")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("a claim is not a list")
    return list(value)  # pyright: ignore[reportUnknownArgumentType] - a claim's members are checked one by one
