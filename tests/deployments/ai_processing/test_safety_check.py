"""The safety rules alone, for a message that is still being written."""

from pathlib import Path

import pytest

from adapters.safety_rules import read_safety_rules
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.safety_check import check_safety

RULES = Path("deployments/ai_processing/safety_rules.yaml")


@pytest.fixture(scope="module")
def screen() -> SafetyScreen:
    return SafetyScreen.from_rules(read_safety_rules(RULES))


def test_danger_is_named_with_its_own_advice(screen: SafetyScreen) -> None:
    rule = screen.screen("I smell gas in the kitchen")
    assert rule is not None
    found = check_safety("  I smell gas in the kitchen ", screen, {rule.rule_id: "Leave now.", "default": "Call."})
    assert (found.emergency, found.safety_rule, found.advice) == (True, rule.rule_id, "Leave now.")


def test_a_rule_without_advice_gets_the_default(screen: SafetyScreen) -> None:
    assert check_safety("Fire in my flat!", screen, {"default": "Call 911."}).advice == "Call 911."


@pytest.mark.parametrize("text", ["", "The tap drips", "There is no gas smell, all is fine"])
def test_what_no_rule_fires_on_gets_no_advice(screen: SafetyScreen, text: str) -> None:
    found = check_safety(text, screen, {"default": "Call 911."})
    assert (found.emergency, found.safety_rule, found.advice) == (False, None, None)
