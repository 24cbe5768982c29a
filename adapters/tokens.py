"""Bearer tokens, verified against an issuer's published keys (`oidc`) or a key of this installation (`local`)."""

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt

from core.errors import Unauthenticated, Unavailable
from core.identity import Principal
from core.labels import ApprovalTier, Role

LOCAL_ISSUER = "aam-local"
CLOCK_SKEW_S = 30
_ASYMMETRIC = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class LocalTokens:
    """Mode `local`, for development: HMAC with a key made on first run and kept in a file that only its owner reads."""

    def __init__(self, key_file: Path) -> None:
        self._key = _read_or_make_key(key_file)

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
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer=LOCAL_ISSUER,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "sub"]},
            )
        except jwt.InvalidTokenError:
            raise Unauthenticated("The token is not valid.") from None
        return principal_from(claims)


class OidcTokens:
    """Mode `oidc`: an issuer's tokens, checked against its JWKS with the algorithms pinned to asymmetric ones."""

    def __init__(self, issuer: str, audience: str, jwks_url: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = jwt.PyJWKClient(jwks_url, cache_keys=True, lifespan=300, timeout=5)

    def verify(self, token: str) -> Principal:
        """See `core.ports.identity.TokenVerifier`."""
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=_ASYMMETRIC,
                audience=self._audience,
                issuer=self._issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
        except jwt.PyJWKClientConnectionError:
            raise Unavailable("The issuer's keys can't be had.") from None
        except jwt.PyJWTError:
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


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a claim is not a text")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("a claim is not a list")
    return list(value)  # pyright: ignore[reportUnknownArgumentType] - a claim's members are checked one by one


def _read_or_make_key(key_file: Path) -> bytes:
    key_file.parent.mkdir(parents=True, exist_ok=True)
    # Written whole under another name and then linked: two first starts at once agree on one key.
    made = key_file.with_name(f"{key_file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(32).encode())
    try:
        os.link(made, key_file)
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return key_file.read_bytes()
