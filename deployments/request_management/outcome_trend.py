"""How requests went day by day or week by week: the counts of `outcome_statistics`, one set for each interval."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from core.contract import Contract, UtcTime
from core.errors import Invalid
from core.identity import Principal
from core.ports.store import OutcomeFacts, RequestStore
from deployments.request_management import access
from deployments.request_management.outcome_statistics import EARLIEST, Statistics, Tally, period_of, scope_of

Interval = Literal["day", "week"]
DAYS: dict[Interval, int] = {"day": 1, "week": 7}
MOST_INTERVALS = 400
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Beyond it the calendar of a zone ends."""


class TrendPoint(Contract):
    """The requests made in `[begin, end)`."""

    begin: UtcTime
    end: UtcTime
    """A whole day or week where the houses are; the first and the last end with the period."""
    complete: bool
    """Whether the period holds the whole day or week."""
    statistics: Statistics


class TrendAnswer(Contract):
    """`GET /statistics/trend`: every day or week of `[since, before)`, oldest first, those without requests, too."""

    since: UtcTime
    before: UtcTime
    building_id: str | None
    interval: Interval
    time_zone: str
    """In which a day begins; a week begins on Monday."""
    items: tuple[TrendPoint, ...]


class OutcomeTrend:
    """Statistics over time, of the requests of a caller's buildings."""

    def __init__(self, store: RequestStore, clock: Callable[[], datetime], zone: ZoneInfo) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone

    async def answer(
        self,
        principal: Principal,
        since: datetime | None,
        before: datetime | None,
        building_id: str | None,
        interval: Interval,
    ) -> TrendAnswer:
        """Of the requests made in `[since, before)`, by default the last 30 days. Raises `NotFound`, `Invalid`."""
        access.require_role(principal, access.STAFF)
        buildings = scope_of(principal, building_id)
        since, before = period_of(since, before, self._clock())
        if since < EARLIEST or before > LATEST:
            raise Invalid(f"The period must lie between {EARLIEST:%Y} and {LATEST:%Y}.")
        if (before - since) / timedelta(days=DAYS[interval]) > MOST_INTERVALS:
            raise Invalid(f"The period holds more than {MOST_INTERVALS} of these intervals; choose a shorter one.")
        tallies = await tally(self._store.outcomes(buildings, since=since, before=before), interval, self._zone)
        items = tuple(
            TrendPoint(
                begin=max(begin, since),
                end=min(end, before),
                complete=since <= begin and end <= before,
                statistics=tallies.get(day, Tally()).statistics(),
            )
            for day, begin, end in intervals(since, before, interval, self._zone)
        )
        return TrendAnswer(
            since=since,
            before=before,
            building_id=building_id,
            interval=interval,
            time_zone=self._zone.key,
            items=items,
        )


async def tally(facts: AsyncIterator[OutcomeFacts], interval: Interval, zone: ZoneInfo) -> dict[date, Tally]:
    """The counts by the local first day of each interval that holds a request."""
    found: dict[date, Tally] = {}
    async for one in facts:
        found.setdefault(first_day(one.created_at, interval, zone), Tally()).add(one)
    return found


def intervals(
    since: datetime, before: datetime, interval: Interval, zone: ZoneInfo
) -> Iterator[tuple[date, datetime, datetime]]:
    """The local first day, begin and end of each interval that meets `[since, before)`."""
    day = first_day(since, interval, zone)
    while (begin := datetime.combine(day, time(), zone)) < before:
        following = day + timedelta(days=DAYS[interval])
        yield day, begin, datetime.combine(following, time(), zone)
        day = following


def first_day(moment: datetime, interval: Interval, zone: ZoneInfo) -> date:
    """The local day, or the Monday of its week."""
    day = moment.astimezone(zone).date()
    return day if interval == "day" else day - timedelta(days=day.weekday())
