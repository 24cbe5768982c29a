"""How residents put it into words, and how an imperfect classifier reads them."""

from collections.abc import Sequence
from random import Random

from core.labels import Category, Intent, Trade, Urgency
from core.request import Classification, Issue
from models.histories.world import Resident

OPENINGS = ("Hi, ", "Hello, ", "Good morning, ", "Hey ", "", "", "", "Dear team, ", "Sorry to bother you but ")
DETAILS = (
    "It started yesterday evening after dinner.",
    "I tried to sort it out myself but no luck.",
    "I am at home most days after four.",
    "You can come in if I am out, just knock first.",
    "My neighbour said the same about theirs.",
    "I am still new here so I do not know who does this.",
    "Please let me know when somebody can come.",
    "I took a picture if you need one.",
    "We have guests this weekend so it would be good to know.",
    "The super told me to write here.",
    "It is not the end of the world but it is annoying.",
    "Can you tell me how long this will take?",
    "I will be back on Monday.",
    "It gets worse at night.",
)
RECURRENCES = (
    "It is happening again.",
    "This is the third time this year.",
    "Same problem as last month, it came back.",
    "It keeps coming back after every visit.",
    "You fixed it two weeks ago and it is still not right.",
    "Once more, just like before.",
)
COMPLAINTS = (
    "I want to speak to the manager.",
    "Nobody calls me back and this is unacceptable.",
    "I am being ignored and I will file a formal complaint.",
    "I have had enough, put me through to a supervisor.",
    "This is ridiculous.",
)
VULNERABLE = (
    "I have a baby here.",
    "My mother is 84 and frail.",
    "I have asthma.",
    "I am in a wheelchair so this is hard for me.",
    "I am pregnant.",
)
CLOSINGS = ("Thanks!", "Thank you.", "Please hurry!", "Cheers", "", "", "", "Thanks again.")
CHASERS = ("Any news on {}?", "Is anybody coming about this: {}?", "I wrote about this and heard nothing: {}.")


def compose(
    rng: Random, resident: Resident, matters: Sequence[str], *, again: bool, complains: bool, question: bool
) -> str:
    """A message about these matters. What the resident lived through shows only as far as they care to say it."""
    parts = [". Also, ".join(matters) + ("?" if question else ".")]
    for _ in range(min(9, round(rng.expovariate(1.0 / (0.3 + resident.detail))))):
        parts.append(rng.choice(DETAILS))
    if again and rng.random() < resident.mentions:
        parts.append(rng.choice(RECURRENCES))
    if resident.vulnerable and rng.random() < 0.6:
        parts.append(rng.choice(VULNERABLE))
    if complains:
        parts.append(rng.choice(COMPLAINTS))
    parts.append(rng.choice(CLOSINGS))
    return (rng.choice(OPENINGS) + " ".join(parts)).strip()


def chase(rng: Random, resident: Resident, matter: str, *, complains: bool) -> str:
    """A message about a request that is still open."""
    text = rng.choice(CHASERS).format(matter)
    if complains:
        text = f"{text} {rng.choice(COMPLAINTS)}"
    if rng.random() < resident.mentions:
        text = f"{text} I am still waiting."
    return text


def read(
    rng: Random,
    category: Category,
    trade: Trade | None,
    urgency: Urgency,
    intent: Intent,
    issues: tuple[Issue, ...],
) -> Classification:
    """The labels that the system records: right with just the probability that is stated as their confidence."""
    confidence = 0.35 + 0.65 * rng.betavariate(4.0, 1.1)
    if rng.random() > confidence:
        category, trade, urgency, intent = _misread(rng, category, trade, urgency, intent)
    return Classification(
        category=category,
        urgency=urgency,
        intent=intent,
        trade=trade if category is Category.MAINTENANCE else None,
        confidence=confidence,
        source="model",
        emergency=urgency is Urgency.EMERGENCY,
        issues=issues,
        model_version="generated",
    )


def _misread(
    rng: Random, category: Category, trade: Trade | None, urgency: Urgency, intent: Intent
) -> tuple[Category, Trade | None, Urgency, Intent]:
    """One label wrong: the urgency by one step, the trade, the intent or the category."""
    draw = rng.random()
    if draw < 0.5:
        levels = list(Urgency)
        return category, trade, levels[min(3, max(0, urgency.rank + rng.choice((-1, 1))))], intent
    if draw < 0.65 and trade is not None:
        return category, rng.choice([other for other in Trade if other is not trade]), urgency, intent
    if draw < 0.8:
        return category, trade, urgency, rng.choice([other for other in Intent if other is not intent])
    wrong = rng.choice([other for other in Category if other is not category])
    return wrong, Trade.GENERAL if wrong is Category.MAINTENANCE else None, urgency, intent
