"""The situation that chooses the weights."""

import pytest

from core.labels import Category, Situation, Trade, Urgency
from deployments.decision_simulation.situation import extreme_temperature, situation_of

M, S = Category.MAINTENANCE, Category.SECURITY
HIGH, MEDIUM, NOW = Urgency.HIGH, Urgency.MEDIUM, Urgency.EMERGENCY


@pytest.mark.parametrize(
    ("category", "trade", "urgency", "rule", "text", "situation"),
    [
        (M, Trade.PLUMBING, NOW, None, "water pouring through the ceiling", Situation.ACTIVE_WATER),
        (M, Trade.PLUMBING, HIGH, None, "the pipe is leaking into a bucket", Situation.ACTIVE_WATER),
        (M, Trade.PLUMBING, MEDIUM, None, "a tap is dripping", Situation.STANDARD),
        (M, Trade.PLUMBING, NOW, "gas_smell", "smell of gas, maybe a leak", Situation.EMERGENCY),
        (M, Trade.HVAC, NOW, None, "no heat and it is freezing", Situation.EXTREME_WEATHER),
        (M, Trade.HVAC, HIGH, None, "no cooling, 97 °F inside", Situation.EXTREME_WEATHER),
        (M, Trade.HVAC, HIGH, None, "no heat in 5F, 68 degrees", Situation.STANDARD),
        (M, Trade.HVAC, NOW, None, "no heat and a baby", Situation.EMERGENCY),
        (S, None, NOW, None, "somebody is breaking in", Situation.SECURITY_BREACH),
        (S, None, HIGH, None, "locked out", Situation.SECURITY_BREACH),
        (S, None, MEDIUM, None, "camera is dark", Situation.STANDARD),
        (M, Trade.ELECTRICAL, NOW, None, "sparks", Situation.EMERGENCY),
    ],
)
def test_the_situation(
    category: Category, trade: Trade | None, urgency: Urgency, rule: str | None, text: str, situation: Situation
) -> None:
    assert situation_of(category, trade, urgency, rule, text) is situation


@pytest.mark.parametrize(
    ("text", "extreme"),
    [
        ("it is 19 degrees out", True),
        ("-5°C outside", True),
        ("35 °C in my room", True),
        ("20 °C in my room", False),
        ("70 degrees", False),
        ("unit 12F, call 555 0123", False),
        ("my mother is 95", False),
        ("101 Fahrenheit", True),
    ],
)
def test_temperatures(text: str, extreme: bool) -> None:
    assert extreme_temperature(text) is extreme
