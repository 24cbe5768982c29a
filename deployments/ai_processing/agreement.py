"""How far two versions agree on the same messages, by what they label."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.labels import Category
from core.messages import Assessment
from core.request import Risk

Head = Literal["category", "urgency", "intent", "trade", "risk_level"]


@dataclass(frozen=True)
class Comparison:
    """Two versions on one message."""

    agreed: Mapping[Head, bool]
    """Without `trade` where not both call it Maintenance."""
    risk_difference: float
    """Mean absolute difference of the three probabilities of risk, 0 to 1."""


def compare(answer: Assessment, other: Assessment) -> Comparison:
    """Both of the same message."""
    labels, others = answer.classification, other.classification
    agreed: dict[Head, bool] = {
        "category": labels.category is others.category,
        "urgency": labels.urgency is others.urgency,
        "intent": labels.intent is others.intent,
    }
    if labels.category is others.category is Category.MAINTENANCE:
        agreed["trade"] = labels.trade is others.trade
    agreed["risk_level"] = answer.risk.level is other.risk.level
    pairs = zip(_probabilities(answer.risk), _probabilities(other.risk), strict=True)
    return Comparison(agreed, sum(abs(one - two) for one, two in pairs) / 3)


def _probabilities(risk: Risk) -> tuple[float, float, float]:
    return risk.recurrence_probability, risk.sla_breach_probability, risk.escalation_probability


@dataclass
class Tally:
    """What all comparisons came to."""

    messages: int = 0
    compared: Counter[Head] = field(default_factory=Counter[Head])
    agreed: Counter[Head] = field(default_factory=Counter[Head])
    risk_difference: float = 0.0
    """Summed."""

    def add(self, comparison: Comparison) -> None:
        """Count one message."""
        self.messages += 1
        self.compared.update(comparison.agreed.keys())
        self.agreed.update(head for head, same in comparison.agreed.items() if same)
        self.risk_difference += comparison.risk_difference

    def describe(self) -> str:
        """Shares in words and numbers."""
        if not self.messages:
            return "nothing compared yet"
        shares = [f"{head} {self.agreed[head] / count:.1%} of {count}" for head, count in self.compared.items()]
        return f"agrees on {', '.join(shares)}; risk differs by {self.risk_difference / self.messages:.3f}"
