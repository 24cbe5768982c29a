"""Asks the language model where the local model is unsure, within a deadline, and lives with its silence."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from core.ports.intelligence import LanguageModel
from core.request import Classification

DEADLINE_S = 2.0

Outcome = Literal["answered", "silent", "timed_out", "failed"]

_log = logging.getLogger(__name__)


@dataclass
class Cascade:
    """The second opinion. It never raises: without it, the local answer stands."""

    language_model: LanguageModel
    confidence_floor: float
    """Below this confidence of the local answer, the language model is asked; 0 never asks."""
    deadline_s: float = DEADLINE_S
    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])
    """How often it was asked, by what came of it."""

    async def second_opinions(self, texts: Sequence[str], confidences: Sequence[float]) -> list[Classification | None]:
        """The language model's labels for each text below the floor; None where it was not asked or had none to give.

        All are asked at once and share the deadline.
        """
        pairs = zip(texts, confidences, strict=True)
        asked = [self._ask(text) if confidence < self.confidence_floor else _nothing() for text, confidence in pairs]
        return list(await asyncio.gather(*asked))

    async def _ask(self, text: str) -> Classification | None:
        outcome: Outcome = "failed"
        try:
            opinion = await asyncio.wait_for(self.language_model.classify(text), self.deadline_s)
            outcome = "silent" if opinion is None else "answered"
            return opinion
        except TimeoutError:
            outcome = "timed_out"
            _log.warning("the language model did not classify within %.1f s; the local labels stand", self.deadline_s)
        except Exception:
            # Whatever is wrong with it, a message must still be classified; so it is logged and counted, not raised.
            _log.warning("the language model failed to classify; the local labels stand", exc_info=True)
        finally:
            self.outcomes[outcome] += 1
        return None


async def _nothing() -> None:
    return None
