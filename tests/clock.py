"""Clocks that stand until a test moves them."""

from datetime import datetime, timedelta


class Clock:
    """Seconds since the epoch, as `time.time` gives them."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class ManualClock:
    """A moment that stands until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
