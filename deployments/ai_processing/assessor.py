"""Understands messages: the safety screen, the text model, a second opinion where it is unsure, then risk."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from core.errors import AppError, BrokenInvariant, Invalid
from core.explanation import Explanation
from core.messages import AssessItem, Assessment, ItemFailure
from core.metrics import STAGES, UNMETERED, Meter, timed
from core.ports.intelligence import LanguageModel
from core.request import Classification, Risk
from deployments.ai_processing.cascade import DEADLINE_S, Cascade
from deployments.ai_processing.issues import FoundIssue, name_issues, split_issues
from deployments.ai_processing.merger import Local, Merger
from deployments.ai_processing.occlusion import explain
from deployments.ai_processing.safety import SafetyFinding, SafetyScreen
from deployments.ai_processing.text import TextModel, TextPrediction

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
SERVICE = "ai_processing"
Failures = dict[int, ItemFailure]
"""What went wrong, by the item's place in the batch."""


class RiskPredictor(Protocol):
    """Says how likely each message is to go wrong."""

    def predict(self, items: Sequence[AssessItem], classifications: Sequence[Classification]) -> list[Risk]:
        """The risk of each message, in order; both arguments have the same length."""
        ...


class Assessor:
    """Turns batches of messages into classifications with risk; what one message gets does not depend on the others.

    Safe to use from many tasks: after construction only the cascade's counts change.
    """

    def __init__(
        self,
        screen: SafetyScreen,
        text_model: TextModel,
        risk_model: RiskPredictor,
        language_model: LanguageModel,
        confidence_floor: float,
        *,
        advice: Mapping[str, str],
        deadline_s: float = DEADLINE_S,
        meter: Meter = UNMETERED,
    ) -> None:
        """`advice` says what to do now, by the id of a safety rule, with a `default`."""
        self._meter = meter
        self._screen = screen
        self._text_model = text_model
        self._risk_model = risk_model
        self.cascade = Cascade(language_model, confidence_floor, deadline_s)
        self.version = f"text-{text_model.version}+rules-{screen.version}"
        self._merger = Merger(advice, text_model.rule_precision, self.version)

    async def assess(self, items: Sequence[AssessItem]) -> list[Assessment | ItemFailure]:
        """One result for each item, in order; what is wrong with one item is that item's failure alone."""
        failures: Failures = {}
        findings = self._screen_all([item.message_text for item in items])
        _, classified = await self._understand(items, findings, failures)

        def predict(places: Sequence[int]) -> list[Risk]:
            return self._risk_model.predict([items[p] for p in places], [classified[p] for p in places])

        with timed(self._meter, STAGES, service=SERVICE, stage="risk"):
            risks = _attempt(predict, list(classified), failures)
        return [
            self._with_finding(failures[place], findings[place])
            if place in failures
            else Assessment(classification=classified[place], risk=risks[place])
            for place in range(len(items))
        ]

    async def classify(self, texts: Sequence[str]) -> list[Classification | ItemFailure]:
        """As `assess`, without risk."""
        failures: Failures = {}
        now = datetime.now(UTC)
        items = [AssessItem(message_text=text, at=now) for text in texts]
        _, classified = await self._understand(items, self._screen_all(texts), failures)
        return [failures[place] if place in failures else classified[place] for place in range(len(texts))]

    def explain(self, message_text: str) -> Explanation:
        """What each word adds to the labels; blocking. Raises `Invalid` for a text without words."""
        return explain(message_text, self._text_model, self._screen, self.version)

    def _screen_all(self, texts: Sequence[str]) -> list[SafetyFinding | None]:
        """The screen, before any model: what it finds is known whatever fails afterwards."""
        with timed(self._meter, STAGES, service=SERVICE, stage="screen"):
            return [self._screen.screen(text.strip()) for text in texts]

    def _with_finding(self, failure: ItemFailure, finding: SafetyFinding | None) -> ItemFailure:
        if finding is None:
            return failure
        known = {"safety_rule": finding.rule_id, "safety_advice": self._merger.advice_for(finding)}
        return failure.model_copy(update=known)

    async def _understand(
        self, items: Sequence[AssessItem], findings: Sequence[SafetyFinding | None], failures: Failures
    ) -> tuple[dict[int, Local], dict[int, Classification]]:
        """What each sound item is by itself, and its classification, by place."""
        texts = [item.message_text.strip() for item in items]
        failures.update(
            {place: _failure(Invalid("The message has no text.")) for place, t in enumerate(texts) if not t}
        )
        sound = [place for place in range(len(texts)) if place not in failures]
        # On the event loop: a thread of its own costs more than it frees, since a replica has about one core.
        with timed(self._meter, STAGES, service=SERVICE, stage="text"):
            local = _attempt(
                lambda places: self._look_at([texts[place] for place in places], [findings[place] for place in places]),
                sound,
                failures,
            )
        confidences = [self._merger.local_confidence(each, items[place]) for place, each in local.items()]
        opinions = await self.cascade.second_opinions([each.text for each in local.values()], confidences)
        return local, {
            place: self._merger.merge(each, items[place], opinion)
            for (place, each), opinion in zip(local.items(), opinions, strict=True)
        }

    def _look_at(self, texts: Sequence[str], findings: Sequence[SafetyFinding | None]) -> list[Local]:
        """What this service makes of each text by itself."""
        predictions = self._text_model.predict(texts)
        parts = [split_issues(text, prediction) for text, prediction in zip(texts, predictions, strict=True)]
        of_parts = iter(self._text_model.predict([part for each in parts for part in each]))
        return [
            Local(
                text=text, prediction=prediction, finding=finding, issues=self._name_issues(each, of_parts, prediction)
            )
            for text, prediction, finding, each in zip(texts, predictions, findings, parts, strict=True)
        ]

    def _name_issues(
        self, parts: Sequence[str], predictions: Iterator[TextPrediction], whole: TextPrediction
    ) -> tuple[FoundIssue, ...]:
        """The parts with the labels of the next predictions, and as the safety screen has them."""
        found = name_issues(parts, [next(predictions) for _ in parts], whole)
        return tuple(self._merger.raise_to_rule(each, self._screen.screen(each.issue.text)) for each in found)


def _attempt(
    work: Callable[[Sequence[int]], list[Result]], places: Sequence[int], failures: Failures
) -> dict[int, Result]:
    """The results of `work` by place: of all at once, and where that fails, of each by itself."""
    if not places:
        return {}
    try:
        results = work(places)
        if len(results) != len(places):
            raise BrokenInvariant("A batch came back with another length.")
        return dict(zip(places, results, strict=True))
    except Exception as problem:
        if len(places) == 1:
            failures[places[0]] = _failure(problem)
            return {}
        _log.warning("a batch of %d failed; each of its items is tried by itself", len(places), exc_info=True)
    done: dict[int, Result] = {}
    for place in places:
        done.update(_attempt(work, [place], failures))
    return done


def _failure(problem: Exception) -> ItemFailure:
    if isinstance(problem, AppError):
        return ItemFailure(code=problem.code, detail=problem.detail)
    _log.error("an item could not be assessed", exc_info=problem)
    return ItemFailure(code=AppError.code, detail="The message could not be assessed.")
