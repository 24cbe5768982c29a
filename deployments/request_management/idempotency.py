"""Idempotency keys: the same key and body get the first answer again, whatever happened in between."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import AppError, Invalid
from core.identity import Principal
from core.ports.store import RequestStore, StoredAnswer
from core.record import MadeCall, RequestRecord

LEASE_S = 10.0
"""So soon after a crash a key is free again. A call that goes on renews its lease, so that it never is meanwhile."""
RENEW_EVERY_S = 2.5
"""So often that three renewals may fail before the lease runs out."""
TTL_S = 24 * 3600.0
MAX_KEY_CHARACTERS = 255
CALL_CHARACTERS = 24
"""Of a call's hash, enough to tell the calls that change one request apart."""

log = logging.getLogger(__name__)

_call: ContextVar[MadeCall | None] = ContextVar("idempotent_call", default=None)


def current_call() -> MadeCall | None:
    """The call that this task works for; None for one without an idempotency key."""
    return _call.get()


def was_made(call: MadeCall | None, record: RequestRecord) -> bool:
    """Whether this very call has changed the record; one that is older than its key's life is another call."""
    if call is None:
        return False
    return any(made.token == call.token and (call.at - made.at).total_seconds() < TTL_S for made in record.calls)


@dataclass(frozen=True)
class Replay:
    """An answer, and whether it is the first one again."""

    answer: StoredAnswer
    replayed: bool


class Idempotency:
    """Runs a call once for each key of a caller."""

    def __init__(self, store: RequestStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def run(
        self,
        principal: Principal,
        key: str,
        call: bytes,
        resource_id: str,
        work: Callable[[str], Awaitable[StoredAnswer]],
    ) -> Replay:
        """The first answer to this key, or that of `work(resource_id)` where there is none yet.

        `call` is what must be the same: method, path and body. After an error the key may be used again at once, and
        `work` gets the same `resource_id`, so that what was made before the error is found and not made twice. `work`
        must run to its end though the client has left. Raises `IdempotencyKeyReused`, `IdempotencyInFlight`, `Invalid`.
        """
        if not 1 <= len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
            raise Invalid(f"An Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} printable characters.")
        scoped = hashlib.sha256(f"{principal.role}\0{principal.sub}\0{key}".encode()).hexdigest()
        fingerprint, now = hashlib.sha256(call).hexdigest(), self._clock()
        claim = await self._store.claim_key(
            scoped,
            fingerprint=fingerprint,
            resource_id=resource_id,
            now=now,
            lease_s=LEASE_S,
            ttl_s=TTL_S,
        )
        if claim.answer is not None:
            return Replay(claim.answer, replayed=True)
        lease = _Lease(self._store, self._clock, scoped, now + timedelta(seconds=LEASE_S))
        token = _call.set(_made_call(scoped, fingerprint, now))
        try:
            async with lease.renewed():
                answer = await work(claim.resource_id)
                await self._store.finish_key(scoped, answer)
        except Exception:
            await lease.give_back()
            raise
        finally:
            _call.reset(token)
        return Replay(answer, replayed=False)


class _Lease:
    """A claimed key's lease, which is moved on while the call goes on."""

    def __init__(self, store: RequestStore, clock: Callable[[], datetime], key: str, until: datetime) -> None:
        self._store = store
        self._clock = clock
        self._key = key
        self._ended = asyncio.Event()
        self._ends = [until]
        """Where it may end: of a renewal that failed nobody knows whether it was written."""

    @asynccontextmanager
    async def renewed(self) -> AsyncGenerator[None]:
        """Renew it again and again, until the block ends; a renewal that has begun is waited for."""
        renewing = asyncio.get_running_loop().create_task(self._renew_until_ended())
        try:
            yield
        finally:
            self._ended.set()
            await renewing

    async def give_back(self) -> None:
        """End it; nothing happens where another holds the key by now."""
        for end in self._ends:
            await self._store.release_key(self._key, leased_until=end)

    async def _renew_until_ended(self) -> None:
        while not await self._has_ended_within(RENEW_EVERY_S):
            try:
                if not await self._renew():
                    log.warning("an idempotency key was lost during its call")
                    return
            except AppError as error:
                log.warning("an idempotency key was not renewed, which is tried again: %s", error.code)

    async def _renew(self) -> bool:
        until = self._clock() + timedelta(seconds=LEASE_S)
        if until in self._ends:
            return True
        possible = self._ends
        self._ends = [*possible, until]
        for end in reversed(possible):
            if await self._store.renew_key(self._key, leased_until=end, until=until):
                self._ends = [until]
                return True
        return False

    async def _has_ended_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        return self._ended.is_set()


def _made_call(scoped_key: str, fingerprint: str, at: datetime) -> MadeCall:
    token = hashlib.sha256(f"{scoped_key}\0{fingerprint}".encode()).hexdigest()
    return MadeCall(token=token[:CALL_CHARACTERS], at=at)
