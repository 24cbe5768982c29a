"""Whether policy may select an option in the resident's place: every condition must hold, and the default is never."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.labels import ApprovalTier, Category, Status, Urgency
from core.request import OptionId, OptionScore, ResolutionOption, Risk
from core.rules import AutonomyRules, RuleBook
from deployments.decision_simulation.policy import Verdict


@dataclass(frozen=True)
class Condition:
    """One condition with the figure that it was judged by."""

    words: str
    """`risk score 0.12, at most 0.25`."""
    holds: bool


@dataclass(frozen=True)
class Autonomy:
    """What came of the conditions."""

    carry_out: OptionId | None
    """The option to select; None unless every condition holds."""
    conditions: tuple[Condition, ...]
    clause: str

    @property
    def failing(self) -> tuple[Condition, ...]:
        """The conditions that keep it from a selection."""
        return tuple(condition for condition in self.conditions if not condition.holds)

    @property
    def words(self) -> str:
        """One sentence with every condition where it carries out, else with those that fail."""
        if self.carry_out is not None:
            listed = "; ".join(condition.words for condition in self.conditions)
            return f"Policy selects {self.carry_out} in the resident's place: {listed}."
        return f"A person selects: {'; '.join(condition.words for condition in self.failing)}."

    @property
    def line(self) -> str:
        """For the trace."""
        return f"Autonomy: {self.words} [{self.clause}]"


def judge_autonomy(
    rules: RuleBook,
    own: bool,
    category: Category,
    urgency: Urgency,
    risk: Risk,
    least_confidence: float,
    verdict: Verdict,
    ranked: Sequence[OptionScore],
    option: ResolutionOption | None,
) -> Autonomy:
    """Judge the recommended option; nothing but these figures counts, and no text.

    `own` says whether a document of the building itself states the conditions; a general one can't switch it on.
    `option` must be the best of `ranked`. One option alone is ahead of nothing, so that a person looks at it; nor is
    one selected that a language model wrote.
    """
    policy, clause = rules.autonomy, rules.clause("autonomy")
    if not policy.enabled:
        return Autonomy(None, (Condition("it is switched off", False),), clause)
    if not own:
        return Autonomy(None, (Condition("no document of the building itself switches it on", False),), clause)
    if option is None or not ranked or ranked[0].option_id != option.option_id:
        return Autonomy(None, (Condition("there is no option ahead of the others", False),), clause)
    conditions = (
        Condition(f"status {verdict.status}", verdict.status is Status.AWAITING_SELECTION and not verdict.acts_now),
        Condition(
            f"urgency {urgency}, of {_listed(policy.urgencies)}",
            urgency in policy.urgencies and urgency is not Urgency.EMERGENCY,
        ),
        Condition(f"category {category}, of {_listed(policy.categories)}", category in policy.categories),
        Condition(f"action {option.action}, of {_listed(policy.actions)}", option.action in policy.actions),
        Condition(
            f"risk score {risk.score:.2f}, at most {policy.highest_risk_score:.2f}",
            risk.score <= policy.highest_risk_score,
        ),
        _tier_condition(policy, option.approval),
        Condition(
            f"least certain label {least_confidence:.2f}, at least {policy.least_confidence:.2f}",
            least_confidence >= policy.least_confidence,
        ),
        _lead_condition(policy, ranked),
        _citation_condition(rules, option),
        Condition(f"option from the {option.source}, of catalog", option.source == "catalog"),
    )
    held = all(condition.holds for condition in conditions)
    return Autonomy(option.option_id if held else None, conditions, clause)


def _tier_condition(policy: AutonomyRules, needed: ApprovalTier) -> Condition:
    return Condition(f"approval {needed}, at most {policy.highest_tier}", needed.rank <= policy.highest_tier.rank)


def _lead_condition(policy: AutonomyRules, ranked: Sequence[OptionScore]) -> Condition:
    if len(ranked) == 1:
        return Condition("it is the only option", False)
    lead = round(ranked[0].total - ranked[1].total, 6)
    return Condition(f"ahead by {lead:.3f}, at least {policy.least_lead:.3f}", lead >= policy.least_lead)


def _citation_condition(rules: RuleBook, option: ResolutionOption) -> Condition:
    cited = [citation.doc_id for citation in option.citations]
    held = sorted({document for document in cited if document in rules.document_versions})
    words = f"cites {', '.join(held)}" if held else "cites no document in force"
    return Condition(words, bool(held) or not rules.autonomy.citation_needed)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
