"""What the portfolio consists of and leans on: buildings, their jurisdictions' statutes, vendors and parts."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, model_validator

from core.business_calendar import TimeZone
from core.contract import WHOLE, Contract, Dollars, Hours, Probability
from core.labels import Category, Trade, Urgency

MOST_AT_ONCE = 1_000
"""Technicians of a crew, or teams of a vendor; beyond it a figure is a slip of the pen, and simulating it too much."""
WeeklyJobs = Annotated[float, Field(ge=0.0, le=2_000.0, allow_inf_nan=False, strict=True)]
"""Arrivals of one urgency."""


class Triangle(Contract):
    """A triangular distribution."""

    low: float = Field(ge=0.0, allow_inf_nan=False, strict=True)
    mode: float = Field(ge=0.0, allow_inf_nan=False, strict=True)
    high: float = Field(ge=0.0, allow_inf_nan=False, strict=True)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.mode <= self.high:
            raise ValueError("low, mode and high must be in ascending order")
        return self


class Building(Contract):
    """One building of the portfolio."""

    building_id: str = Field(min_length=1)
    name: str
    jurisdiction: str
    """The code of the jurisdiction whose statutes hold."""
    homes: int = Field(ge=1)
    time_zone: TimeZone | None = None
    """Where its quiet hours, business days and holidays begin and end; None for the portfolio's (`AAM_TIME_ZONE`), as
    in rule books that were compiled before buildings had one."""


class StatutoryClock(Contract):
    """A time within which a statute wants a defect acted on; never paused, and never longer than the house target."""

    clock_id: str = Field(pattern=r"^[a-z0-9-]+$")
    citation: str
    """The section of the statute, as it is cited."""
    within_hours: Hours
    clock: Literal["calendar", "business"] = "calendar"
    what: Literal["begin", "finish"]
    """Whether the work must have begun by then, or be done."""
    categories: tuple[Category, ...] = (Category.MAINTENANCE,)
    trades: tuple[Trade, ...] = ()
    """Only for these trades; empty for any."""
    urgencies: tuple[Urgency, ...] = Field(default=tuple(Urgency), min_length=1)
    keywords: tuple[str, ...] = ()
    """Words or word stems of which the message must hold one; empty for any message."""


class Jurisdiction(Contract):
    """What the law of one place demands."""

    code: str = Field(pattern=r"^[A-Z]{2}(-[A-Z]{2})?(-[a-z-]+)?$")
    """ISO 3166-2, with a city where the city has its own: `US-WA`, `US-NY-new-york`."""
    name: str
    clocks: tuple[StatutoryClock, ...] = Field(min_length=1)
    checked_by_counsel: date | None = None
    """When a lawyer last checked it; None for not yet."""


class Vendor(Contract):
    """A company that is called for what the crews don't do, with a queue of its own."""

    vendor_id: str = Field(pattern=r"^[a-z0-9-]+$")
    name: str
    trades: tuple[Trade, ...] = ()
    licences: tuple[str, ...] = ()
    teams: Annotated[int, Field(ge=1, le=MOST_AT_ONCE), WHOLE]
    """How many jobs it does for everybody at the same time."""
    shift_start_hour: float = Field(ge=0, lt=24, strict=True)
    shift_end_hour: float = Field(gt=0, le=24, strict=True)
    weekdays_only: StrictBool
    on_call_outside_shift: StrictBool
    travel_hours: Triangle
    jobs_per_week: dict[Urgency, WeeklyJobs]
    """Usual arrivals of jobs, from all of its customers."""
    job_hours: Triangle
    call_out_usd: Dollars
    """What a visit costs before anything is done."""


class Part(Contract):
    """A part, what it costs and how long it takes to come."""

    part_id: str = Field(pattern=r"^[a-z0-9-]+$")
    name: str
    trade: Trade
    cost_usd: Triangle
    in_stock: Probability
    """The share of the times that it is in the store room."""
    lead_hours: Triangle
    """Until it arrives, where it is not in stock."""
