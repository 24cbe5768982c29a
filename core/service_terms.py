"""What policy promises on one request, fixed when it was decided, so that its clocks need no second look at policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.business_calendar import BusinessCalendar
from core.contract import ClockTime, Contract, Hours, Probability, UtcTime
from core.request import Pause

Clock = Literal["calendar", "business"]
"""Which hours count: all, or those of working days."""


@dataclass(frozen=True)
class DueTimes:
    """When a request must be answered and done, and which clauses say so."""

    response: datetime
    resolution: datetime
    basis: str


class ServiceTerms(Contract):
    """The clocks of one request and what follows from them. Statutory times never move; the house's may pause."""

    created_at: UtcTime
    """When the request was received, from which every clock runs."""
    calendar: BusinessCalendar
    """Of the building; of its holidays, those from the day of `created_at` on."""
    clock: Clock
    """Which hours the house's targets count."""
    may_pause: bool = True
    """Whether the house's clock waits for the resident; an emergency's never does."""
    house_response_due_at: UtcTime
    house_resolution_due_at: UtcTime
    statutory_response_due_at: UtcTime | None = None
    statutory_response_basis: str | None = None
    """`doc_id#jurisdictions:<code>:<clock_id> (<citation>)`."""
    statutory_resolution_due_at: UtcTime | None = None
    statutory_resolution_basis: str | None = None
    statutory_resolution_clock: Clock = "calendar"
    basis: str
    """`doc_id#key` of the house's targets."""
    warn_at_share: Probability
    """Staff are warned when this share of the time to a target has passed."""
    confirm_within_hours: Hours
    """How long the resident may confirm or reopen before a resolved request closes by itself; calendar hours."""
    remind_after_hours: Hours
    """After so long without a selection, the resident is reminded; calendar hours."""
    quiet_start: ClockTime
    quiet_end: ClockTime
    """Nothing but emergencies is told to residents between these, in the calendar's zone."""

    def due(self, pauses: Sequence[Pause] = ()) -> DueTimes:
        """The due times when the house's clock has stood still in these pauses, oldest first.

        Of house and statute the sooner, the house where both are the same; no response is due after the resolution.
        """
        house = (self.after(self.house_resolution_due_at, pauses), self.basis)
        done = _sooner(house, (self.statutory_resolution_due_at, self.statutory_resolution_basis))
        first = (self.after(self.house_response_due_at, pauses), self.basis)
        begun = _sooner(_sooner(first, (self.statutory_response_due_at, self.statutory_response_basis)), done)
        return DueTimes(begun[0], done[0], "; ".join(dict.fromkeys((begun[1], done[1]))))

    def after(self, moment: datetime, pauses: Sequence[Pause]) -> datetime:
        """When the house's clock, which stood still in these pauses, shows what it would have shown at `moment`.

        A pause that began no sooner than that changes nothing: what is missed stays missed.
        """
        for pause in pauses:
            if pause.since < moment:
                moment = self.later(moment, self.hours_between(pause.since, pause.until))
        return moment

    def later(self, moment: datetime, hours: float) -> datetime:
        """The moment that is so many hours of the house's clock later."""
        return later(self.calendar, self.clock, moment, hours)

    def hours_between(self, start: datetime, end: datetime) -> float:
        """Hours of the house's clock from `start` to `end`; 0 where `end` is not later."""
        return hours_between(self.calendar, self.clock, start, end)


def later(calendar: BusinessCalendar, clock: Clock, moment: datetime, hours: float) -> datetime:
    """The moment, in UTC, that is so many hours of a clock later."""
    if clock == "business":
        return calendar.add_hours(moment, hours)
    return moment.astimezone(UTC) + timedelta(hours=hours)


def hours_between(calendar: BusinessCalendar, clock: Clock, start: datetime, end: datetime) -> float:
    """Hours of a clock from `start` to `end`; 0 where `end` is not later."""
    if clock == "business":
        return calendar.hours_between(start, end)
    return max(timedelta(), end - start) / timedelta(hours=1)


def _sooner(first: tuple[datetime, str], second: tuple[datetime | None, str | None]) -> tuple[datetime, str]:
    moment, basis = second
    return (moment, basis or first[1]) if moment is not None and moment < first[0] else first
