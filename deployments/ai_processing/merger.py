"""Merges what the safety rules, the writer, the language model and the local model say into one classification."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from core.labels import Category, Intent, Trade, Urgency
from core.messages import AssessItem
from core.request import Classification, Issue
from deployments.ai_processing.issues import leading_issue
from deployments.ai_processing.safety import SafetyFinding
from deployments.ai_processing.text import TextPrediction

DEFAULT_ADVICE = "default"

Source = Literal["rules", "model", "llm", "user"]


@dataclass(frozen=True)
class Local:
    """What this service made of one message by itself."""

    text: str
    embedding: bytes
    prediction: TextPrediction
    finding: SafetyFinding | None
    issues: tuple[Issue, ...]


@dataclass(frozen=True)
class Labels:
    """Labels on their way to a classification; `certainty` is that of the least certain among them."""

    category: Category
    urgency: Urgency
    intent: Intent
    trade: Trade | None
    certainty: Mapping[str, float]
    issues: tuple[Issue, ...]


@dataclass(frozen=True)
class Merger:
    """Who has the last word: a safety rule, then the writer, then the language model, then the local model."""

    advice: Mapping[str, str]
    """What to do now, by the id of the safety rule, with a `default`."""
    rule_precision: float
    """How often a message on which a rule fired is an Emergency."""
    version: str

    def local_confidence(self, local: Local, item: AssessItem) -> float:
        """The confidence before any second opinion; chosen and ruled labels need none."""
        labels = _apply_writer(_from_model(local), item, local.prediction)
        return 1.0 if local.finding else min(labels.certainty.values(), default=1.0)

    def merge(self, local: Local, item: AssessItem, opinion: Classification | None) -> Classification:
        """The classification of one message."""
        labels = _from_model(local) if opinion is None else _from_opinion(opinion, local.text)
        labels = _apply_writer(labels, item, local.prediction)
        if local.finding:
            labels = _apply_rule(labels, local.finding, self.rule_precision)
        emergency = labels.urgency is Urgency.EMERGENCY
        return Classification(
            category=labels.category,
            urgency=labels.urgency,
            intent=labels.intent,
            trade=labels.trade,
            confidence=min(labels.certainty.values(), default=1.0),
            source=_source(local, item, opinion),
            emergency=emergency,
            safety_rule=local.finding.rule_id if local.finding else None,
            safety_advice=self.advice_for(local.finding) if emergency else None,
            issues=labels.issues,
            model_version=self.version if opinion is None else f"{self.version}/{opinion.model_version}",
        )

    def advice_for(self, finding: SafetyFinding | None) -> str | None:
        """What to do now where this rule fired, or in any other emergency."""
        default = self.advice.get(DEFAULT_ADVICE)
        return self.advice.get(finding.rule_id, default) if finding else default


def raise_to_rule(issue: Issue, finding: SafetyFinding | None) -> Issue:
    """The issue as the rule that fired on its text has it."""
    if finding is None:
        return issue
    return Issue(text=issue.text, category=finding.category, urgency=finding.urgency, trade=finding.trade)


def _from_model(local: Local) -> Labels:
    found = local.prediction
    labels = Labels(found.category, found.urgency, found.intent, found.trade, {**found.confidences}, local.issues)
    return _led_by_issues(labels)


def _from_opinion(opinion: Classification, text: str) -> Labels:
    trade = opinion.trade if opinion.category is Category.MAINTENANCE else None
    # Only what the writer wrote may be shown as a part of the message.
    issues = tuple(issue for issue in opinion.issues if issue.text in text)
    certainty = {"opinion": opinion.confidence}
    labels = Labels(opinion.category, opinion.urgency, opinion.intent, trade, certainty, issues)
    return _led_by_issues(labels) if len(issues) > 1 else replace(labels, issues=())


def _led_by_issues(labels: Labels) -> Labels:
    """A message with several issues has the labels of the most urgent one, or of the first named."""
    if not labels.issues:
        return labels
    lead = leading_issue(labels.issues)
    urgency = max(lead.urgency, labels.urgency, key=lambda each: each.rank)
    return replace(labels, category=lead.category, trade=lead.trade, urgency=urgency)


def _apply_writer(labels: Labels, item: AssessItem, prediction: TextPrediction) -> Labels:
    certainty = dict(labels.certainty)
    category, trade = labels.category, labels.trade
    if item.category is not None and item.category is not category:
        category = item.category
        trade = prediction.maintenance_trade if category is Category.MAINTENANCE else None
    for head in ("category", "urgency", "intent"):
        if getattr(item, head) is not None:
            certainty.pop(head, None)
    if trade is None:
        certainty.pop("trade", None)
    elif "opinion" not in certainty:
        certainty["trade"] = prediction.trade_probabilities[trade]
    # A form's default must not put out an alarm: an emergency stays one, whoever saw it.
    alarmed = labels.urgency is Urgency.EMERGENCY
    return replace(
        labels,
        category=category,
        trade=trade,
        urgency=labels.urgency if alarmed else item.urgency or labels.urgency,
        intent=item.intent or labels.intent,
        certainty=certainty,
    )


def _apply_rule(labels: Labels, finding: SafetyFinding, precision: float) -> Labels:
    certainty = {head: value for head, value in labels.certainty.items() if head in ("intent", "opinion")}
    return replace(
        labels,
        category=finding.category,
        trade=finding.trade,
        urgency=finding.urgency,
        certainty={**certainty, "rule": precision},
    )


def _source(local: Local, item: AssessItem, opinion: Classification | None) -> Source:
    if local.finding:
        return "rules"
    if item.category is not None or item.urgency is not None:
        return "user"
    return "model" if opinion is None else "llm"
