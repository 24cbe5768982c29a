"""Which row of decision weights applies to a request."""

import re

from core.labels import Category, Situation, Trade, Urgency

COLD_FAHRENHEIT = 40.0
HEAT_FAHRENHEIT = 90.0
"""Outdoor limits of extreme weather, as the document on decision weights states them."""

# A bare "5F" is a flat as often as a temperature.
_DEGREES = re.compile(
    r"(?<![\w.])(-?\d{1,3})\s*(?:(?:°|º|degrees?\b|deg\b)\s*(c\b|celsius)?|(celsius)|fahrenheit)", re.IGNORECASE
)
_WEATHER = re.compile(
    r"\b(?:freez\w*|frost\w*|snow\w*|blizzard|ice storm|below zero|sub-?zero|polar|heat ?wave|heat advisory|scorching)",
    re.IGNORECASE,
)
_WATER = re.compile(
    r"\b(?:flood\w*|leak\w*|gush\w*|pour\w*|burst\w*|spray\w*|drip\w*|overflow\w*|puddle\w*|soak\w*|sewage"
    r"|water (?:is )?(?:coming|running|everywhere|through)|back(?:ing|ed) up)",
    re.IGNORECASE,
)


def situation_of(
    category: Category, trade: Trade | None, urgency: Urgency, safety_rule: str | None = None, text: str = ""
) -> Situation:
    """The most specific situation: breach of security, water running now, weather, emergency, else standard.

    The text only chooses among weights; no gate, limit or approval depends on the situation.
    """
    pressing = urgency.rank >= Urgency.HIGH.rank
    gas = safety_rule is not None and "gas" in safety_rule
    if category is Category.SECURITY and pressing:
        return Situation.SECURITY_BREACH
    if trade is Trade.PLUMBING and pressing and not gas and _WATER.search(text):
        return Situation.ACTIVE_WATER
    if trade is Trade.HVAC and pressing and (_WEATHER.search(text) or extreme_temperature(text)):
        return Situation.EXTREME_WEATHER
    return Situation.EMERGENCY if urgency is Urgency.EMERGENCY else Situation.STANDARD


def extreme_temperature(text: str) -> bool:
    """Whether the text names a temperature outside the limits; a number needs a degree sign or a unit to be one."""
    return any(not COLD_FAHRENHEIT <= degrees <= HEAT_FAHRENHEIT for degrees in _temperatures(text))


def _temperatures(text: str) -> list[float]:
    """In degrees Fahrenheit."""
    return [
        float(match[1]) * 9 / 5 + 32 if match[2] or match[3] else float(match[1]) for match in _DEGREES.finditer(text)
    ]
