"""Finds a time for a visit to a home that the house's rules allow and that suits the resident."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

from core.contract import rfc3339
from core.entry import SATURDAY, EntryTerms
from core.errors import Invalid
from core.visit_wishes import DayWish, Slot, read_avoided_days, read_preferred_days, read_slots

Window = tuple[datetime, datetime]
"""Begin and end, both in UTC."""

USUAL_START, USUAL_END = time(8), time(18)
"""Visits on business days where nothing else is said; on a weekend its hours in the rules apply."""
QUARTER = timedelta(minutes=15)
"""Visits are arranged for whole quarters of an hour, unless they begin where quiet hours end."""

Hours = Callable[[datetime], bool]
"""Whether a local moment is one of them."""


def first_window(
    entry: EntryTerms | None,
    *,
    now: datetime,
    duration: timedelta,
    preferred_days: Sequence[str] = (),
    preferred_time_slots: Sequence[str] = (),
    avoid_days: Sequence[str] = (),
    emergency: bool,
    horizon_days: int = 30,
    not_before: datetime | None = None,
    time_zone: str = "UTC",
) -> Window:
    """The earliest of the best windows within `horizon_days` after a visit may begin; an emergency begins now.

    Every window keeps the notice and lies on one local day outside quiet hours. Days to avoid are taken only where no
    other is left, night hours only where no day has room; among the rest, that one is best which meets most wishes.
    `not_before` is when notice, told when the visit was ordered, has run; without it, notice begins now. `time_zone`
    is the building's where there is no `entry`. Raises `Invalid` where quiet hours leave no room.
    """
    start = now.astimezone(UTC)
    if emergency:
        return start, start + duration
    zone = ZoneInfo(time_zone if entry is None else entry.time_zone)
    wishes = _Wishes(
        read_preferred_days(preferred_days), _stretched(read_slots(preferred_time_slots), duration),
        read_avoided_days(avoid_days),
    )  # fmt: skip
    earliest = _next_quarter(_earliest(entry, start, not_before))
    first_day = earliest.astimezone(zone).date()
    search = _Search(entry, zone, wishes, earliest, duration)
    best: Choice | None = None
    for offset in range(horizon_days + 1):
        best = min(filter(None, (best, *search.choices(first_day + timedelta(offset)))), default=None)
        if best is not None and not any(best[:-1]):
            break  # Later days can't be better.
    if best is None:
        hours = duration / timedelta(hours=1)
        raise Invalid(f"Quiet hours leave no room for a visit of {hours:g} hours within {horizon_days} days.")
    return best[-1], best[-1] + duration


def require_allowed(
    window: Window, entry: EntryTerms | None, now: datetime, emergency: bool, *, not_before: datetime | None = None
) -> None:
    """Raises `Invalid`, naming the clause, where the window has passed, is within the notice, or in quiet hours.

    An emergency waits for neither. `not_before` as in `first_window`.
    """
    start, end = (moment.astimezone(UTC) for moment in window)
    if end <= start:
        raise Invalid("A visit ends after it begins.")
    if end <= now:
        raise Invalid("The time of the visit has passed.")
    if emergency:
        return
    told = not_before or (entry.not_before(now) if entry is not None and entry.notice else None)
    if told is not None and start < told:
        raise Invalid(f"Notice of entry: the visit may not begin before {rfc3339(told)}.")
    if entry is not None and not _is_quiet_free(start, end, entry):
        raise Invalid("Quiet hours: the whole visit has to lie outside them, on one day of the building's.")


@dataclass(frozen=True)
class _Wishes:
    days: DayWish
    slots: tuple[Slot, ...]
    avoided: DayWish

    def in_slots(self, local: datetime) -> bool:
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.slots)


Choice = tuple[bool, bool, int, bool, datetime]
"""Avoided day, night hours, wishes not met, not the usual hours, begin: the smallest is the best."""


@dataclass(frozen=True)
class _Search:
    entry: EntryTerms | None
    zone: tzinfo
    wishes: _Wishes
    earliest: datetime
    duration: timedelta

    def choices(self, day: date) -> Iterator[Choice]:
        """The first window of the day in each kind of hours, and how good it is."""
        missed_day = bool(self.wishes.days) and not self.wishes.days.includes(day)
        missed_slot = bool(self.wishes.slots)
        avoided = self.wishes.avoided.includes(day)
        layers: tuple[tuple[Hours, bool, bool, bool], ...] = (
            (self.wishes.in_slots, False, False, False),
            (self._usual, False, missed_slot, False),
            (_daytime, False, missed_slot, True),
            (lambda local: True, True, missed_slot, True),
        )
        pieces = _pieces(day, self.zone, self.entry, self._edges)
        for hours, at_night, missed, unusual in layers:
            start = self._first(_spans(pieces, hours))
            if start is not None:
                yield avoided, at_night, missed_day + missed, unusual, start

    @property
    def _edges(self) -> set[time]:
        return {USUAL_START, USUAL_END, *(_clock(minute) for slot in self.wishes.slots for minute in slot)}

    def _first(self, spans: Iterator[Window]) -> datetime | None:
        starts = ((max(begin, self.earliest), end) for begin, end in spans)
        return next((start for start, end in starts if end - start >= self.duration), None)

    def _usual(self, local: datetime) -> bool:
        # Where there are rules, they say which hours of a weekend are allowed.
        return self.entry is not None if local.weekday() >= SATURDAY else _daytime(local)


def _daytime(local: datetime) -> bool:
    return USUAL_START <= local.time() < USUAL_END


def _stretched(slots: Sequence[Slot], duration: timedelta) -> tuple[Slot, ...]:
    """A slot that is shorter than the visit is the time in which it begins."""
    minutes = -(-duration // timedelta(minutes=1))
    return tuple((start, max(end, start + minutes)) for start, end in slots)


def _clock(minute: int) -> time:
    return time(minute // 60 % 24, minute % 60)


def _earliest(entry: EntryTerms | None, now: datetime, not_before: datetime | None) -> datetime:
    told = not_before or (entry.not_before(now) if entry is not None else None)
    return now if told is None else max(now, told.astimezone(UTC))


def _next_quarter(moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + -((midnight - moment) // QUARTER) * QUARTER


def _is_quiet_free(start: datetime, end: datetime, entry: EntryTerms) -> bool:
    zone = ZoneInfo(entry.time_zone)
    pieces = _pieces(start.astimezone(zone).date(), zone, entry, set())
    return any(begin <= start and end <= until for begin, until in _spans(pieces, lambda local: True))


Piece = tuple[datetime, datetime, datetime]
"""Begin and end in UTC, and the begin in local time."""


def _pieces(day: date, zone: tzinfo, entry: EntryTerms | None, edges: set[time]) -> list[Piece]:
    """The pieces of a local day that the rules allow, cut at every edge, the earliest first."""
    rules = None if entry is None else entry.rules
    if rules is not None:
        edges = edges | {rules.quiet_start, rules.quiet_end, rules.weekend_start, rules.weekend_end}
    pieces = [(begin, end, begin.astimezone(zone)) for begin, end in pairwise(_moments(day, zone, edges))]
    return [piece for piece in pieces if rules is None or rules.allow_noise(piece[2])]


def _spans(pieces: Sequence[Piece], hours: Hours) -> Iterator[Window]:
    """The pieces within the hours, those that touch put together."""
    begin: datetime | None = None
    until: datetime | None = None
    for start, end, local in pieces:
        if not hours(local):
            continue
        if begin is not None and until is not None and start > until:
            yield begin, until
            begin = None
        begin, until = begin or start, end
    if begin is not None and until is not None:
        yield begin, until


def _moments(day: date, zone: tzinfo, edges: set[time]) -> list[datetime]:
    """Every moment of the day, its begin and end included, at which a rule about clock times may change its answer.

    Where the clocks are changed, a time comes twice or not at all, so the change itself is one of them.
    """
    begin, end = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + timedelta(days=1)))
    marks = (datetime.combine(day, edge, zone).replace(fold=fold).astimezone(UTC) for edge in edges for fold in (0, 1))
    within = {mark for mark in (*marks, *_clock_change(begin, end, zone)) if begin < mark < end}
    return sorted({begin, end, *within})


def _clock_change(begin: datetime, end: datetime, zone: tzinfo) -> Iterator[datetime]:
    offset = begin.astimezone(zone).utcoffset()
    if offset == end.astimezone(zone).utcoffset():
        return
    while end - begin > timedelta(seconds=1):
        middle = begin + (end - begin) // 2 // timedelta(seconds=1) * timedelta(seconds=1)
        begin, end = (middle, end) if middle.astimezone(zone).utcoffset() == offset else (begin, middle)
    yield end
