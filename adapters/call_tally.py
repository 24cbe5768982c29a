"""Counts how the calls of one connector go, where no guard does (`adapters/call_guard.py`)."""

from collections.abc import Generator
from contextlib import contextmanager

from core.errors import ActionRejected, SystemBusy, Unavailable
from core.ports.execution import SystemState


class CallTally:
    """A refusal is an answer too: only a call without one is a failure."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._in_flight = self._calls = self._failures = 0
        self._is_failing = False
        self._last_error: str | None = None

    @contextmanager
    def call(self) -> Generator[None]:
        """Wraps one call."""
        self._calls += 1
        self._in_flight += 1
        try:
            yield
            self._is_failing = False
        except (ActionRejected, SystemBusy):
            self._is_failing = False
            raise
        except Unavailable as problem:
            self._failures += 1
            self._is_failing, self._last_error = True, problem.detail
            raise
        finally:
            self._in_flight -= 1

    def state(self) -> SystemState:
        """How they go."""
        status = "failing" if self._is_failing else "ok"
        return SystemState(self._name, status, self._in_flight, self._calls, self._failures, self._last_error)
