"""The event list: what happens next, in the order of time."""

import heapq
from collections.abc import Callable


class Clock:
    """Runs actions at their days; actions of the same day run in the order in which they were planned."""

    def __init__(self) -> None:
        self.now = 0.0
        self._planned = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, day: float, action: Callable[[], None]) -> None:
        """Plan an action for a day, not before the present one."""
        self._planned += 1
        heapq.heappush(self._events, (max(day, self.now), self._planned, action))

    def replan(self, anew: Callable[[Callable[[], None]], float | None]) -> None:
        """Move each planned action to the day that `anew` gives for it; None leaves it where it is."""
        moved = [(anew(action), day, number, action) for day, number, action in self._events]
        self._events = [(day if new is None else new, number, action) for new, day, number, action in moved]
        heapq.heapify(self._events)

    def run(self, until: float) -> None:
        """Let everything happen that is planned before this day."""
        while self._events and self._events[0][0] < until:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = until
