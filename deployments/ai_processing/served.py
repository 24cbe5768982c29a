"""What serves at one moment: the current models, a canary for some residents, and a shadow."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.messages import AssessItem, Assessment, ItemFailure
from core.models_config import ModelsConfig
from deployments.ai_processing.model_set import ModelSet
from deployments.ai_processing.shadow import Shadow, ShadowMeter

Arm = Literal["current", "canary"]
Result = Assessment | ItemFailure

_log = logging.getLogger(__name__)


class Meter(ShadowMeter, Protocol):
    """Takes what becomes known of all models."""

    def answered(self, arm: Arm, models: str, messages: int) -> None:
        """So many messages were answered by these models."""
        ...

    def judged(self, models: ModelSet, answers: Sequence[Assessment | ItemFailure]) -> None:
        """These are their answers."""
        ...

    def refused(self, is_refused: bool) -> None:
        """Whether what was last asked for is not what serves."""
        ...


@dataclass(frozen=True)
class Served:
    """One state of the service; a call goes through with the state with which it began."""

    config: ModelsConfig
    current: ModelSet
    canary: ModelSet | None
    shadow: Shadow | None
    meter: Meter

    async def assess(self, items: Sequence[AssessItem]) -> list[Result]:
        """One result for each item, in order, from the models that are its resident's."""
        canary, cohorts = self.canary, self.config.canary.cohorts if self.config.canary else 0
        tried = [place for place, item in enumerate(items) if is_in_canary(item, cohorts)]
        if canary is None or not tried:
            return await self._ask_current(items)
        rest = sorted(set(range(len(items))) - set(tried))
        answers: dict[int, Result] = {}
        found = await asyncio.gather(
            self._ask_canary(canary, [items[place] for place in tried]),
            self._ask_current([items[place] for place in rest]),
        )
        for places, results in zip((tried, rest), found, strict=True):
            answers.update(zip(places, results, strict=True))
        return [answers[place] for place in range(len(items))]

    async def _ask_current(self, items: Sequence[AssessItem]) -> list[Result]:
        if not items:
            return []
        answers = await self.current.serving.assess(items)
        self.meter.answered("current", self.current.name, len(items))
        self.meter.judged(self.current, answers)
        if self.shadow is not None:
            self.shadow.offer(items, answers)
        return answers

    async def _ask_canary(self, canary: ModelSet, items: Sequence[AssessItem]) -> list[Result]:
        """What the canary can't judge, the current models do: nobody gets less for being in a trial."""
        try:
            answers: list[Result] = await canary.serving.assess(items)
        except Exception:
            _log.exception("the canary %s failed; the current models answer", canary.name)
            return await self._ask_current(items)
        failed = [place for place, answer in enumerate(answers) if isinstance(answer, ItemFailure)]
        self.meter.answered("canary", canary.name, len(items) - len(failed))
        self.meter.judged(canary, answers)
        instead = await self._ask_current([items[place] for place in failed])
        for place, answer in zip(failed, instead, strict=True):
            answers[place] = answer
        return answers

    def describe(self) -> str:
        """Which models, for whom, and how the shadow agrees."""
        parts = [self.current.name]
        if self.canary and self.config.canary:
            parts.append(f"canary {self.canary.name} for {self.config.canary.percent:g} % of residents")
        if self.shadow:
            parts.append(f"shadow {self.shadow.describe()}")
        return "; ".join(parts)

    def close(self) -> None:
        """Stop the shadow; calls in hand are not touched."""
        if self.shadow:
            self.shadow.close()


def is_in_canary(item: AssessItem, cohorts: int) -> bool:
    """Whether the item's resident is among the first so many cohorts."""
    return item.cohort is not None and item.cohort < cohorts
