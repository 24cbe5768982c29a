"""Autonomy: never by default, never with a single condition that fails, and never above an approval tier."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.execution_labels import ActionKind
from core.labels import ApprovalTier, Category, Intent, Urgency
from core.messages import ResolveItem
from core.request import OptionScore, ResolutionOption
from core.rules import BuildingOverride, DocumentRules, RuleBook
from deployments.decision_simulation.autonomy import Autonomy, judge_autonomy
from deployments.decision_simulation.engine import Case, DecisionEngine, Settled
from deployments.decision_simulation.waiting import WaitingTimes

UTC_ZONE = ZoneInfo("UTC")


def allowing(rules: RuleBook, **changes: object) -> RuleBook:
    """Rules under which a plain billing request is carried out, but for what is changed."""
    wide: dict[str, object] = {
        "enabled": True,
        "urgencies": (Urgency.LOW, Urgency.MEDIUM),
        "categories": (Category.BILLING, Category.MAINTENANCE),
        "actions": (ActionKind.CREATE_STAFF_TASK, ActionKind.DISPATCH_WORK_ORDER),
        "highest_risk_score": 0.5,
        "highest_tier": ApprovalTier.NONE,
        "least_confidence": 0.8,
        "least_lead": 0.0,
        "citation_needed": True,
    }
    autonomy = rules.autonomy.model_copy(update=wide | changes)
    own = BuildingOverride(rules=DocumentRules(autonomy=autonomy), sources={"autonomy": "doc-autonomy"})
    return rules.model_copy(update={"overrides": {"BLD_A": own}})


@pytest.fixture
def settle(waiting: WaitingTimes) -> Callable[[RuleBook, ResolveItem], Settled]:
    def run(rules: RuleBook, item: ResolveItem) -> Settled:
        settled = DecisionEngine(rules, UTC_ZONE).settle([Case(item, 7, 128, waiting.tables.quantiles)])[0]
        assert isinstance(settled, Settled)
        return settled

    return run


def plain(make_item: Callable[..., ResolveItem], **changes: object) -> ResolveItem:
    """A calm request whose cheapest option needs nobody's approval."""
    fields: dict[str, object] = {"risk": 0.2, "confidence": 0.95, "spent_usd": {Category.MAINTENANCE: 0.0}}
    return make_item("The kitchen sink is slow", **(fields | changes))


def cheap(rules: RuleBook) -> RuleBook:
    """The automatic limit is high enough for everything."""
    limits = {
        urgency: row.model_copy(update={"automatic": 2000.0, "supervisor": 2500.0, "manager": 5000.0, "regional": 9e3})
        for urgency, row in rules.approvals.limits.items()
    }
    return rules.model_copy(update={"approvals": rules.approvals.model_copy(update={"limits": limits})})


def test_with_every_condition_the_best_option_is_carried_out_and_says_why(
    rules: RuleBook, make_item: Callable[..., ResolveItem], settle: Callable[[RuleBook, ResolveItem], Settled]
) -> None:
    settled = settle(allowing(cheap(rules)), plain(make_item))
    assert settled.carry_out == settled.decision.recommended_option_id == settled.options[0].option_id
    assert "Policy selects" in settled.decision.explanation
    assert "(doc-autonomy#autonomy)" in settled.decision.explanation
    (line,) = [line for line in settled.gates if line.startswith("Autonomy:")]
    for figure in ("risk score 0.20", "approval none", "least certain label 0.95", "cites procedures", "ahead by"):
        assert figure in line


def test_a_general_document_switches_it_on_nowhere(
    rules: RuleBook, make_item: Callable[..., ResolveItem], settle: Callable[[RuleBook, ResolveItem], Settled]
) -> None:
    own = allowing(cheap(rules))
    general = own.model_copy(update={"autonomy": own.of("BLD_A").autonomy, "overrides": {}})
    assert settle(own, plain(make_item)).carry_out is not None
    settled = settle(general, plain(make_item))
    assert settled.carry_out is None
    assert any("no document of the building itself switches it on" in line for line in settled.gates)
    # Nor does a document of the building that states something else.
    entry = BuildingOverride(rules=DocumentRules(entry=rules.entry), sources={"entry": "doc-entry-a"})
    assert settle(general.model_copy(update={"overrides": {"BLD_A": entry}}), plain(make_item)).carry_out is None


CLOSING = {
    "enabled": {"enabled": False},
    "urgency": {"urgencies": (Urgency.LOW,)},
    "category": {"categories": (Category.DELIVERIES,)},
    "action": {"actions": (ActionKind.NOTIFY,)},
    "risk": {"highest_risk_score": 0.19},
    "confidence": {"least_confidence": 0.96},
    "lead": {"least_lead": 0.9},
}


@pytest.mark.parametrize("changes", CLOSING.values(), ids=CLOSING)
def test_one_condition_that_fails_is_enough(
    rules: RuleBook,
    make_item: Callable[..., ResolveItem],
    settle: Callable[[RuleBook, ResolveItem], Settled],
    changes: dict[str, object],
) -> None:
    settled = settle(allowing(cheap(rules), **changes), plain(make_item))
    assert settled.carry_out is None
    assert "It starts when the resident or staff select it." in settled.decision.explanation
    (line,) = [line for line in settled.gates if line.startswith("Autonomy: A person selects")]
    assert line.endswith("[doc-autonomy#autonomy]")


def test_what_needs_an_approval_or_cites_nothing_in_force_or_has_no_rival_is_left_to_a_person(
    rules: RuleBook, make_item: Callable[..., ResolveItem], settle: Callable[[RuleBook, ResolveItem], Settled]
) -> None:
    spent = plain(make_item, spent_usd={Category.MAINTENANCE: 1000.0})
    assert settle(allowing(cheap(rules)), spent).carry_out is None
    forgotten = allowing(cheap(rules)).model_copy(update={"document_versions": {}})
    assert settle(forgotten, plain(make_item)).carry_out is None
    unneeded = allowing(cheap(rules), citation_needed=False).model_copy(update={"document_versions": {}})
    assert settle(unneeded, plain(make_item)).carry_out is not None
    settled = settle(allowing(cheap(rules)), plain(make_item))
    alone = judge(rules, settled, settled.decision.scores[:1], plain(make_item))
    assert alone.carry_out is None
    drafted = settled.options[0].model_copy(update={"source": "llm"})
    assert judge(rules, settled, settled.decision.scores, plain(make_item), drafted).carry_out is None


def judge(
    rules: RuleBook,
    settled: Settled,
    ranked: tuple[OptionScore, ...],
    item: ResolveItem,
    option: ResolutionOption | None = None,
) -> Autonomy:
    labels = item.classification
    return judge_autonomy(
        allowing(cheap(rules)).of("BLD_A"),
        True,
        labels.category,
        labels.urgency,
        item.risk,
        labels.least_confidence,
        settled.verdict,
        ranked,
        option or settled.options[0],
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"urgency": Urgency.EMERGENCY},
        {"intent": Intent.HUMAN_ESCALATION},
        {"escalation_probability": 0.7},
        {"confidence": 0.2},
    ],
)
def test_what_another_gate_decides_is_never_carried_out(
    rules: RuleBook,
    make_item: Callable[..., ResolveItem],
    settle: Callable[[RuleBook, ResolveItem], Settled],
    changes: dict[str, object],
) -> None:
    book = allowing(cheap(rules), urgencies=tuple(Urgency), highest_risk_score=1.0, least_confidence=0.0)
    assert settle(book, plain(make_item, **changes)).carry_out is None


@given(st.integers(0, 10_000), st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_switched_off_nothing_is_ever_carried_out(
    rules: RuleBook, waiting: WaitingTimes, make_random_item: Callable[[int], ResolveItem], seed: int, text: str
) -> None:
    item = make_random_item(seed)
    item = item.model_copy(update={"message_text": f"{item.message_text} {text}"})
    book = allowing(
        cheap(rules),
        enabled=False,
        urgencies=tuple(Urgency),
        categories=tuple(Category),
        actions=tuple(ActionKind),
        highest_risk_score=1.0,
        highest_tier=ApprovalTier.EXECUTIVE,
        least_confidence=0.0,
    )
    settled = DecisionEngine(book, UTC_ZONE).settle([Case(item, 1, 32, waiting.tables.quantiles)])[0]
    assert isinstance(settled, Settled)
    assert settled.carry_out is None


@given(st.integers(0, 10_000), st.sampled_from(list(ApprovalTier)), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_what_is_carried_out_meets_every_condition(
    rules: RuleBook,
    waiting: WaitingTimes,
    make_random_item: Callable[[int], ResolveItem],
    seed: int,
    tier: ApprovalTier,
    risk: float,
    confidence: float,
) -> None:
    book = allowing(
        rules,
        categories=tuple(Category),
        highest_tier=tier,
        highest_risk_score=risk,
        least_confidence=confidence,
    )
    item = make_random_item(seed)
    settled = DecisionEngine(book, UTC_ZONE).settle([Case(item, 1, 32, waiting.tables.quantiles)])[0]
    assert isinstance(settled, Settled)
    if settled.carry_out is None:
        return
    option = next(one for one in settled.options if one.option_id == settled.carry_out)
    assert option.approval.rank <= tier.rank
    assert item.risk.score <= risk
    assert item.classification.least_confidence >= confidence
    assert item.classification.urgency in book.of("BLD_A").autonomy.urgencies
    assert settled.verdict.rule == ""
    assert settled.decision.scores[0].option_id == settled.carry_out
