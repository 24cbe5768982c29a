"""Who is on call: the holder of a post at a moment, and the ladder of people that an alert climbs."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from core.labels import Category, Role, Urgency
from core.rules import EscalationPath, OnCallRules, RuleBook

UNHELD = Role.STAFF.value
"""Stands for the holder of a post that the rules give to nobody: everybody who has this role."""
EMERGENCIES = "emergencies"
"""The id of the path for alerts that are about no request."""
LAST_RESORT_WAIT_MINUTES = 5.0

Shift = Literal["day", "night"]


@dataclass(frozen=True)
class Rung:
    """One step of a ladder."""

    who: str
    """The post, as the escalation path names it."""
    person: str
    """The subject of whoever holds it at that moment, or the role `staff` where nobody does."""
    wait_minutes: float
    """How long is waited for an acknowledgement."""


def shift_of(rules: OnCallRules, local: datetime) -> tuple[Shift, date]:
    """The shift at a local time, and the day on which it begins; a night goes on into the next day."""
    now = local.time()
    if rules.day_begins <= now < rules.night_begins:
        return "day", local.date()
    return "night", local.date() if now >= rules.night_begins else local.date() - timedelta(days=1)


def holder_in(rules: OnCallRules, who: str, shift: Shift, day: date) -> str:
    """Who holds a post in the shift that begins on this day; `staff` where the rules know no such post.

    Weeks before the rotation's first one are counted backwards. A deputy who is away is stood in for in turn.
    """
    post = rules.posts.get(who)
    if post is None:
        return UNHELD
    people = post.nights if shift == "night" and post.nights else post.days
    week = (day - rules.since).days // 7
    return _present(rules, people[week % len(people)], day)


def holder(rules: OnCallRules, who: str, local: datetime) -> str:
    """Who holds a post at a local time of the building."""
    return holder_in(rules, who, *shift_of(rules, local))


def ladder(
    rules: RuleBook,
    building_id: str | None,
    category: Category | None,
    urgency: Urgency,
    at: datetime,
    default_zone: str,
) -> tuple[Rung, ...]:
    """Whom an alert goes to, the first one first; never empty.

    `rules` are those of all buildings. Without a category, or where no path says who decides, it is the path of
    emergencies. The local time is that of the building, or of `default_zone` where no document says.
    """
    own = rules.of(building_id)
    local = at.astimezone(ZoneInfo(own.zone_of(building_id, default_zone)))
    path = (own.escalation_path(category, urgency) if category else None) or _emergencies(own)
    if path is None:
        return (Rung(UNHELD, UNHELD, LAST_RESORT_WAIT_MINUTES),)
    return tuple(Rung(step.who, holder(own.on_call, step.who, local), step.wait_minutes) for step in path.steps)


def _emergencies(rules: RuleBook) -> EscalationPath | None:
    paths = [path for path in rules.escalation_paths if Urgency.EMERGENCY in path.urgencies]
    return next((path for path in paths if path.path_id == EMERGENCIES), paths[0] if paths else None)


def _present(rules: OnCallRules, person: str, day: date) -> str:
    """The person, or whoever stands in; the last deputy that is known where all stand in for each other."""
    asked = {person}
    while (deputy := _deputy(rules, person, day)) is not None and deputy not in asked:
        person = deputy
        asked.add(person)
    return person


def _deputy(rules: OnCallRules, person: str, day: date) -> str | None:
    return next((a.deputy for a in rules.absences if a.person == person and a.since <= day <= a.until), None)
