"""Idempotency keys: the same key and body get the first answer again, whatever happened in between."""

import hashlib
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from core.errors import Invalid
from core.identity import Principal
from core.ports.store import RequestStore, StoredAnswer
from core.record import MadeCall, RequestRecord

LEASE_S = 60.0
"""Longer than the longest call, so that a key is free again soon after a crash and never during the call."""
TTL_S = 24 * 3600.0
MAX_KEY_CHARACTERS = 255
CALL_CHARACTERS = 24
"""Of a call's hash, enough to tell the calls that change one request apart."""

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
        token = _call.set(_made_call(scoped, fingerprint, now))
        try:
            answer = await work(claim.resource_id)
        except Exception:
            await self._store.release_key(scoped)
            raise
        finally:
            _call.reset(token)
        await self._store.finish_key(scoped, answer)
        return Replay(answer, replayed=False)


def _made_call(scoped_key: str, fingerprint: str, at: datetime) -> MadeCall:
    token = hashlib.sha256(f"{scoped_key}\0{fingerprint}".encode()).hexdigest()
    return MadeCall(token=token[:CALL_CHARACTERS], at=at)
