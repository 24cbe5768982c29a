"""Rules as people read them: units by what a number is, tables where things are alike, and words for every key."""

from typing import Any, cast

import pytest

from core.knowledge import KnowledgeQuery
from core.rules import RuleBook
from deployments.decision_simulation.deployment import DecisionSimulation
from web.language import words_in
from web.rule_tables import Facts, Listed, Table, Text, Things, lay_out
from web.rule_wording import DECISIONS, DOCUMENT_KINDS, KEYS

WORDS = words_in("en", "America/New_York")
TRIANGLE = {"low": 40.0, "mode": 55.5, "high": 120.0}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("cost_usd", TRIANGLE, "$40 to $120, usually $55.50"),
        ("cost_usd", {"low": 5.0, "mode": 5.0, "high": 5.0}, "$5"),
        ("within_hours", 72.0, "72 hours (3 days)"),
        ("within_hours", 1.0, "1 hour"),
        ("within_hours", 0.5, "0.5 hours"),
        ("within_hours", 100.0, "100 hours"),
        ("wait_minutes", 15.0, "15 minutes"),
        ("recurrence_window_days", 180, "180 days"),
        ("shift_start_hour", 8.5, "8:30\u202fAM"),
        ("quiet_start", "22:00:00", "10:00\u202fPM"),
        ("until", "2028-12-31", "Dec 31, 2028"),
        ("in_stock", 0.85, "85%"),
        ("satisfaction_impact", -0.2, "-0.2"),
        ("enabled", False, "No"),
        ("clock", "business", "Hours of business days"),
    ],
)
def test_a_value_has_its_unit(key: str, value: Any, text: str) -> None:
    assert lay_out(key, value, WORDS) == Text(text)


def test_limits_are_a_table_in_dollars() -> None:
    shown = lay_out("approvals", {"limits": {"High": {"manager": 3500.0}, "Low": {"manager": 1500.0}}}, WORDS)
    assert shown == Facts(
        (
            (
                "Most that may be spent on one incident",
                Table(("", "Manager"), (("High", "$3,500"), ("Low", "$1,500"))),
            ),
        )
    )


def test_wide_things_are_shown_one_by_one_under_their_names() -> None:
    things: list[dict[str, Any]] = [{"title": "Look", **{f"k{place}": place for place in range(9)}, "empty": []}]
    shown = lay_out("options", things, WORDS)
    assert isinstance(shown, Things)
    (name, facts), *_ = shown.items
    assert name == "Look"
    assert isinstance(facts, Facts)
    assert "Empty" not in dict(facts.pairs)
    assert lay_out("keywords", ["drip", "leak"], WORDS) == Listed(("drip", "leak"))


def test_every_key_of_the_rules_and_every_kind_has_words(decision: DecisionSimulation) -> None:
    book: RuleBook = decision._now.rules
    stated = {key for doc in decision.knowledge_page(KnowledgeQuery(), 200, None).items for key in doc.decides}
    assert stated <= set(DECISIONS)
    assert {doc.doc_type for doc in decision.knowledge_page(KnowledgeQuery(), 200, None).items} <= set(DOCUMENT_KINDS)
    fields = set[str]()
    for doc_id in book.document_versions:
        _collect(decision.knowledge_document(doc_id).rules, fields)
    assert not {key for key in fields if "_" in key} - set(KEYS) - _LABELS


_LABELS = {"extreme_weather", "active_water", "security_breach"}


def _collect(value: Any, found: set[str], depth: int = 0) -> None:
    if isinstance(value, dict):
        items = cast(dict[str, Any], value)
        found |= set(items) if depth else set()
        for each in items.values():
            _collect(each, found, depth + 1)
    elif isinstance(value, list):
        for each in cast(list[Any], value):
            _collect(each, found, depth + 1)
