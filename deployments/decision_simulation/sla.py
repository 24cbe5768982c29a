"""When a request must be answered and when it must be done."""

from datetime import UTC, datetime, timedelta, tzinfo

from core.labels import Urgency
from core.request import Sla
from core.rules import ResponseTarget, RuleBook

BUSINESS_DAYS = 5
"""Monday to Friday; the rules name no holidays."""
DAYS_OF_WEEK = 7


def sla_for(rules: RuleBook, urgency: Urgency, created_at: datetime, zone: tzinfo) -> Sla:
    """The due times of a request created at this moment; business days are those of the building's zone."""
    target = rules.response_targets[urgency]
    return Sla(
        response_due_at=due_at(created_at, target.response_hours, target.clock == "business", zone),
        resolution_due_at=due_at(created_at, target.resolution_hours, target.clock == "business", zone),
        basis=rules.clause("response_targets"),
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
