"""Stand-ins for models, for trying what chooses among them."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.explanation import Explanation
from core.labels import Category, RiskLevel
from core.messages import AssessItem, Assessment, ItemFailure
from core.models_config import Source
from core.request import Classification, Risk
from deployments.ai_processing.agreement import Comparison
from deployments.ai_processing.model_set import ModelSet
from deployments.ai_processing.served import Arm
from deployments.ai_processing.shadow import Skip
from tests.builders import build_classification


@dataclass
class NamedJudge:
    """Says its name in every answer, and what it labels follows from what it is told."""

    name: str
    category: Category = Category.BILLING
    score: float = 0.25
    source: str = "model"
    broken_by: str | None = None
    """A message that holds this fails."""
    explodes: bool = False
    is_short: bool = False
    """It gives no answers at all."""
    gate: asyncio.Event | None = None
    """Answers wait for it."""
    takes_s: float = 0.0
    seen: list[str] = field(default_factory=list[str])
    threads: set[int] = field(default_factory=set[int])

    async def assess(self, items: Sequence[AssessItem]) -> list[Assessment | ItemFailure]:
        self.threads.add(threading.get_ident())
        self.seen += [item.message_text for item in items]
        if self.explodes:
            raise RuntimeError("the whole batch")
        if self.gate is not None:
            await self.gate.wait()
        time.sleep(self.takes_s)
        if self.is_short:
            return []
        return [self._answer(item) for item in items]

    def explain(self, message_text: str) -> Explanation:
        raise AssertionError("Nobody asks for that here.")

    def _answer(self, item: AssessItem) -> Assessment | ItemFailure:
        if self.broken_by and self.broken_by in item.message_text:
            return ItemFailure(code="internal_error", detail="It broke.")
        update = {"model_version": self.name, "source": self.source}
        return Assessment(classification=self._labels().model_copy(update=update), risk=self._risk())

    def _labels(self) -> Classification:
        return build_classification(self.category)

    def _risk(self) -> Risk:
        return Risk(
            score=self.score,
            level=RiskLevel.LOW,
            recurrence_probability=self.score,
            sla_breach_probability=self.score,
            escalation_probability=self.score,
            model_version=self.name,
        )


def set_of(judge: NamedJudge) -> ModelSet:
    return ModelSet(Source(judge.name), Source("risk"), judge, judge)


class Notes:
    """A meter that remembers."""

    def __init__(self) -> None:
        self.messages: Counter[tuple[Arm, str]] = Counter()
        self.judgements: Counter[str] = Counter()
        self.comparisons: list[Comparison] = []
        self.skips: Counter[Skip] = Counter()
        self.is_refused: bool | None = None

    def answered(self, arm: Arm, models: str, messages: int) -> None:
        self.messages[arm, models] += messages

    def judged(self, models: ModelSet, answers: Sequence[Assessment | ItemFailure]) -> None:
        self.judgements[models.name] += len(answers)

    def compared(self, models: str, comparison: Comparison) -> None:
        self.comparisons.append(comparison)

    def skipped(self, models: str, reason: Skip) -> None:
        self.skips[reason] += 1

    def refused(self, is_refused: bool) -> None:
        self.is_refused = is_refused


class Shelf:
    """Makes model sets by the name of the text model; an error on the shelf is raised."""

    def __init__(self, **judges: NamedJudge | Exception) -> None:
        self.judges = judges
        self.made: list[str] = []
        self.opened = threading.Event()
        """Cleared, it holds the making up."""
        self.opened.set()

    def make(self, text: Source, risk: Source) -> ModelSet:
        self.opened.wait(10)
        self.made.append(str(text))
        judge = self.judges[text.location]
        if isinstance(judge, Exception):
            raise judge
        return ModelSet(Source(text.location, f"{text.location}-1"), Source(risk.location, "1"), judge, judge)
