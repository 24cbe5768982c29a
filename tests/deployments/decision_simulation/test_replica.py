"""A replica beside its knowledge base: whose agreement it asks for, what it tells of its rules, and its refreshing."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from core.labels import ApprovalTier, Category, Role, Urgency
from core.rules import BuildingOverride, DocumentRules, RuleBook
from core.what_if import Scenario, WhatIfOrder, Work
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.decision_simulation.versions_in_service import outdated

Make = Callable[[RuleBook], DecisionSimulation]


@pytest.fixture
def replica() -> Make:
    def make(rules: RuleBook) -> DecisionSimulation:
        made = DecisionSimulation.__new__(DecisionSimulation)
        serving = SimpleNamespace(
            rules=rules,
            retrieval=SimpleNamespace(embedder="hashes"),
            waiting=SimpleNamespace(tables=SimpleNamespace(version="w1")),
        )
        settings = SimpleNamespace(waiting_refresh_s=0.001, time_zone="UTC")
        for name, value in (
            ("_versions", SimpleNamespace(current=serving, refusal=None)),
            ("_settings", settings),
            ("_refreshing", None),
        ):
            setattr(made, name, value)
        return made

    return make


@pytest.fixture
def own(rules: RuleBook) -> RuleBook:
    """Building BLD_A has limits, an authority and a budget of its own."""
    limits = {urgency: row.model_copy(update={"automatic": 10.0}) for urgency, row in rules.approvals.limits.items()}
    approvals = rules.approvals.model_copy(update={"limits": limits, "authority": {Role.STAFF: ApprovalTier.NONE}})
    budgets = rules.budgets.model_copy(update={"over_budget_tier": ApprovalTier.REGIONAL})
    override = BuildingOverride(
        rules=DocumentRules(approvals=approvals, budgets=budgets), sources={"approvals": "a", "budgets": "b"}
    )
    return rules.model_copy(update={"overrides": {"BLD_A": override}})


def test_authority_and_limits_are_those_of_the_building(own: RuleBook, replica: Make) -> None:
    one = replica(own)
    assert one.authority(Role.STAFF, "BLD_A") is ApprovalTier.NONE
    assert one.authority(Role.STAFF, "BLD_B") is ApprovalTier.SUPERVISOR
    assert one.required_tier(Urgency.LOW, 50.0, "BLD_A") is ApprovalTier.SUPERVISOR
    assert one.required_tier(Urgency.LOW, 50.0, "BLD_B") is ApprovalTier.NONE


def test_a_budget_that_is_used_up_raises_the_tier_but_for_an_emergency(own: RuleBook, replica: Make) -> None:
    one, spent = replica(own), {Category.MAINTENANCE: 990.0}
    assert one.required_tier(Urgency.LOW, 50.0, "BLD_A", Category.MAINTENANCE, spent) is ApprovalTier.REGIONAL
    assert one.required_tier(Urgency.LOW, 50.0, "BLD_B", Category.MAINTENANCE, spent) is ApprovalTier.MANAGER
    assert one.required_tier(Urgency.LOW, 50.0, "BLD_B", Category.BILLING, spent) is ApprovalTier.NONE
    assert one.required_tier(Urgency.EMERGENCY, 50.0, "BLD_B", Category.MAINTENANCE, spent) is ApprovalTier.NONE


def test_rules_of_yesterday_are_told_as_such(rules: RuleBook, replica: Make) -> None:
    assert outdated(rules, date(2100, 1, 1)) is None
    until = rules.model_copy(update={"holds_until": date(2026, 6, 30)})
    assert outdated(until, date(2026, 6, 30)) is None
    assert "2026-06-30" in (outdated(until, date(2026, 7, 1)) or "")
    assert replica(rules).health().status == "healthy"
    stale = replica(rules.model_copy(update={"holds_until": date(2020, 1, 1)})).health()
    assert stale.status == "degraded"
    assert "aam build" in stale.detail


async def test_refreshing_begins_with_a_health_check_and_outlives_a_failure(
    rules: RuleBook, replica: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    again = asyncio.Event()
    loop = asyncio.get_running_loop()

    def refresh(self: DecisionSimulation) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("the first one fails")
        loop.call_soon_threadsafe(again.set)

    monkeypatch.setattr(DecisionSimulation, "_refresh", refresh)
    one = replica(rules)
    await one.check_health()
    await asyncio.wait_for(again.wait(), 5)
    assert one._refreshing is not None
    one._refreshing.cancel()
    await asyncio.gather(one._refreshing, return_exceptions=True)


async def test_a_what_if_runs_under_the_rules_that_it_was_checked_with(
    rules: RuleBook, replica: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replica(rules)
    later = rules.model_copy(update={"kb_version": "kb-later"})
    checked: list[str] = []
    started: list[str] = []

    def check(book: RuleBook, scenario: Scenario) -> RuleBook:
        checked.append(book.kb_version)
        one._versions.current = SimpleNamespace(rules=later)  # pyright: ignore[reportAttributeAccessIssue]
        return book

    async def start(run_id: str, book: RuleBook, order: WhatIfOrder, zone: str) -> None:
        started.append(book.kb_version)

    monkeypatch.setattr("deployments.decision_simulation.deployment.apply", check)
    one._what_ifs = SimpleNamespace(start=start)  # pyright: ignore[reportAttributeAccessIssue]
    work = Work(source="synthetic", begin=datetime(2026, 3, 2, tzinfo=UTC), end=datetime(2026, 3, 9, tzinfo=UTC))
    order = WhatIfOrder(scenario=Scenario(), work=work, replications=10, seed=1, requested_by="mia")
    await one.start_what_if("r1", order)
    assert checked == started == ["kb-test"]
