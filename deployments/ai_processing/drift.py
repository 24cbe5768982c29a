"""Whether what the models say of today's messages is still spread as it was on the messages that they were tried on."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from math import log

WINDOW = 500
"""The newest values of a label that are looked at."""
LEAST = 100
"""With fewer, chance alone would look like a shift: of k values, it gives about (k - 1) / n."""
DOUBT = 0.5
"""A value that was never seen is taken to have been seen half a time, so that its logarithm exists."""

Shares = Mapping[str, float]
"""What part of the messages got each value; they add up to 1."""


def stability_index(expected: Shares, found: Shares) -> float:
    """The population stability index: the sum of (f - e) ln(f / e) over all values; 0 for the same shares.

    N. Siddiqi, Credit Risk Scorecards, 2006; it is the divergence of H. Jeffreys, 1946. Up to 0.1 counts as no shift,
    above 0.2 as one. Both are shares of the same values, each above 0.
    """
    return sum((found[value] - share) * log(found[value] / share) for value, share in expected.items())


def shares(counts: Mapping[str, float], values: Iterable[str]) -> dict[str, float]:
    """The share of each of these values, with one half time more of each."""
    doubted = {value: counts.get(value, 0.0) + DOUBT for value in values}
    total = sum(doubted.values())
    return {value: count / total for value, count in doubted.items()}


class Drift:
    """The newest values of one label, against a reference."""

    def __init__(self, reference: Shares | None = None) -> None:
        """Without a reference, the first `WINDOW` values become it."""
        self._reference: dict[str, float] | None = (
            None if not reference else {value: share * WINDOW for value, share in reference.items()}
        )
        self.seen = 0
        """All values so far."""
        self._newest: deque[str] = deque(maxlen=WINDOW)
        self._counts: Counter[str] = Counter()

    def add(self, value: str) -> None:
        """One more message was labelled."""
        self.seen += 1
        if len(self._newest) == WINDOW:
            self._counts[self._newest[0]] -= 1
        self._newest.append(value)
        self._counts[value] += 1
        if self._reference is None and len(self._newest) == WINDOW:
            self._reference = {known: float(count) for known, count in self._counts.items()}
            self._newest.clear()
            self._counts.clear()

    @property
    def index(self) -> float | None:
        """The stability index; None where there are too few values, or no reference yet."""
        if self._reference is None or len(self._newest) < LEAST:
            return None
        values = {*self._reference, *self._counts}
        return stability_index(shares(self._reference, values), shares(self._counts, values))
