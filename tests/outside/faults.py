"""The ways in which an outside system can misbehave, and which call meets which of them."""

import random
import threading
from collections import deque
from collections.abc import Iterable
from enum import StrEnum


class Fault(StrEnum):
    """What goes wrong with one call."""

    SLOW = "slow"
    """The answer comes after `slow_s`, long after anybody waits for it; the effect has happened."""
    GARBAGE = "garbage"
    """The effect has happened, and the answer is 200 and not JSON."""
    MISSING_FIELDS = "missing_fields"
    """The effect has happened, and the answer is a JSON object without what is needed."""
    RATE_LIMITED = "rate_limited"
    """429 with `Retry-After`; no effect."""
    HALF_OPEN = "half_open"
    """The effect has happened, and the connection ends without an answer."""
    DROPPED = "dropped"
    """The connection ends without an answer or an effect."""
    ERROR_BEFORE = "error_before"
    """500; no effect."""
    ERROR_AFTER = "error_after"
    """500; the effect has happened."""
    REDIRECT_AWAY = "redirect_away"
    """307 to another host; no effect."""
    REDIRECT_METADATA = "redirect_metadata"
    """302 to the address where clouds hand out credentials; no effect."""
    HUGE = "huge"
    """The effect has happened, and the answer has 10 MB."""
    PACKED = "packed"
    """The effect has happened, and the answer is 10 MB that are packed into a few kilobytes, which nobody asked for."""


WITHOUT_EFFECT = frozenset(
    {Fault.RATE_LIMITED, Fault.DROPPED, Fault.ERROR_BEFORE, Fault.REDIRECT_AWAY, Fault.REDIRECT_METADATA}
)
TRANSIENT = (
    Fault.GARBAGE,
    Fault.MISSING_FIELDS,
    Fault.RATE_LIMITED,
    Fault.HALF_OPEN,
    Fault.DROPPED,
    Fault.ERROR_BEFORE,
    Fault.ERROR_AFTER,
)
"""What may pass when the call is repeated, and takes no time; a redirect is a refusal for good."""


class FaultPlan:
    """Says of each call what goes wrong with it; safe to use from several threads."""

    def __init__(self) -> None:
        self._next: deque[Fault | None] = deque()
        self._share, self._kinds = 0.0, TRANSIENT
        self._random = random.Random(0)
        self._lock = threading.Lock()
        self.met: list[Fault] = []
        """What went wrong so far, in this order."""

    def plan(self, *faults: Fault | None) -> None:
        """The next calls meet these, in this order; None for a call that goes well."""
        with self._lock:
            self._next.extend(faults)

    def spoil(self, share: float, kinds: Iterable[Fault] = TRANSIENT, *, seed: int = 0) -> None:
        """From now on this share of all calls, drawn by chance, meets one of these."""
        with self._lock:
            self._share, self._kinds, self._random = share, tuple(kinds), random.Random(seed)

    def draw(self) -> Fault | None:
        """For one call."""
        with self._lock:
            if self._next:
                fault = self._next.popleft()
            else:
                fault = self._random.choice(self._kinds) if self._random.random() < self._share else None
            if fault is not None:
                self.met.append(fault)
            return fault
