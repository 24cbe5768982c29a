"""When a request must be answered and when it must be done: the house's targets and the statutes' clocks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache

from core.business_calendar import BusinessCalendar
from core.estate import StatutoryClock
from core.labels import Category, Trade, Urgency
from core.request import Sla
from core.rules import ResponseTarget, RuleBook
from core.service_terms import ServiceTerms, later

BUSINESS_DAYS = 5
"""Of a usual week, without holidays."""
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
    rules: RuleBook,
    building_id: str | None,
    matters: Sequence[Matter],
    created_at: datetime,
    calendar: BusinessCalendar,
) -> tuple[StatutoryDuty, ...]:
    """Every clock of the building's jurisdiction that applies to one of the matters; the soonest first."""
    jurisdiction = rules.jurisdiction_of(building_id)
    if jurisdiction is None:
        return ()
    source = rules.clause(f"jurisdictions:{jurisdiction.code}")
    duties = [
        StatutoryDuty(
            clock=clock,
            due_at=later(calendar, clock.clock, created_at, clock.within_hours),
            clause=f"{source}:{clock.clock_id} ({clock.citation})",
        )
        for clock in jurisdiction.clocks
        if any(_applies(clock, matter) for matter in matters)
    ]
    return tuple(sorted(duties, key=lambda duty: (duty.due_at, duty.clock.clock_id)))


def promise(
    rules: RuleBook,
    urgency: Urgency,
    created_at: datetime,
    calendar: BusinessCalendar,
    duties: Sequence[StatutoryDuty] = (),
) -> tuple[Sla, ServiceTerms]:
    """The due times of a request created at this moment in a building with these rules, and what they follow from.

    A duty to begin bounds the response, one to finish the resolution, and what must be done must have begun before.
    No duty ever makes a time longer. The `basis` of the `Sla` names the clause of each time, once where both have the
    same. `duties` are in the order of their due times.
    """
    target = rules.response_targets[urgency]
    begin = next((duty for duty in duties if duty.clock.what == "begin"), None)
    finish = next((duty for duty in duties if duty.clock.what == "finish"), None)
    terms = ServiceTerms(
        created_at=created_at,
        calendar=calendar,
        clock=target.clock,
        may_pause=urgency is not Urgency.EMERGENCY,
        house_response_due_at=later(calendar, target.clock, created_at, target.response_hours),
        house_resolution_due_at=later(calendar, target.clock, created_at, target.resolution_hours),
        statutory_response_due_at=begin.due_at if begin else None,
        statutory_response_basis=begin.clause if begin else None,
        statutory_resolution_due_at=finish.due_at if finish else None,
        statutory_resolution_basis=finish.clause if finish else None,
        statutory_resolution_clock=finish.clock.clock if finish else "calendar",
        basis=rules.clause("response_targets"),
        **rules.follow_up.model_dump(),
        quiet_start=rules.entry.quiet_start,
        quiet_end=rules.entry.quiet_end,
    )
    due = terms.due()
    sla = Sla(
        response_due_at=due.response,
        resolution_due_at=due.resolution,
        basis=due.basis,
        time_zone=str(calendar.time_zone),
    )
    return sla, terms


def due_at(start: datetime, hours: float, business: bool, zone: tzinfo) -> datetime:
    """The moment `hours` after `start`, in UTC, where weeks have weekends and no holidays: for simulated histories."""
    return later(_plain_weeks(str(zone)), "business" if business else "calendar", start, hours)


@lru_cache(maxsize=16)
def _plain_weeks(time_zone: str) -> BusinessCalendar:
    return BusinessCalendar(time_zone=time_zone)


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
