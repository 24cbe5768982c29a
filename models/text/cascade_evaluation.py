"""Says how many messages are sent on to the language model, by the floor of confidence, and what that can buy.

No language model is asked. What an opinion buys is bounded: by one that is always right, by ones that are right as
often as is assumed, and by the share of right ones from which on it is worth asking at all.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import BrokenInvariant
from core.labels import Urgency
from core.messages import AssessItem, ItemFailure, Retrieved
from core.ports.intelligence import ProposedOption
from core.request import Answer, Classification, Risk
from core.rules import CataloguedOption
from core.settings import load_settings
from deployments.ai_processing.assessor import Assessor
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.text import HEADS, HeadName, TextModel
from models.corpus_reader import Message, read_corpus, split
from models.text.served import ARTEFACT, open_screen, open_text_model

FLOORS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
MOST_SENT_ON = 0.15
"""The share of messages that may be sent on."""
ASSUMED = (0.7, 0.8, 0.9)
"""How often an opinion is assumed to have every label right."""


@dataclass(frozen=True)
class Judged:
    """A message's local classification: how sure it is, whether it may be sent on, and which labels are right."""

    confidence: float
    ruled: bool
    """A safety rule fired; such a message is never sent on."""
    false_alarm: bool
    """It is no Emergency, but was called one; no opinion can undo that."""
    right: dict[HeadName, bool]

    @property
    def all_right(self) -> bool:
        """Whether every label is."""
        return all(self.right.values())


@dataclass(frozen=True)
class Trade:
    """What one floor gives. Accuracies are shares of messages with every label right."""

    floor: float
    sent_on: float
    """Share of messages below the floor."""
    local_kept: float
    """Accuracy on the messages that are not sent on."""
    break_even: float
    """Opinions that are right less often than this make it worse."""
    mendable: float
    """Share of the messages that are sent on that an opinion can get right: all but false alarms, which stand."""
    local_only: float
    """Accuracy on all without any opinion."""

    def with_opinions(self, right: float) -> float:
        """Accuracy on all, with opinions that have every label right so often: a bound for 1.0, else an assumption."""
        return (1.0 - self.sent_on) * self.local_kept + self.sent_on * self.mendable * right


def judge(messages: Sequence[Message], assessor: Assessor) -> list[Judged]:
    """The local classification of each message, compared with its labels."""
    found = asyncio.run(assessor.classify([message.text for message in messages]))
    return [_compare(message, label) for message, label in zip(messages, found, strict=True)]


def trade_off(judged: Sequence[Judged], floor: float) -> Trade:
    """What is sent on at a floor, and how right the local labels are on either side of it."""
    sent = [each for each in judged if not each.ruled and each.confidence < floor]
    kept = [each for each in judged if each.ruled or each.confidence >= floor]
    mendable = sum(not each.false_alarm for each in sent) / max(1, len(sent))
    return Trade(
        floor=floor,
        sent_on=len(sent) / len(judged),
        local_kept=_accuracy(kept),
        break_even=_accuracy(sent) / max(mendable, 1e-9),
        mendable=mendable,
        local_only=_accuracy(judged),
    )


def highest_floor(judged: Sequence[Judged], most: float = MOST_SENT_ON) -> float:
    """The highest floor, to two places, at which no greater share than `most` is sent on."""
    return max(step / 100 for step in range(101) if trade_off(judged, step / 100).sent_on <= most)


def wrong_below(judged: Sequence[Judged], floor: float) -> dict[HeadName, float]:
    """By head, the share of all wrong local labels that lie below the floor, where an opinion could mend them."""
    below = [each for each in judged if not each.ruled and each.confidence < floor]
    return {head: _wrong(below, head) / max(1, _wrong(judged, head)) for head in HEADS}


def open_assessor(model: TextModel, screen: SafetyScreen) -> Assessor:
    """The assessor as it is served, but for the language model, which is never asked."""
    return Assessor(screen, model, _NoRisk(), _NoLanguageModel(), 0.0, advice={})


def evaluate(judging: Sequence[Message], assessor: Assessor, floor: float) -> list[str]:
    """The printed lines for these messages and the configured floor."""
    judged = judge(judging, assessor)
    now = trade_off(judged, floor)
    mended = wrong_below(judged, floor)
    lines = [
        f"{len(judged)} messages of held-out voices; configured floor {floor:.2f}: {now.sent_on:.1%} sent on "
        f"(aim: at most {MOST_SENT_ON:.0%}); the highest floor that keeps to the aim: {highest_floor(judged):.2f}",
        "wrong local labels that lie below it: " + ", ".join(f"{head} {share:.0%}" for head, share in mended.items()),
        "",
        "share of messages with every label right; no language model was asked: with opinions, these are bounds",
        f"{'floor':>6}{'sent on':>9}{'kept':>8}{'break-even':>12}{'local':>8}"
        + "".join(f"{f'if {right:.0%}':>9}" for right in ASSUMED)
        + f"{'if perfect':>12}",
    ]
    return lines + [_row(trade_off(judged, each)) for each in sorted({*FLOORS, floor})]


def main() -> int:
    """Print the tables for the artefact and the floor in the settings."""
    settings = load_settings()
    assessor = open_assessor(open_text_model(settings.artefacts_dir / ARTEFACT), open_screen())
    sys.stdout.write("\n".join(evaluate(split(read_corpus()).test, assessor, settings.llm_confidence_floor)) + "\n")
    return 0


def _compare(message: Message, label: Classification | ItemFailure) -> Judged:
    if isinstance(label, ItemFailure):
        raise BrokenInvariant("A message of the corpus could not be classified.")
    right: dict[HeadName, bool] = {head: getattr(label, head) == getattr(message, head) for head in HEADS}
    false_alarm = label.urgency is Urgency.EMERGENCY and message.urgency is not Urgency.EMERGENCY
    return Judged(label.least_confidence, label.safety_rule is not None, false_alarm, right)


def _accuracy(judged: Sequence[Judged]) -> float:
    return sum(each.all_right for each in judged) / max(1, len(judged))


def _wrong(judged: Sequence[Judged], head: HeadName) -> int:
    return sum(not each.right[head] for each in judged)


def _row(trade: Trade) -> str:
    bought = "".join(f"{trade.with_opinions(right):>9.3f}" for right in ASSUMED)
    return (
        f"{trade.floor:>6.2f}{trade.sent_on:>9.1%}{trade.local_kept:>8.3f}{trade.break_even:>12.3f}{trade.local_only:>8.3f}"
        f"{bought}{trade.with_opinions(1.0):>12.3f}"
    )


class _NoRisk:
    """Classifying needs no risk."""

    def predict(self, items: Sequence[AssessItem], classifications: Sequence[Classification]) -> list[Risk]:
        raise BrokenInvariant("No risk is asked for.")


class _NoLanguageModel:
    """At a floor of 0, nothing is asked."""

    source = "extract"

    async def classify(self, message_text: str) -> Classification | None:
        raise BrokenInvariant("No language model is asked.")

    async def answer(self, question: str, sentences: Sequence[Retrieved]) -> Answer | None:
        raise BrokenInvariant("No language model is asked.")

    async def propose(
        self,
        message_text: str,
        labels: Classification,
        passages: Sequence[Retrieved],
        catalogue: Sequence[CataloguedOption],
    ) -> tuple[ProposedOption, ...]:
        raise BrokenInvariant("No language model is asked.")


if __name__ == "__main__":
    raise SystemExit(main())
