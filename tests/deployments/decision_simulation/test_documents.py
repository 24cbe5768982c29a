"""The decision service on the knowledge base's own documents."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from core.labels import Category, Trade, Urgency
from core.messages import ResolveItem, Workload
from core.rules import RuleBook
from deployments.decision_simulation.engine import Case, DecisionEngine, Settled
from deployments.decision_simulation.options import Subject
from deployments.decision_simulation.waiting import TableSettings, WaitingTimes
from kb.compile import compile_documents


@pytest.fixture(scope="module")
def documents() -> RuleBook:
    return compile_documents()


@pytest.fixture(scope="module")
def own_engine(documents: RuleBook) -> DecisionEngine:
    return DecisionEngine(documents, ZoneInfo("UTC"))


def matters() -> list[tuple[Category, Trade | None]]:
    rest = [(category, None) for category in Category if category is not Category.MAINTENANCE]
    return [(Category.MAINTENANCE, trade) for trade in Trade] + rest


def test_every_matter_has_at_least_three_options(own_engine: DecisionEngine) -> None:
    thin = [
        (category, trade, urgency)
        for category, trade in matters()
        for urgency in Urgency
        if not 3 <= len(own_engine.house(None).pick(Subject("Please help.", category, trade, urgency))) <= 5
    ]
    assert thin == []


def test_every_matter_is_decided_and_emergencies_act(
    own_engine: DecisionEngine, documents: RuleBook, make_item: Callable[..., ResolveItem]
) -> None:
    waiting = WaitingTimes(documents, ZoneInfo("UTC"), TableSettings(replications=2, offsets_hours=(0.0, 12.0, 168.0)))
    tables = waiting.refresh(Workload(), make_item().at, seed=1)
    cases = [
        Case(make_item("Please help.", category, trade, urgency), 1, 256, tables.quantiles)
        for category, trade in matters()
        for urgency in Urgency
    ]
    for case, settled in zip(cases, own_engine.settle(cases), strict=True):
        assert isinstance(settled, Settled)
        assert (settled.act_now is not None) == case.item.classification.emergency
        totals = [score.total for score in settled.decision.scores]
        assert len(set(totals)) > 1
