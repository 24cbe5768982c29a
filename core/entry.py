"""When a home may be entered and noise made, and when a visit that is ordered at a given moment may begin."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.contract import ClockTime, Contract, Hours

SATURDAY = 5
DAYS_AHEAD = 8
"""Within so many days a moment comes at which work may be heard, unless it never may."""


class EntryRules(Contract):
    """When a home may be entered and noise made."""

    notice_hours: Hours
    quiet_start: ClockTime
    quiet_end: ClockTime
    weekend_start: ClockTime
    weekend_end: ClockTime

    def allow_noise(self, local: datetime) -> bool:
        """Whether work may be heard at this local time."""
        now = local.time()
        if _within(self.quiet_start, self.quiet_end, now):
            return False
        return local.weekday() < SATURDAY or self.weekend_start <= now < self.weekend_end

    def opening(self, local: datetime) -> datetime:
        """The first moment from this local one on at which work may be heard; this one where it never may."""
        if self.allow_noise(local):
            return local
        edges = sorted({time(0), self.quiet_end, self.weekend_start})
        moments = (
            datetime.combine(local.date() + timedelta(days=day), edge, local.tzinfo)
            for day in range(DAYS_AHEAD)
            for edge in edges
        )
        return next((moment for moment in moments if moment > local and self.allow_noise(moment)), local)


class EntryTerms(Contract):
    """What a visit waits for, told with its option, so that whoever orders it needs no rules."""

    rules: EntryRules
    """Those of the building."""
    notice: bool
    """Whether it is to a home that may not be entered without notice."""
    time_zone: str
    """The building's (IANA)."""

    def not_before(self, ordered_at: datetime) -> datetime | None:
        """When a visit that is ordered at this moment may begin at the earliest; None for at once."""
        local = ordered_at.astimezone(ZoneInfo(self.time_zone))
        # Added in UTC: notice runs for as many hours on the day that the clocks are changed.
        told = (local.astimezone(UTC) + timedelta(hours=self.rules.notice_hours if self.notice else 0.0)).astimezone(
            local.tzinfo
        )
        begin = self.rules.opening(told)
        return None if begin == local else begin.astimezone(UTC)


def _within(start: time, end: time, now: time) -> bool:
    return start <= now < end if start <= end else now >= start or now < end
