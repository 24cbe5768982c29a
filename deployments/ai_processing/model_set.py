"""Models that serve together, made from their artefacts and tried before anybody depends on them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from core.errors import ArtefactRefused
from core.explanation import Explanation
from core.messages import AssessItem, Assessment, ItemFailure
from core.models_config import Source

PROBES = (
    "Water drips from the ceiling of unit 12 since yesterday, and nobody came",
    "When does the gym open? And you charged me the late fee twice.",
    "La calefacción no funciona",
    "🫠",
)


class Judge(Protocol):
    """Understands messages, as an `Assessor` does."""

    async def assess(self, items: Sequence[AssessItem]) -> list[Assessment | ItemFailure]:
        """One result for each item, in order."""
        ...

    def explain(self, message_text: str) -> Explanation:
        """What each word adds to the labels; blocking. Raises `Invalid` for a text without words."""
        ...


@dataclass(frozen=True)
class ModelSet:
    """A text model and a risk model, and what judges by them."""

    text: Source
    risk: Source
    """Each with the version that was loaded."""
    serving: Judge
    silent: Judge
    """As `serving`, but it never asks for a second opinion."""
    reference: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    """The share of each value of a label in what they gave on their own test data; empty where nobody kept them."""

    @property
    def name(self) -> str:
        """Both versions."""
        return f"text-{self.text.version} risk-{self.risk.version}"


class ModelFactory(Protocol):
    """Makes model sets; what two of them have in common is loaded once."""

    def make(self, text: Source, risk: Source) -> ModelSet:
        """Blocking. Raises `ArtefactRefused` and `Unavailable`."""
        ...


def probe(models: ModelSet) -> None:
    """Let the models judge a few messages; blocking. Raises `ArtefactRefused` where an answer can't be one."""
    items = [AssessItem(message_text=text, at=datetime.now(UTC)) for text in PROBES]
    answers = asyncio.run(models.silent.assess(items))
    if len(answers) != len(items):
        raise ArtefactRefused(f"{models.name} gave {len(answers)} answers to {len(items)} messages.")
    for answer in answers:
        if isinstance(answer, ItemFailure):
            raise ArtefactRefused(f"{models.name} failed on a message of the trial: {answer.detail}")
