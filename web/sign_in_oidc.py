"""Signing in at an OpenID Connect issuer: the authorization code flow with PKCE, state and nonce.

Authlib's client for Starlette is used for what it does without a session of its own: discovery, the address of the
sign-in with its challenge, the token call, and the checks of the id token.
"""

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.starlette_client import OAuth, OAuthError
from joserfc.errors import JoseError

from core.errors import Unauthenticated, Unavailable
from core.identity import Principal
from core.ports.identity import TokenVerifier
from core.settings import Settings

log = logging.getLogger(__name__)

CALLBACK = "/sign-in/callback"
SIGNED_OUT = "/sign-in"
TIMEOUT_S = 5.0
FRESH_S = 3600.0
"""So long the issuer's configuration is used without asking again."""
CLOCK_SKEW_S = 30

Reason = Literal["not_set_up", "expired", "mismatch", "denied", "refused", "no_role", "unavailable"]


class SignInRefused(Exception):
    """Nobody was signed in; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Beginning:
    """Where to send the browser, and what has to be known when it comes back."""

    address: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Admission:
    """A person whom the issuer has named and who has a role here."""

    principal: Principal
    token: str
    """What the interface takes."""
    expires_at: datetime
    refresh_token: str | None
    id_token: str | None


class Issuer:
    """One issuer, as a client of it. The methods that call it raise `SignInRefused`."""

    def __init__(self, issuer: str, client_id: str, secret: str | None, scopes: str, public_url: str) -> None:
        """`public_url` is where people reach these pages."""
        self._issuer, self._client_id = issuer, client_id
        self._base = public_url.rstrip("/")
        # Authlib has no types.
        self._client: Any = cast(Any, OAuth()).register(
            "issuer",
            client_id=client_id,
            client_secret=secret,
            server_metadata_url=issuer.rstrip("/") + "/.well-known/openid-configuration",
            client_kwargs={"scope": scopes, "code_challenge_method": "S256", "timeout": TIMEOUT_S},
        )

    async def begin(self) -> Beginning:
        """The issuer's own page, with a new state, nonce and challenge."""
        async with _in_our_words():
            await self._configuration()
            made = await self._client.create_authorization_url(self._base + CALLBACK)
        return Beginning(made["url"], made["state"], made["nonce"], made["code_verifier"])

    async def complete(self, code: str, nonce: str, verifier: str, tokens: TokenVerifier) -> Admission:
        """The person for whom the issuer gave this code."""
        async with _in_our_words():
            await self._configuration()
            answer = await self._client.fetch_access_token(
                redirect_uri=self._base + CALLBACK, code=code, code_verifier=verifier, grant_type="authorization_code"
            )
            if "id_token" not in answer:
                raise ValueError("the issuer gave no id token")
            await self._check_id_token(answer, nonce)
        return await _admit(answer, tokens)

    async def refresh(self, refresh_token: str, tokens: TokenVerifier) -> Admission:
        """The same person, with a new token."""
        async with _in_our_words():
            await self._configuration()
            answer = await self._client.fetch_access_token(grant_type="refresh_token", refresh_token=refresh_token)
        return await _admit(answer, tokens)

    async def sign_out_address(self, id_token: str | None) -> str | None:
        """Where to sign out at the issuer as well; None where it has no such page."""
        async with _in_our_words():
            if "end_session_endpoint" not in await self._configuration():
                return None
            made = await self._client.create_logout_url(
                post_logout_redirect_uri=self._base + SIGNED_OUT, id_token_hint=id_token, client_id=self._client_id
            )
        return str(made["url"])

    async def _configuration(self) -> Mapping[str, Any]:
        known: dict[str, Any] = self._client.server_metadata
        if time.time() - known.get("_loaded_at", 0.0) > FRESH_S:
            known.clear()
        document = cast(Mapping[str, Any], await self._client.load_server_metadata())
        try:
            self._require_own(document)
        except ValueError:
            known.clear()
            raise
        return document

    def _require_own(self, document: Mapping[str, Any]) -> None:
        if document.get("issuer") != self._issuer:
            raise ValueError("the configuration is not this issuer's")
        safe = {"https", urlsplit(self._issuer).scheme}
        required = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        stated = [document.get(name) for name in required] + [document.get("end_session_endpoint", self._issuer)]
        if not all(isinstance(address, str) and urlsplit(address).scheme in safe for address in stated):
            raise ValueError("an address of the issuer is missing, or less safe than the issuer's own")

    async def _check_id_token(self, answer: Mapping[str, Any], nonce: str) -> None:
        claims = {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._client_id},
        }
        await self._client.parse_id_token(answer, nonce=nonce, claims_options=claims, leeway=CLOCK_SKEW_S)


def issuer_of(settings: Settings) -> Issuer:
    """The issuer of these settings, with what is known of it. Raises `SignInRefused` where a setting is missing."""
    issuer, client_id, url = settings.oidc_issuer, settings.oidc_client_id, settings.public_url
    is_safe = settings.environment != "production" or (url or "").startswith("https://")
    if not (issuer and client_id and url and is_safe):
        # The interface itself needs less, so that this is no reason not to start.
        log.error("nobody can sign in: set AAM_OIDC_CLIENT_ID and AAM_PUBLIC_URL (https:// in production)")
        raise SignInRefused("not_set_up")
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
    return _issuer(issuer, client_id, secret, settings.oidc_scopes, url)


_issuer = lru_cache(maxsize=8)(Issuer)


@asynccontextmanager
async def _in_our_words() -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(2 * TIMEOUT_S):
            yield
    except OAuthError as error:
        # An error's code is one word of the protocol; its description is anybody's text.
        log.warning("the issuer refused: %.40r", error.error)
        raise SignInRefused("refused") from None
    except JoseError as error:
        log.warning("the issuer's id token is not valid: %s", type(error).__name__)
        raise SignInRefused("refused") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, RuntimeError, LookupError) as error:
        log.warning("the issuer does not answer as it should: %s", type(error).__name__)
        raise SignInRefused("unavailable") from error


async def _admit(answer: Mapping[str, Any], tokens: TokenVerifier) -> Admission:
    """Whom the interface takes one of the tokens for: the access token, else the id token."""
    given = [answer.get("access_token"), answer.get("id_token")]
    for token in [each for each in given if isinstance(each, str)]:
        try:
            # An issuer's keys may have to be fetched.
            principal = await asyncio.to_thread(tokens.verify, token)
        except Unauthenticated:
            continue
        except Unavailable:
            raise SignInRefused("unavailable") from None
        refresh, id_token = answer.get("refresh_token"), answer.get("id_token")
        return Admission(principal, token, _end_of(token), refresh, id_token)
    raise SignInRefused("no_role")


def _end_of(token: str) -> datetime:
    """When a token that was verified ends."""
    claims = token.split(".")[1]
    return datetime.fromtimestamp(json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"], UTC)
