"""The rules of the knowledge base that was built last, read again when it changes."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from adapters.artefacts import stated_version
from adapters.knowledge_files import read_rules
from core.errors import AppError
from core.rules import RuleBook

LOOK_EVERY_S = 30.0

log = logging.getLogger(__name__)


class RulesInForce:
    """Gives the rule book at each call; a newer one that can't be read is left alone, and the log says why."""

    def __init__(self, folder: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises `ArtefactRefused` where there is none."""
        self._folder = folder
        self._monotonic = monotonic
        self._version: str = stated_version(folder, "kb")
        self._rules = read_rules(folder)
        self._looked_at = monotonic()

    def __call__(self) -> RuleBook:
        """The rules as they stand, at most half a minute old."""
        if self._monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = self._monotonic()
            self._look()
        return self._rules

    def _look(self) -> None:
        try:
            version = stated_version(self._folder, "kb")
            if version != self._version:
                self._rules, self._version = read_rules(self._folder), version
        except AppError as problem:
            log.error("the rules that were built last can't be used: %s", problem.detail)
