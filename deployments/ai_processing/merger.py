"""Merges what the safety rules, the writer, the language model and the local model say into one classification."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from core.labels import Category, Intent, Trade, Urgency
from core.messages import AssessItem
from core.request import Classification, Confidences, Issue
from deployments.ai_processing.issues import FoundIssue, is_counted, leading_issue
from deployments.ai_processing.safety import SafetyFinding
from deployments.ai_processing.text import Certainty, HeadName, RulePrecision, TextPrediction

DEFAULT_ADVICE = "default"
SURE = 0.6
"""From this probability on, the model knows better than a safety rule what an emergency is about."""

_HEADS_WITHOUT_TRADE: tuple[HeadName, ...] = ("category", "urgency", "intent")

Source = Literal["rules", "model", "llm", "user"]


@dataclass(frozen=True)
class Local:
    """What this service made of one message by itself."""

    text: str
    prediction: TextPrediction
    finding: SafetyFinding | None
    issues: tuple[FoundIssue, ...]


@dataclass(frozen=True)
class Labels:
    """Labels on their way to a classification."""

    category: Category
    urgency: Urgency
    intent: Intent
    trade: Trade | None
    certainty: Certainty
    issues: tuple[FoundIssue, ...]


@dataclass(frozen=True)
class Merger:
    """Who has the last word: a safety rule, then the writer, then the language model, then the local model."""

    advice: Mapping[str, str]
    """What to do now, by the id of the safety rule, with a `default`."""
    rule_precision: RulePrecision
    version: str

    def local_confidence(self, local: Local, item: AssessItem) -> float:
        """That of the least certain label before any second opinion; where a rule has spoken, none is needed."""
        labels = _apply_writer(_from_model(local), item, local.prediction)
        return 1.0 if local.finding else min(labels.certainty.values())

    def merge(self, local: Local, item: AssessItem, opinion: Classification | None) -> Classification:
        """The classification of one message."""
        labels = _from_model(local) if opinion is None else _from_opinion(opinion, local)
        labels = _apply_writer(labels, item, local.prediction)
        if local.finding:
            labels = self._apply_rule(labels, local, local.finding)
        emergency = labels.urgency is Urgency.EMERGENCY
        return Classification(
            category=labels.category,
            urgency=labels.urgency,
            intent=labels.intent,
            trade=labels.trade,
            confidence=labels.certainty["category"],
            confidences=Confidences(**labels.certainty),
            source=_source(local, item, opinion),
            emergency=emergency,
            safety_rule=local.finding.rule_id if local.finding else None,
            safety_advice=self.advice_for(local.finding) if emergency else None,
            issues=tuple(found.issue for found in labels.issues),
            model_version=self.version if opinion is None else f"{self.version}/{opinion.model_version}",
        )

    def advice_for(self, finding: SafetyFinding | None) -> str | None:
        """What to do now where this rule fired, or in any other emergency."""
        default = self.advice.get(DEFAULT_ADVICE)
        return self.advice.get(finding.rule_id, default) if finding else default

    def raise_to_rule(self, found: FoundIssue, finding: SafetyFinding | None) -> FoundIssue:
        """The issue as the rule that fired on its text has it."""
        if finding is None:
            return found
        issue = Issue(text=found.issue.text, category=finding.category, urgency=finding.urgency, trade=finding.trade)
        return FoundIssue(issue, self._certainty_of(finding, found.certainty))

    def _apply_rule(self, labels: Labels, local: Local, finding: SafetyFinding) -> Labels:
        """The rule's urgency; its category and trade only where the labels' own are in doubt."""
        if local.prediction.category_probabilities[labels.category] >= SURE:
            certainty = {**labels.certainty, "urgency": self.rule_precision.urgency}
            return replace(labels, urgency=finding.urgency, certainty=certainty)
        return replace(
            labels,
            category=finding.category,
            trade=finding.trade,
            urgency=finding.urgency,
            certainty=self._certainty_of(finding, labels.certainty),
        )

    def _certainty_of(self, finding: SafetyFinding, before: Certainty) -> Certainty:
        known = self.rule_precision
        certainty: dict[HeadName, float] = {**before, "category": known.category, "urgency": known.urgency}
        return _with_trade(certainty, None if finding.trade is None else known.category)


def _from_model(local: Local) -> Labels:
    found = local.prediction
    labels = Labels(found.category, found.urgency, found.intent, found.trade, found.confidences, local.issues)
    sure = found.confidences["category"] >= SURE and not is_counted(local.text)
    return _led_by_issues(labels, sure=sure)


def _from_opinion(opinion: Classification, local: Local) -> Labels:
    trade = (opinion.trade or local.prediction.maintenance_trade) if opinion.category is Category.MAINTENANCE else None
    certainty: dict[HeadName, float] = dict.fromkeys(_HEADS_WITHOUT_TRADE, opinion.confidence)
    certainty = _with_trade(certainty, None if trade is None else opinion.confidence)
    # Only what the writer wrote may be shown as a part of the message.
    issues = tuple(
        FoundIssue(issue, certainty) for issue in opinion.issues if issue.text in local.text and _is_legal(issue)
    )
    labels = Labels(opinion.category, opinion.urgency, opinion.intent, trade, certainty, issues)
    labels = _led_by_issues(labels) if len(issues) > 1 else replace(labels, issues=())
    return _keep_alarm(labels, local)


def _is_legal(issue: Issue) -> bool:
    return bool(issue.text.strip()) and (issue.trade is not None) == (issue.category is Category.MAINTENANCE)


def _keep_alarm(labels: Labels, local: Local) -> Labels:
    """An alarm of this service's own stands: a second opinion may raise one, and never puts one out."""
    alarming = any(found.issue.urgency is Urgency.EMERGENCY for found in local.issues)
    if alarming:
        labels = _led_by_issues(replace(labels, issues=local.issues))
    if labels.urgency is Urgency.EMERGENCY or not (alarming or local.prediction.urgency is Urgency.EMERGENCY):
        return labels
    certainty: Certainty = {**labels.certainty, "urgency": local.prediction.confidences["urgency"]}
    return replace(labels, urgency=Urgency.EMERGENCY, certainty=certainty)


def _led_by_issues(labels: Labels, *, sure: bool = False) -> Labels:
    """A message with several issues has the labels of the most urgent one, or of the first named.

    Where they are `sure`, its own category and trade stand if an issue has them: they were learned to be just that, and
    the split may be wrong. An emergency always leads, since its crew is the one that goes.
    """
    if not labels.issues:
        return labels
    lead = leading_issue(labels.issues)
    if lead.issue.urgency.rank > labels.urgency.rank:
        certainty: Certainty = {**labels.certainty, "urgency": lead.certainty["urgency"]}
        labels = replace(labels, urgency=lead.issue.urgency, certainty=certainty)
    if sure and lead.issue.urgency is not Urgency.EMERGENCY and _among(labels):
        return labels
    certainty = _with_trade({**labels.certainty, "category": lead.certainty["category"]}, lead.certainty.get("trade"))
    return replace(labels, category=lead.issue.category, trade=lead.issue.trade, certainty=certainty)


def _among(labels: Labels) -> bool:
    named = [(found.issue.category, found.issue.trade) for found in labels.issues]
    return (labels.category, labels.trade) in named


def _apply_writer(labels: Labels, item: AssessItem, prediction: TextPrediction) -> Labels:
    """What the writer chose, of which there is no doubt; but an alarm stays one."""
    certainty: dict[HeadName, float] = dict(labels.certainty)
    for head in _HEADS_WITHOUT_TRADE:
        if getattr(item, head) is not None:
            certainty[head] = 1.0
    category, trade = labels.category, labels.trade
    if item.category is not None and item.category is not category:
        category = item.category
        trade = prediction.maintenance_trade if category is Category.MAINTENANCE else None
        certainty = _with_trade(certainty, None if trade is None else prediction.trade_probabilities[trade])
    # A form's default must not put out an alarm: an emergency stays one, whoever saw it.
    alarmed = labels.urgency is Urgency.EMERGENCY
    if alarmed:
        certainty["urgency"] = labels.certainty["urgency"]
    return replace(
        labels,
        category=category,
        trade=trade,
        urgency=labels.urgency if alarmed else item.urgency or labels.urgency,
        intent=item.intent or labels.intent,
        certainty=certainty,
    )


def _with_trade(certainty: Certainty, trade: float | None) -> dict[HeadName, float]:
    others: dict[HeadName, float] = {head: value for head, value in certainty.items() if head != "trade"}
    return others if trade is None else {**others, "trade": trade}


def _source(local: Local, item: AssessItem, opinion: Classification | None) -> Source:
    if local.finding:
        return "rules"
    if item.category is not None or item.urgency is not None:
        return "user"
    return "model" if opinion is None else "llm"
