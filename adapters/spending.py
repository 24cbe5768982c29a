"""Budgets over a moving hour: reserved before money is spent, settled when it is known what was spent."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from limits import RateLimitItemPerHour
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

CHANGE_KEPT_S = 60.0
"""How long what a call did not spend may pay for other calls."""
_ENTRIES = 10_000
"""The window keeps one entry for each unit spent, so an allowance is counted in at most so many units."""


def open_limiter(redis_url: str | None) -> MovingWindowRateLimiter:
    """A moving window in Redis, which all replicas share, or in memory, which each has to itself."""
    if redis_url is None:
        return MovingWindowRateLimiter(storage_from_string("async+memory://"))
    options = {"implementation": "redispy", "wrap_exceptions": True}
    return MovingWindowRateLimiter(storage_from_string(f"async+{redis_url}", **options))


@dataclass(frozen=True)
class Taken:
    """An amount that was taken from the window, and until when it may be spent."""

    amount: int
    spend_by: float


Reservation = tuple[Taken, ...]
"""What pays for one call."""


class Allowance:
    """So much an hour of one thing.

    A moving window can't give back. What a call reserves and does not spend is kept here as change, which for
    `CHANGE_KEPT_S` pays for the next calls; what it overspends is owed, and paid with the next reservation. So what all
    replicas spend in any 59 minutes stays within the allowance, but for what is owed at the moment.
    """

    def __init__(
        self, name: str, per_hour: int, limiter: MovingWindowRateLimiter, clock: Callable[[], float] = time.time
    ) -> None:
        """`per_hour` in the thing's smallest unit; 0 allows nothing."""
        self._unit = max(1, math.ceil(per_hour / _ENTRIES))
        units = per_hour // self._unit
        self._item = RateLimitItemPerHour(units) if units else None
        self._name, self._limiter, self._clock = name, limiter, clock
        self._change: list[Taken] = []
        self._owed = 0

    @property
    def in_hand(self) -> int:
        """Change that may still be spent, less what is owed."""
        now = self._clock()
        return sum(each.amount for each in self._change if each.spend_by > now) - self._owed

    async def reserve(self, amount: int) -> Reservation | None:
        """Take this much, and pay what is owed; None, and nothing taken, where the hour does not hold it."""
        owed, self._owed = self._owed, 0
        paid, self._change = _split(self._valid_change(), amount + owed)
        short = amount + owed - _total(paid)
        units = math.ceil(short / self._unit)
        taken = False
        try:
            taken = units == 0 or (
                self._item is not None and await self._limiter.hit(self._item, self._name, cost=units)
            )
        finally:
            if not taken:
                self._change += paid
                self._owed += owed
        if not taken:
            return None
        if units:
            paid.append(Taken(units * self._unit, self._clock() + CHANGE_KEPT_S))
        _, rest = _split(paid, owed)
        reserved, change = _split(rest, amount)
        self._change += change
        return tuple(reserved)

    def settle(self, reserved: Reservation, spent: int) -> None:
        """Of what was reserved, so much was spent; it may be more."""
        _, change = _split(reserved, spent)
        self._change += change
        self._owed += max(0, spent - _total(reserved))

    def _valid_change(self) -> list[Taken]:
        now = self._clock()
        return sorted((each for each in self._change if each.spend_by > now), key=lambda each: each.spend_by)


def _total(taken: Sequence[Taken]) -> int:
    return sum(each.amount for each in taken)


def _split(taken: Sequence[Taken], amount: int) -> tuple[list[Taken], list[Taken]]:
    """The first of what was taken, up to the amount, and the rest."""
    first: list[Taken] = []
    rest: list[Taken] = []
    for each in taken:
        part = min(amount, each.amount)
        amount -= part
        first += [Taken(part, each.spend_by)] if part else []
        rest += [Taken(each.amount - part, each.spend_by)] if each.amount > part else []
    return first, rest


@dataclass(frozen=True)
class Usage:
    """Tokens that a call takes."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens."""

    input_usd: float
    output_usd: float

    def micro_usd(self, usage: Usage) -> int:
        """What a call costs, in millionths of a dollar, rounded up."""
        return math.ceil(usage.input_tokens * self.input_usd + usage.output_tokens * self.output_usd)


@dataclass(frozen=True)
class BudgetReservation:
    """What one call may use, as reserved."""

    tokens: Reservation
    micro_usd: Reservation


class Budget:
    """Tokens and dollars an hour, both of which must suffice."""

    def __init__(self, tokens: Allowance, micro_usd: Allowance, prices: Prices) -> None:
        self._tokens, self._micro_usd, self._prices = tokens, micro_usd, prices

    def usd(self, usage: Usage) -> float:
        """What a call that used this much costs, in US dollars."""
        return self._prices.micro_usd(usage) / 1_000_000

    async def reserve(self, usage: Usage) -> BudgetReservation | None:
        """Take what a call may use at most; None, and nothing taken, where either allowance does not hold it."""
        tokens = await self._tokens.reserve(usage.input_tokens + usage.output_tokens)
        if tokens is None:
            return None
        micro_usd: Reservation | None = None
        try:
            micro_usd = await self._micro_usd.reserve(self._prices.micro_usd(usage))
        finally:
            if micro_usd is None:
                self._tokens.settle(tokens, 0)
        return None if micro_usd is None else BudgetReservation(tokens, micro_usd)

    def settle(self, reserved: BudgetReservation, spent: Usage) -> None:
        """What the call used in the end."""
        self._tokens.settle(reserved.tokens, spent.input_tokens + spent.output_tokens)
        self._micro_usd.settle(reserved.micro_usd, self._prices.micro_usd(spent))
