"""Whose turn it is, as the knowledge base's calendar says."""

from collections.abc import Callable, Sequence
from datetime import datetime

from core.execution import Notification
from core.on_call import Rung, ladder
from core.rules import RuleBook
from deployments.execution.notices.ladder import OnCall


def on_call_by_rules(rules: Callable[[], RuleBook], zone: str) -> OnCall:
    """By the rules in force at the moment; `zone` (IANA) is the portfolio's."""

    def rungs(alert: Notification, at: datetime) -> Sequence[Rung]:
        return ladder(rules(), alert.recipient, alert.category, alert.urgency, at, zone)

    return rungs
