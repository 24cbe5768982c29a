"""Whose turn it is, as the knowledge base's calendar says."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from core.execution import Notification
from core.on_call import Rung, ladder
from core.rules import RuleBook
from deployments.execution.notices.ladder import OnCall


def home_zone_by_rules(rules: Callable[[], RuleBook]) -> Callable[[str], str | None]:
    """The time zone of the building that a resident id of the form `RES_<building>_<unit>` names, where rules do."""

    def zone_of_home(resident_id: str) -> str | None:
        found = re.fullmatch(r"RES_(.+)_([^_]+)", resident_id)
        building = rules().buildings.get(found[1]) if found else None
        return building.time_zone if building else None

    return zone_of_home


def on_call_by_rules(rules: Callable[[], RuleBook], zone: str) -> OnCall:
    """By the rules in force at the moment; `zone` (IANA) is the portfolio's."""

    def rungs(alert: Notification, at: datetime) -> Sequence[Rung]:
        return ladder(rules(), alert.recipient, alert.category, alert.urgency, at, zone)

    return rungs
