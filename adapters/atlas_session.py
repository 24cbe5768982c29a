"""Signed-in calls of Atlas CMMS: a token is kept until it expires, and renewed once where it is refused."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any, cast

import jwt

from adapters.outbound_http import Answer, OutboundHttp, require_success, retry_after_s
from core.errors import SystemBusy, SystemUnavailable

log = logging.getLogger(__name__)

EXPIRY_MARGIN_S = 60.0
"""So long before its end a token is not used any more."""
_REFUSED_TOKEN = frozenset({401, 403})


class AtlasSession:
    """It may be used by many tasks at once; only one of them signs in."""

    def __init__(
        self, email: str, password: str, http: OutboundHttp, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives seconds since 1970, as a token's expiry does."""
        self._email, self._password = email, password
        self._http, self._clock = http, clock
        self._token: str | None = None
        self._expires_at = 0.0
        self._signing_in = asyncio.Lock()

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        """What was answered, whatever its status; a call that a refused token stopped is made once more."""
        token = await self._valid_token()
        answer = await self._send(method, path, body, token)
        if not _token_refused(answer):
            return answer
        return await self._send(method, path, body, await self._renewed_token(token))

    async def _send(self, method: str, path: str, body: Any, token: str | None) -> Answer:
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is None:
            return await self._http.request(method, path, headers=headers)
        headers["Content-Type"] = "application/json"
        return await self._http.request(method, path, headers=headers, content=json.dumps(body).encode())

    async def _valid_token(self) -> str:
        async with self._signing_in:
            if self._token is None or self._clock() >= self._expires_at - EXPIRY_MARGIN_S:
                await self._sign_in()
            return cast(str, self._token)

    async def _renewed_token(self, refused: str) -> str:
        async with self._signing_in:
            # Somebody else may have renewed it in the meantime.
            if self._token is None or self._token == refused:
                self._token = None
                await self._sign_in()
            return cast(str, self._token)

    async def _sign_in(self) -> None:
        credentials = {"email": self._email, "password": self._password, "type": "CLIENT"}
        answer = await self._send("POST", "/auth/signin", credentials, None)
        if answer.status == 429:
            raise SystemBusy("Atlas CMMS asks for fewer calls (429).", retry_after_s(answer.headers))
        if not 200 <= answer.status < 300:
            # Not a refusal of the action: it may be carried out when the account is set right.
            log.error("Atlas CMMS refuses the sign-in (%d); see the account's e-mail and password", answer.status)
            raise SystemUnavailable(f"Atlas CMMS refuses the sign-in ({answer.status}).")
        token = read_object(answer).get("accessToken")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SystemUnavailable("Atlas CMMS answered the sign-in without a token.")
        self._token, self._expires_at = token, _expiry(token)


def read_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of a success. Raises as `require_success` does, and `SystemUnavailable` where it is none."""
    found = _read(answer)
    if not isinstance(found, dict):
        raise SystemUnavailable("The answer of Atlas CMMS can't be read.")
    return cast(dict[str, Any], found)


def read_objects(answer: Answer) -> list[dict[str, Any]]:
    """The JSON objects of a success that is a list. Raises as `read_object` does."""
    found = _read(answer)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in cast(list[Any], found)):
        raise SystemUnavailable("The answer of Atlas CMMS can't be read.")
    return cast(list[dict[str, Any]], found)


def _read(answer: Answer) -> Any:
    try:
        return json.loads(require_success(answer).body)
    except ValueError:
        raise SystemUnavailable("The answer of Atlas CMMS can't be read.") from None


def _token_refused(answer: Answer) -> bool:
    # An expired token is answered by 500 where the error page is open to all, and by 403 where it is not.
    return answer.status in _REFUSED_TOKEN or (answer.status == 500 and b"JWT token" in answer.body)


def _expiry(token: str) -> float:
    """Seconds since 1970; without end where the token does not say. It is not checked: that is the server's part."""
    try:
        return float(jwt.decode(token, options={"verify_signature": False}).get("exp", "inf"))
    except (jwt.InvalidTokenError, TypeError, ValueError):
        return float("inf")
