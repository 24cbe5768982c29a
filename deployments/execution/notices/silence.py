"""Quiet hours and times of the day where a person is, through changes of the clock."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.notices import QuietHours


def is_quiet(moment: datetime, quiet: QuietHours | None, zone: ZoneInfo) -> bool:
    """Whether nothing is pushed at this moment; hours that begin when they end are none."""
    if quiet is None or quiet.start == quiet.end:
        return False
    clock = moment.astimezone(zone).time()
    if quiet.start < quiet.end:
        return quiet.start <= clock < quiet.end
    return clock >= quiet.start or clock < quiet.end


def after_quiet(moment: datetime, quiet: QuietHours | None, zone: ZoneInfo) -> datetime:
    """The moment itself, or the end of the quiet hours that it falls into; in UTC."""
    moment = moment.astimezone(UTC)
    if quiet is None or not is_quiet(moment, quiet, zone):
        return moment
    end = next_time(moment, quiet.end, zone)
    # Where the clock is put back, an hour of the day comes twice; the quiet one may come again.
    return end if not is_quiet(end, quiet, zone) else end + timedelta(hours=1)


def next_time(moment: datetime, clock: time, zone: ZoneInfo) -> datetime:
    """The first moment after this one at which clocks there show that time; in UTC.

    A time that a change of the clock leaves out is the moment that clocks without the change would show it.
    """
    today = moment.astimezone(zone).date()
    candidates = (
        datetime.combine(today + timedelta(days=days), clock, tzinfo=zone).replace(fold=fold).astimezone(UTC)
        for days in (0, 1, 2)
        for fold in (0, 1)
    )
    return min(candidate for candidate in candidates if candidate > moment)
