"""Asks the language model where the local model is unsure, within a deadline, and lives with its silence."""

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from core.errors import LanguageModelFailure, LanguageModelUnavailable
from core.metrics import SECOND_OPINIONS, STAGES, UNMETERED, Meter, timed
from core.ports.intelligence import LanguageModel
from core.request import Classification

DEADLINE_S = 2.0

Outcome = Literal["answered", "silent"] | LanguageModelFailure

_log = logging.getLogger(__name__)


@dataclass
class Cascade:
    """The second opinion. It never raises: without it, the local answer stands."""

    language_model: LanguageModel
    confidence_floor: float
    """Below this confidence of the local answer, the language model is asked; 0 never asks."""
    deadline_s: float = DEADLINE_S
    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])
    """How often a message was to be sent on, by what came of it; of `over_budget` and `circuit_open`, none left."""
    seen: int = 0
    """All messages, sent on or not."""
    meter: Meter = UNMETERED

    async def second_opinions(self, texts: Sequence[str], confidences: Sequence[float]) -> list[Classification | None]:
        """The language model's labels for each text below the floor; None where it was not asked or had none to give.

        All are asked at once and share the deadline.
        """
        self.seen += len(texts)
        pairs = zip(texts, confidences, strict=True)
        asked = [self._ask(text) if confidence < self.confidence_floor else _nothing() for text, confidence in pairs]
        return list(await asyncio.gather(*asked))

    def describe(self) -> str:
        """What became of the messages so far, in words and counts alone."""
        counts = ", ".join(f"{outcome} {count}" for outcome, count in sorted(self.outcomes.items()))
        return f"second opinions: {self.outcomes.total()} of {self.seen} messages" + (f" ({counts})" if counts else "")

    async def _ask(self, text: str) -> Classification | None:
        outcome: Outcome = "failed"
        try:
            with timed(self.meter, STAGES, service="ai_processing", stage="second_opinion"):
                opinion = await asyncio.wait_for(self.language_model.classify(text), self.deadline_s)
            outcome = "silent" if opinion is None else "answered"
            return opinion
        except TimeoutError:
            outcome = "timed_out"
            _log.warning("the language model did not classify within %.1f s; the local labels stand", self.deadline_s)
        except LanguageModelUnavailable as problem:
            outcome = problem.reason
            _log.warning("no second opinion (%s): %s The local labels stand", problem.reason, problem.detail)
        except Exception as problem:
            # Whatever is wrong with it, a message must still be classified; so it is logged and counted, not raised.
            # Where it happened, not what was said: that may repeat the message.
            where = "".join(traceback.format_tb(problem.__traceback__))
            kind = type(problem).__name__
            _log.warning("the language model failed to classify (%s); the local labels stand\n%s", kind, where)
        finally:
            self.outcomes[outcome] += 1
            self.meter.add(SECOND_OPINIONS, outcome=outcome)
        return None


async def _nothing() -> None:
    return None
