"""When a request must be answered and when it must be done: the house's targets and the statutes' clocks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from core.estate import StatutoryClock
from core.labels import Category, Trade, Urgency
from core.request import Sla
from core.rules import ResponseTarget, RuleBook

BUSINESS_DAYS = 5
"""Monday to Friday; the rules name no holidays."""
DAYS_OF_WEEK = 7


@dataclass(frozen=True)
class Matter:
    """One issue of a message, as a statute's clock looks at it."""

    category: Category
    trade: Trade | None
    urgency: Urgency
    text: str


@dataclass(frozen=True)
class StatutoryDuty:
    """A statute's clock that runs on a request."""

    clock: StatutoryClock
    due_at: datetime
    clause: str
    """`doc_id#jurisdictions:<code>:<clock_id> (<citation>)`."""


def statutory_duties(
    rules: RuleBook, building_id: str | None, matters: Sequence[Matter], created_at: datetime, zone: tzinfo
) -> tuple[StatutoryDuty, ...]:
    """Every clock of the building's jurisdiction that applies to one of the matters; the soonest first."""
    jurisdiction = rules.jurisdiction_of(building_id)
    if jurisdiction is None:
        return ()
    source = rules.clause(f"jurisdictions:{jurisdiction.code}")
    duties = [
        StatutoryDuty(
            clock=clock,
            due_at=due_at(created_at, clock.within_hours, clock.clock == "business", zone),
            clause=f"{source}:{clock.clock_id} ({clock.citation})",
        )
        for clock in jurisdiction.clocks
        if any(_applies(clock, matter) for matter in matters)
    ]
    return tuple(sorted(duties, key=lambda duty: (duty.due_at, duty.clock.clock_id)))


def sla_for(
    rules: RuleBook,
    urgency: Urgency,
    created_at: datetime,
    zone: tzinfo,
    duties: Sequence[StatutoryDuty] = (),
) -> Sla:
    """The due times of a request created at this moment; business days are those of the building's zone.

    A duty to begin bounds the response, one to finish the resolution, and what must be done must have begun before.
    No duty ever makes a time longer. `basis` names the clause of each time, once where both have the same.
    """
    target, house = rules.response_targets[urgency], rules.clause("response_targets")
    business = target.clock == "business"
    response = [(due_at(created_at, target.response_hours, business, zone), house)]
    resolution = [(due_at(created_at, target.resolution_hours, business, zone), house)]
    for duty in duties:
        (response if duty.clock.what == "begin" else resolution).append((duty.due_at, duty.clause))
    # At the same moment the house's own target comes first, so that a statute is named only where it is sooner.
    done = min(resolution, key=lambda due: due[0])
    begun = min([*response, done], key=lambda due: due[0])
    return Sla(
        response_due_at=begun[0],
        resolution_due_at=done[0],
        basis="; ".join(dict.fromkeys((begun[1], done[1]))),
    )


def due_at(start: datetime, hours: float, business: bool, zone: tzinfo) -> datetime:
    """The moment `hours` after `start`, in UTC; with `business` the clock stands still on Saturday and Sunday."""
    if not business:
        return (start + timedelta(hours=hours)).astimezone(UTC)
    # Local wall time without its zone: a business day has 24 hours even where the clocks change.
    moment = start.astimezone(zone).replace(tzinfo=None)
    left = timedelta(hours=hours)
    while True:
        midnight = datetime.combine(moment.date(), datetime.min.time()) + timedelta(days=1)
        if moment.weekday() < BUSINESS_DAYS:
            if left <= midnight - moment:
                return (moment + left).replace(tzinfo=zone).astimezone(UTC)
            left -= midnight - moment
        moment = midnight


def usual_hours(target: ResponseTarget) -> float:
    """The resolution target in hours of the calendar: five business days are a week."""
    return target.resolution_hours * (DAYS_OF_WEEK / BUSINESS_DAYS if target.clock == "business" else 1.0)


def _applies(clock: StatutoryClock, matter: Matter) -> bool:
    return (
        matter.category in clock.categories
        and (not clock.trades or matter.trade in clock.trades)
        and matter.urgency in clock.urgencies
        and (not clock.keywords or _stems(clock.keywords).search(matter.text) is not None)
    )


@lru_cache(maxsize=256)
def _stems(keywords: tuple[str, ...]) -> re.Pattern[str]:
    """Finds any of the keywords, or a word that begins with one, however its words are spaced."""
    stems = ("\\s+".join(map(re.escape, keyword.split())) for keyword in keywords)
    return re.compile(rf"\b(?:{'|'.join(stems)})", re.IGNORECASE)
