"""Waking those who wait for a queue as soon as the same process puts something into it."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


class Arrivals:
    """Who waits for one queue, on any event loop of the process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @contextmanager
    def listen(self) -> Generator[asyncio.Event]:
        """An event of the running loop that each announcement sets."""
        arrived = asyncio.Event()
        with self._guard:
            self._waiting[arrived] = asyncio.get_running_loop()
        try:
            yield arrived
        finally:
            with self._guard:
                del self._waiting[arrived]

    def announce(self) -> None:
        """Wake everybody; who finds nothing waits on."""
        with self._guard:
            waiting = list(self._waiting.items())
        for arrived, loop in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(arrived.set)


@cache
def arrivals_at(path: Path, name: str) -> Arrivals:
    """The one `Arrivals` of this process for the queue `name` in the file `path`."""
    return Arrivals()
