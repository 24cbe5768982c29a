"""A crew's duty hours as a clock that runs only while the crew works, so that waiting and work add up across nights."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from functools import cached_property

import numpy as np

from core.errors import ArtefactRefused
from core.estate import Vendor
from core.labels import Crew, Trade
from core.rules import CrewRules, EntryRules
from deployments.decision_simulation.triangular import Floats

DAY_HOURS = 24.0
WEEK_HOURS = 168.0
WEEKDAYS = 5
# Hours that are equal but for rounding must not fall on the two sides of a night.
ROUNDING_HOURS = 1e-9

Interval = tuple[float, float]


@dataclass(frozen=True)
class DutyClock:
    """The hours of the week on duty: ascending, disjoint intervals in hours since Monday 00:00."""

    intervals: tuple[Interval, ...]

    @cached_property
    def weekly_hours(self) -> float:
        """Duty hours of one week."""
        return float(sum(end - begin for begin, end in self.intervals))

    @cached_property
    def _begins(self) -> Floats:
        return np.array([begin for begin, _ in self.intervals])

    @cached_property
    def _worked_at_begin(self) -> Floats:
        lengths = [end - begin for begin, end in self.intervals]
        return np.concatenate(([0.0], np.cumsum(lengths)))[:-1]

    @cached_property
    def _knots(self) -> tuple[Floats, Floats]:
        hours, worked = [0.0], [0.0]
        for begin, end in self.intervals:
            hours += [begin, end]
            worked += [worked[-1], worked[-1] + end - begin]
        return np.array([*hours, WEEK_HOURS]), np.array([*worked, worked[-1]])

    @property
    def always(self) -> bool:
        """On duty around the clock."""
        return self.weekly_hours >= WEEK_HOURS - ROUNDING_HOURS

    def worked(self, hours: Floats) -> Floats:
        """Duty hours from Monday 00:00 of the first week to `hours` after it (any shape)."""
        if self.always:
            return hours
        weeks, within = np.divmod(hours, WEEK_HOURS)
        return weeks * self.weekly_hours + np.interp(within, *self._knots)

    def begin_after(self, worked: Floats) -> Floats:
        """The hour at which work that begins after `worked` duty hours begins: never at the end of a shift."""
        return worked if self.always else self._hour(worked, worked + ROUNDING_HOURS)

    def end_after(self, worked: Floats) -> Floats:
        """The hour at which work that ends after `worked` duty hours ends: never at the begin of a shift."""
        return worked if self.always else self._hour(worked, worked - ROUNDING_HOURS)

    def _hour(self, worked: Floats, nudged: Floats) -> Floats:
        weeks = np.floor(nudged / self.weekly_hours)
        within = worked - weeks * self.weekly_hours
        shift = np.searchsorted(self._worked_at_begin, nudged - weeks * self.weekly_hours, side="right") - 1
        return weeks * WEEK_HOURS + self._begins[shift] + (within - self._worked_at_begin[shift])

    def shift(self, hour: float) -> int:
        """A number that is the same for two hours if and only if no shift begins or ends between them."""
        if self.always:
            return 0
        weeks, within = divmod(hour, WEEK_HOURS)
        return int(weeks) * len(self._changes) + bisect_right(self._changes, within)

    @cached_property
    def _changes(self) -> tuple[float, ...]:
        over_monday = self.intervals[0][0] == 0.0 and self.intervals[-1][1] == WEEK_HOURS
        changes = tuple(hour for interval in self.intervals for hour in interval)
        return changes[1:-1] if over_monday else changes

    def on_duty(self, hour: float) -> bool:
        """Whether the crew works at this hour of the week."""
        within = hour % WEEK_HOURS
        return any(begin <= within < end for begin, end in self.intervals)


ALWAYS = DutyClock(((0.0, WEEK_HOURS),))


def duty_clock(rules: CrewRules | Vendor, entry: EntryRules) -> DutyClock:
    """The hours in which a crew or vendor does what is not an emergency.

    Trades, and vendors that have one, work in homes, so their shifts are cut to the hours outside quiet time and, on
    weekends, to those that the entry rules allow. Raises `ArtefactRefused` where no hour is left.
    """
    shifts = [
        (day * DAY_HOURS + begin, day * DAY_HOURS + end)
        for day in range(7)
        if day < WEEKDAYS or not rules.weekdays_only
        for begin, end in _shift_hours(rules)
    ]
    if _works_in_homes(rules):
        shifts = _intersection(shifts, _entry_hours(entry))
    clock = DutyClock(tuple(_merged(shifts)))
    if not clock.intervals:
        name = rules.crew if isinstance(rules, CrewRules) else rules.vendor_id
        raise ArtefactRefused(f"The crew or vendor {name} has no hour in which it may work; look at its shift.")
    return clock


_TRADE_CREWS = frozenset(Crew(trade.value) for trade in Trade)


def _works_in_homes(rules: CrewRules | Vendor) -> bool:
    return rules.crew in _TRADE_CREWS if isinstance(rules, CrewRules) else bool(rules.trades)


def week_hour(at: datetime, zone: tzinfo) -> float:
    """Hours since Monday 00:00 of the building's local time, in [0, 168)."""
    local = at.astimezone(zone)
    return local.weekday() * DAY_HOURS + _hour_of(local.time())


def _hour_of(moment: time) -> float:
    return moment.hour + moment.minute / 60 + (moment.second + moment.microsecond / 1e6) / 3600


def _shift_hours(rules: CrewRules | Vendor) -> list[Interval]:
    begin, end = rules.shift_start_hour, rules.shift_end_hour
    return [(begin, end)] if begin < end else [(0.0, end), (begin, DAY_HOURS)]


def _entry_hours(entry: EntryRules) -> list[Interval]:
    quiet_begin, quiet_end = _hour_of(entry.quiet_start), _hour_of(entry.quiet_end)
    weekend = (_hour_of(entry.weekend_start), _hour_of(entry.weekend_end))
    loud = [(quiet_end, quiet_begin)] if quiet_end < quiet_begin else [(0.0, quiet_begin), (quiet_end, DAY_HOURS)]
    by_day = [loud if day < WEEKDAYS else _intersection(loud, [weekend]) for day in range(7)]
    return [(day * DAY_HOURS + begin, day * DAY_HOURS + end) for day in range(7) for begin, end in by_day[day]]


def _intersection(first: Iterable[Interval], second: Iterable[Interval]) -> list[Interval]:
    second = list(second)
    cuts = [(max(a, c), min(b, d)) for a, b in first for c, d in second]
    return sorted((begin, end) for begin, end in cuts if begin < end)


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if begin >= end:
            continue
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
