"""What serves one version of the knowledge base, and takes up the next one beside it, without a restart."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import date
from typing import Generic, TypeVar

from core.errors import AppError
from core.rules import RuleBook

LOG = logging.getLogger(__name__)
T = TypeVar("T")

GRACE_S = 60.0
"""So long an old version stays open for the calls that have begun with it; none may last longer."""


def outdated(rules: RuleBook, today: date) -> str | None:
    """Why rules that were compiled earlier are no longer those in force, as a sentence; None where they are."""
    if rules.holds_until is None or today <= rules.holds_until:
        return None
    return (
        f"a document came into force or ended after {rules.holds_until}, which these rules do not know yet; "
        "run `python -m aam build`"
    )


class VersionInService(Generic[T]):
    """The newest version that could be opened. `look` is for a thread: opening takes seconds."""

    def __init__(
        self,
        newest: Callable[[], str],
        open_newest: Callable[[], T],
        close: Callable[[T], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens the newest version. Raises what `newest` and `open_newest` raise: a replica needs one to begin with."""
        self._newest, self._open, self._close, self._clock = newest, open_newest, close, clock
        self._looking = threading.Lock()
        self._version = newest()
        self._refused: tuple[str, str] | None = None
        self._retired: list[tuple[float, T]] = []
        self.current = open_newest()
        """What serves now."""

    @property
    def refusal(self) -> str | None:
        """Why the newest version does not serve, where it doesn't."""
        return self._refused[1] if self._refused else None

    def look(self) -> bool:
        """Take up a newer version if there is one; a refused one is not tried again. Returns whether it was taken."""
        with self._looking:
            self._close_retired()
            try:
                version = self._newest()
            except (AppError, OSError) as problem:
                self._refuse("unreadable", problem)
                return False
            if version == self._version:
                self._refused = None
                return False
            if self._refused is not None and self._refused[0] == version:
                return False
            return self._take_up(version)

    def close(self) -> None:
        """Close every version; nothing serves afterwards."""
        for old in (*(old for _, old in self._retired), self.current):
            self._close(old)
        self._retired = []

    def _take_up(self, version: str) -> bool:
        try:
            opened = self._open()
        except Exception as problem:
            # Whatever is wrong with the new version, the old one goes on serving.
            self._refuse(version, problem)
            return False
        self._retired.append((self._clock(), self.current))
        self.current, self._version, self._refused = opened, version, None
        return True

    def _refuse(self, version: str, problem: Exception) -> None:
        detail = problem.detail if isinstance(problem, AppError) else type(problem).__name__
        if self._refused != (version, detail):
            LOG.error("A new version is refused and the old one goes on: %s", detail, exc_info=problem)
        self._refused = (version, detail)

    def _close_retired(self) -> None:
        now = self._clock()
        over = [old for since, old in self._retired if now - since >= GRACE_S]
        self._retired = [(since, old) for since, old in self._retired if now - since < GRACE_S]
        for old in over:
            self._close(old)
