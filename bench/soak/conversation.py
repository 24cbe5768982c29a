"""Good clients: each call has an Idempotency-Key and is repeated until it is answered."""

import asyncio
import random
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.running_graph import Graph
from core.labels import Role

GIVE_UP_AFTER_S = 300.0
CALL_TIMEOUT_S = 40.0
LONGEST_PAUSE_S = 3.0
REPEATABLE = frozenset({429, 500, 502, 503, 504})
IN_FLIGHT = "idempotency_in_flight"
OF_THE_APPLICATION = "X-Request-ID"
"""A header that every answer of the application has."""

Json = dict[str, Any]


class GaveUp(Exception):
    """A call was refused, or not answered for so long that no client would go on."""


@dataclass
class Tally:
    """What the clients saw."""

    acknowledged: dict[str, str] = field(default_factory=dict[str, str])
    """The request id that each idempotency key of a submission was answered with."""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    """What was submitted under each key."""
    retries: Counter[str] = field(default_factory=Counter[str])
    """Calls that were repeated, by what they had been answered."""
    calls: Counter[str] = field(default_factory=Counter[str])
    """Calls that were answered in the end, by what they do and their status."""
    unexpected: list[str] = field(default_factory=list[str])
    """Answers that no client expects."""


class Clients:
    """Calls as residents, staff and managers over one pool of connections."""

    def __init__(self, graph: Graph, tally: Tally, rng: random.Random) -> None:
        self._graph = graph
        self._tally = tally
        self._rng = rng
        self._headers: dict[tuple[Role, str], dict[str, str]] = {}
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
        self._http = httpx.AsyncClient(base_url=graph.url, timeout=CALL_TIMEOUT_S, limits=limits)

    async def close(self) -> None:
        """Give back the connections."""
        await self._http.aclose()

    async def submit(self, resident: str, text: str, wait_s: int) -> Json:
        """Send a message and return the request; its key and text are kept in the tally."""
        key = secrets.token_hex(12)
        self._tally.texts[key] = text
        prefer = {"Prefer": f"wait={wait_s}"}
        body = {"message_text": text}
        answer = await self._until_answered(Role.RESIDENT, resident, "POST", "/requests", body, key, prefer)
        if answer.status_code not in (201, 202):
            raise self._gave_up(f"POST /requests: {answer.status_code} {answer.text[:200]}")
        request: Json = answer.json()
        self._tally.acknowledged[key] = request["request_id"]
        return request

    async def change(self, role: Role, sub: str, path: str, body: Json | None = None) -> Json | None:
        """Do a step; None where it is not possible any more, or beyond what the caller may agree to."""
        answer = await self._until_answered(role, sub, "POST", path, body, secrets.token_hex(12), {})
        if answer.status_code == 409 or _is_beyond_limit(answer):
            return None
        if answer.status_code not in (200, 202):
            self._tally.unexpected.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            return None
        return answer.json()

    async def read(self, role: Role, sub: str, path: str) -> Json:
        """Read something that is there."""
        answer = await self._until_answered(role, sub, "GET", path, None, None, {})
        if answer.status_code != 200:
            raise self._gave_up(f"GET {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json()

    async def _until_answered(
        self, role: Role, sub: str, method: str, path: str, body: Json | None, key: str | None, extra: dict[str, str]
    ) -> httpx.Response:
        headers = {**self._of(role, sub), **extra} | ({"Idempotency-Key": key} if key else {})
        name = f"{method} {path.rpartition('/')[2] if method == 'POST' else '…'}"
        end, pause_s = asyncio.get_running_loop().time() + GIVE_UP_AFTER_S, 0.2
        while asyncio.get_running_loop().time() < end:
            asked_pause_s = 0.0
            try:
                answer = await self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                why = type(error).__name__
            else:
                why = _why_again(answer)
                if why is None:
                    self._tally.calls[f"{name} {answer.status_code}"] += 1
                    return answer
                asked_pause_s = _retry_after_s(answer)
            self._tally.retries[why] += 1
            await asyncio.sleep(max(asked_pause_s, pause_s * self._rng.uniform(0.5, 1.0)))
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
        raise self._gave_up(f"{name}: no answer in {GIVE_UP_AFTER_S:.0f} s")

    def _gave_up(self, why: str) -> GaveUp:
        self._tally.unexpected.append(why)
        return GaveUp(why)

    def _of(self, role: Role, sub: str) -> dict[str, str]:
        if (role, sub) not in self._headers:
            self._headers[(role, sub)] = self._graph.headers(role, sub)
        return self._headers[(role, sub)]


def _why_again(answer: httpx.Response) -> str | None:
    """Why a good client repeats the call; None for an answer to be content with."""
    status = answer.status_code
    if OF_THE_APPLICATION not in answer.headers:
        # While the application starts, what listens in front of it has answers of its own, 404 among them.
        return f"{status} by the proxy"
    if status == 409 and answer.json().get("code") == IN_FLIGHT:
        return IN_FLIGHT
    return str(status) if status in REPEATABLE else None


def _is_beyond_limit(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and answer.json().get("code") == "approval_limit_exceeded"


def _retry_after_s(answer: httpx.Response) -> float:
    given = answer.headers.get("Retry-After", "")
    return min(float(given), LONGEST_PAUSE_S) if given.isdecimal() else 0.0
