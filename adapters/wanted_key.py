"""An idempotency key as a caller wants it, the same for every store."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from adapters.sqlite import to_millis


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A key with what is to be stored with it; times in milliseconds since 1970."""

    key: str
    fingerprint: str
    resource_id: str
    now: int
    leased_until: int
    expires_at: int

    @classmethod
    def at(cls, now: datetime, key: str, *, fingerprint: str, resource_id: str, lease_s: float, ttl_s: float) -> Self:
        """Wanted at this moment, for `lease_s` seconds until there is an answer and for `ttl_s` in all."""
        return cls(
            key,
            fingerprint,
            resource_id,
            now=to_millis(now),
            leased_until=to_millis(now + timedelta(seconds=lease_s)),
            expires_at=to_millis(now + timedelta(seconds=ttl_s)),
        )
