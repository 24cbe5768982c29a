"""How much one person or address may ask for in a while."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class RateAllowance:
    """What is left after one call."""

    allowed: bool
    limit: int
    """Calls in one window."""
    remaining: int
    reset_s: float
    """Until a place in the window is free again; at least 0."""


class RateLimiter(Protocol):
    """One limit, counted for each caller."""

    async def take(self, caller: str) -> RateAllowance:
        """Count one call of this caller. Never raises: where the shared count can't be had, the own one serves."""
        ...


@dataclass(frozen=True)
class RateLimits:
    """The limits of the HTTP interface."""

    person: RateLimiter
    """Calls that change something, by token holder."""
    address: RateLimiter
    """All calls, by network address."""
