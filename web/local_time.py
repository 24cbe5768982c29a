"""Times as people type them into a form, in the zone of the buildings."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from core.contract import rfc3339


class NoTime(Exception):
    """What was typed is no time, or one that the clocks leap over."""


def written(moment: str | None, zone: ZoneInfo) -> str:
    """A moment of the interface as the value of an `<input type="datetime-local">`; empty for None."""
    return "" if moment is None else datetime.fromisoformat(moment).astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def read(text: str, zone: ZoneInfo, shown: str | None = None) -> str | None:
    """What was typed as RFC 3339 in UTC; None for nothing. Raises `NoTime`.

    `shown` is the moment that the field was filled with: left as it was it stays the same to the millisecond. Of an
    hour that comes twice, when clocks go back, the first is meant.
    """
    if not text:
        return None
    if shown and text == written(shown, zone):
        return shown
    try:
        local = datetime.fromisoformat(text).replace(tzinfo=zone)
        moment = local.astimezone(UTC)
        back = moment.astimezone(zone)
    except (ValueError, OverflowError):
        raise NoTime from None
    if back.replace(tzinfo=None) != local.replace(tzinfo=None):
        raise NoTime
    return rfc3339(moment)
