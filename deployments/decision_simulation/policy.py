"""The hard gates: who decides, what starts at once and whose approval is needed, before any score counts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from core.labels import ApprovalTier, Category, Intent, Status, Trade, Urgency
from core.messages import PastRequest
from core.request import Escalation, Risk
from core.rules import RuleBook

NOT_A_PROBLEM = frozenset({Status.CANCELLED, Status.ANSWERED})
"""Earlier requests with one of these statuses do not make a problem recurring."""

Outcome = Literal[Status.AWAITING_SELECTION, Status.ANSWERED, Status.ESCALATED, Status.NEEDS_REVIEW]


@dataclass(frozen=True)
class Facts:
    """What the gates look at; of the message's text only whether it holds one of the policy's own words."""

    category: Category
    urgency: Urgency
    trade: Trade | None
    intent: Intent
    confidence: float
    safety_rule: str | None
    escalation_probability: float
    similar: tuple[PastRequest, ...]
    recurrence_word: str | None
    options: int
    """How many options fit."""
    keywords: int
    """How many of the options' keywords the message holds."""
    answered: bool | None = None
    """Whether a question was answered; None while nobody tried."""


@dataclass(frozen=True)
class Verdict:
    """Where the request goes, and the gate that sends it there."""

    status: Outcome
    reason: str
    """One sentence for people."""
    rule: str
    """`doc_id#key`, or the id of a life-safety rule; empty where no gate applied."""
    acts_now: bool = False
    question: bool = False
    """It waits for an answer, or got one: there is nothing to be done."""

    @property
    def escalation(self) -> Escalation | None:
        """For the decision, where a person decides."""
        if self.status is not Status.ESCALATED:
            return None
        return Escalation(reason=self.reason, rule=self.rule)

    @property
    def gate(self) -> str:
        """The gate with its clause, for the trace."""
        return f"{self.status}: {self.reason} [{self.rule}]"


def judge(facts: Facts, rules: RuleBook) -> Verdict:
    """The first gate that applies decides; without one, the resident selects."""
    verdicts = (gate(facts, rules) for gate in GATES)
    return next(
        (verdict for verdict in verdicts if verdict),
        Verdict(Status.AWAITING_SELECTION, "No gate applies; the resident or staff select an option.", ""),
    )


def similar_requests(
    history: Sequence[PastRequest], category: Category, trade: Trade | None, at: datetime, rules: RuleBook
) -> tuple[PastRequest, ...]:
    """Earlier requests on the same matter within the policy's window."""
    oldest = at - timedelta(days=rules.escalation.recurrence_window_days)
    return tuple(
        past
        for past in history
        if category is not Category.OTHER
        and (past.category, past.trade) == (category, trade)
        and oldest <= past.created_at < at
        and past.status not in NOT_A_PROBLEM
    )


def is_recurring(similar: int, word: str | None, rules: RuleBook) -> bool:
    """Whether so many similar requests, or fewer and a word for it, make a problem a recurring one."""
    policy = rules.escalation
    said_so = word is not None and similar >= policy.similar_requests_with_words
    return similar >= policy.similar_requests or said_so


def recurrence_word(text: str, rules: RuleBook) -> str | None:
    """The first of the policy's words for something that came back that the text holds."""
    match = _whole_words(rules.escalation.recurrence_words).search(text)
    return match[0].lower() if match else None


@lru_cache(maxsize=8)
def _whole_words(words: tuple[str, ...]) -> re.Pattern[str]:
    # Without any word nothing may match: an empty alternative would match everywhere.
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)" if words else r"(?!)", re.IGNORECASE)


def approval_tier(rules: RuleBook, urgency: Urgency, p90_cost_usd: float) -> ApprovalTier:
    """Whose agreement a cost needs; only the urgency and the simulated cost count."""
    return rules.approvals.limits[urgency].tier(p90_cost_usd)


def emergency_options(rules: RuleBook) -> frozenset[str]:
    """The options that an emergency may start at once."""
    return frozenset({rules.emergency.default_option, *rules.emergency.options.values()})


def facts_of_options(category: Category, urgency: Urgency, risk: Risk | None, options: int) -> Facts:
    """The facts where there are options to decide on and no message."""
    return Facts(
        category=category,
        urgency=urgency,
        trade=None,
        intent=Intent.SOLVE_PROBLEM,
        confidence=1.0,
        safety_rule=None,
        escalation_probability=risk.escalation_probability if risk else 0.0,
        similar=(),
        recurrence_word=None,
        options=options,
        keywords=options,
    )


def _emergency(facts: Facts, rules: RuleBook) -> Verdict | None:
    if facts.urgency is not Urgency.EMERGENCY:
        return None
    reason = "An emergency is acted on at once and goes to the person on call."
    return Verdict(Status.ESCALATED, reason, facts.safety_rule or rules.clause("emergency"), acts_now=True)


def _wants_a_person(facts: Facts, rules: RuleBook) -> Verdict | None:
    if facts.intent is not Intent.HUMAN_ESCALATION:
        return None
    reason = "The resident asks for a person or complains about how it was handled."
    return Verdict(Status.ESCALATED, reason, rules.clause("escalation"))


def _recurring(facts: Facts, rules: RuleBook) -> Verdict | None:
    policy, number = rules.escalation, len(facts.similar)
    if facts.intent is not Intent.SOLVE_PROBLEM or not is_recurring(number, facts.recurrence_word, rules):
        return None
    named = ", ".join(f"{past.request_id} of {past.created_at.date()}" for past in facts.similar) or "none recorded"
    said_so = facts.recurrence_word is not None and number >= policy.similar_requests_with_words
    word = f" and the message says “{facts.recurrence_word}”" if said_so else ""
    reason = (
        f"A recurring problem: {number} similar in the last {policy.recurrence_window_days} days ({named}){word}. "
        "A person decides with this history."
    )
    return Verdict(Status.ESCALATED, reason, rules.clause("escalation"))


def _likely_to_escalate(facts: Facts, rules: RuleBook) -> Verdict | None:
    limit = rules.escalation.escalation_probability
    if facts.escalation_probability < limit:
        return None
    reason = (
        f"The predicted probability of an escalation is {facts.escalation_probability:.2f}, at or above {limit:.2f}."
    )
    return Verdict(Status.ESCALATED, reason, rules.clause("escalation"))


def _unsure(facts: Facts, rules: RuleBook) -> Verdict | None:
    limit = rules.escalation.minimum_confidence
    if facts.confidence >= limit:
        return None
    reason = f"The labels are only {facts.confidence:.2f} sure, below {limit:.2f}; a person looks first."
    return Verdict(Status.NEEDS_REVIEW, reason, rules.clause("escalation"))


def _question(facts: Facts, rules: RuleBook) -> Verdict | None:
    if facts.intent is not Intent.ANSWER_QUESTION:
        return None
    rule = rules.clause("escalation")
    if facts.answered:
        reason = "The question is answered from the knowledge base; there is nothing to be done."
        return Verdict(Status.ANSWERED, reason, rule, question=True)
    reason = "The building's documents hold no sure answer to this question; a person will answer."
    return Verdict(Status.NEEDS_REVIEW, reason, rule, question=True)


def _nothing_to_do(facts: Facts, rules: RuleBook) -> Verdict | None:
    if facts.options and (facts.category is not Category.OTHER or facts.keywords):
        return None
    reason = "Nothing in the catalogue is clearly meant by this message; a person looks first."
    return Verdict(Status.NEEDS_REVIEW, reason, rules.clause("escalation"))


GATES: tuple[Callable[[Facts, RuleBook], Verdict | None], ...] = (
    _emergency,
    _wants_a_person,
    _recurring,
    _likely_to_escalate,
    _unsure,
    _question,
    _nothing_to_do,
)
