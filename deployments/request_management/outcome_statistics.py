"""How requests went, counted one by one as the store gives them: what is held grows by 24 bytes for each at most."""

from array import array
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from core.contract import Contract, Dollars, Hours, Probability, UtcTime
from core.errors import Invalid, NotFound
from core.identity import Principal
from core.labels import Status
from core.ports.store import OutcomeFacts, RequestStore
from core.status import ENDED, UNJUDGED
from deployments.request_management import access

DEFAULT_PERIOD = timedelta(days=30)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
DONE = ENDED - {Status.CANCELLED}

GroupBy = Literal["building", "category", "urgency"]


class Times(Contract):
    """Hours of the calendar from a request's receipt until it was resolved; null where none was."""

    count: int
    p50: Hours | None
    p90: Hours | None
    """Between two values by linear interpolation, as p50."""
    mean: Hours | None


class Costs(Contract):
    """US dollars that resolved requests really cost, as far as somebody said so."""

    total: Dollars | None
    mean: Dollars | None
    known: int
    unknown: int
    """Resolved requests of which nobody said what they cost."""


class Ratings(Contract):
    """Residents' ratings, 1 to 5."""

    count: int
    mean: float | None


class Statistics(Contract):
    """How a set of requests went. A share of nothing is null, not zero."""

    volume: int
    open: int
    """Neither done nor cancelled."""
    response_sla_met: Probability | None
    """Of the requests that have a target and are done, or whose target was missed: the share that met it."""
    resolution_sla_met: Probability | None
    """In the same way."""
    time_to_resolve_hours: Times
    cost_usd: Costs
    reopen_rate: Probability | None
    """The share reopened at least once, of those that were done or were reopened."""
    automation_rate: Probability | None
    """The share that was answered, or carried out at policy's own selection, of those that were judged."""
    escalation_rate: Probability | None
    """The share for which a person was asked, of those that were judged."""
    correction_rate: Probability | None
    """The share whose labels staff changed, of those that have labels."""
    rating: Ratings


class Group(Contract):
    """One value of what the statistics are grouped by; null where the requests have none."""

    value: str | None
    statistics: Statistics


class StatisticsAnswer(Contract):
    """`GET /statistics`: the requests made in `[since, before)`."""

    since: UtcTime
    before: UtcTime
    building_id: str | None
    group_by: GroupBy | None
    overall: Statistics
    groups: tuple[Group, ...]
    """In the order of their values, with those that have none last."""


@dataclass
class Share:
    """A part of a whole."""

    part: int = 0
    whole: int = 0

    def count(self, is_part: bool, *, of: bool) -> None:
        """Count one more, where it belongs to the whole."""
        self.whole += of
        self.part += of and is_part

    @property
    def value(self) -> float | None:
        """From 0 to 1; None for a part of nothing."""
        return self.part / self.whole if self.whole else None


def _doubles() -> "array[float]":
    return array("d")


@dataclass
class Tally:
    """The counts of one set of requests."""

    volume: int = 0
    open: int = 0
    response: Share = field(default_factory=Share)
    resolution: Share = field(default_factory=Share)
    reopened: Share = field(default_factory=Share)
    automated: Share = field(default_factory=Share)
    escalated: Share = field(default_factory=Share)
    corrected: Share = field(default_factory=Share)
    hours: "array[float]" = field(default_factory=_doubles)
    costs: "array[float]" = field(default_factory=_doubles)
    without_cost: int = 0
    ratings: "array[float]" = field(default_factory=_doubles)

    def add(self, one: OutcomeFacts) -> None:
        """Count one request."""
        is_done = one.status in DONE
        is_judged = one.status not in UNJUDGED
        # Targets come with the labels, by category and urgency.
        has_target = is_judged and one.category is not None
        self.volume += 1
        self.open += one.status not in ENDED
        self.response.count(not one.response_breached, of=has_target and (is_done or one.response_breached))
        self.resolution.count(not one.breached, of=has_target and (is_done or one.breached))
        self.reopened.count(one.reopened > 0, of=is_done or one.reopened > 0)
        self.automated.count(one.automated, of=is_judged)
        self.escalated.count(one.escalated, of=is_judged)
        self.corrected.count(one.corrected, of=one.category is not None)
        self._add_figures(one)

    def _add_figures(self, one: OutcomeFacts) -> None:
        if one.resolved_at is not None:
            self.hours.append((one.resolved_at - one.created_at) / timedelta(hours=1))
        if one.cost_usd is not None:
            self.costs.append(one.cost_usd)
        elif one.resolved_at is not None:
            self.without_cost += 1
        if one.rating is not None:
            self.ratings.append(one.rating)

    def statistics(self) -> Statistics:
        """What the counts say."""
        hours = sorted(self.hours)
        return Statistics(
            volume=self.volume,
            open=self.open,
            response_sla_met=self.response.value,
            resolution_sla_met=self.resolution.value,
            time_to_resolve_hours=Times(
                count=len(hours), p50=quantile(hours, 0.5), p90=quantile(hours, 0.9), mean=_mean(hours)
            ),
            cost_usd=Costs(
                total=sum(self.costs) if self.costs else None,
                mean=_mean(self.costs),
                known=len(self.costs),
                unknown=self.without_cost,
            ),
            reopen_rate=self.reopened.value,
            automation_rate=self.automated.value,
            escalation_rate=self.escalated.value,
            correction_rate=self.corrected.value,
            rating=Ratings(count=len(self.ratings), mean=_mean(self.ratings)),
        )


KEYS: Mapping[GroupBy, Callable[[OutcomeFacts], str | None]] = {
    "building": lambda one: one.building_id,
    "category": lambda one: one.category,
    "urgency": lambda one: one.urgency,
}


async def count(facts: AsyncIterator[OutcomeFacts], group_by: GroupBy | None) -> tuple[Statistics, tuple[Group, ...]]:
    """The statistics of all and of each group."""
    overall, groups = Tally(), dict[str | None, Tally]()
    async for one in facts:
        overall.add(one)
        if group_by is not None:
            groups.setdefault(KEYS[group_by](one), Tally()).add(one)
    in_order = sorted(groups, key=lambda value: (value is None, value or ""))
    return overall.statistics(), tuple(
        Group(value=value and str(value), statistics=groups[value].statistics()) for value in in_order
    )


def quantile(ordered: "list[float]", share: float) -> float | None:
    """The value below which a share of the ordered ones lies: Hyndman and Fan's seventh definition. None for none."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def scope_of(principal: Principal, building_id: str | None) -> frozenset[str] | None:
    """The buildings that are counted; None for all. Raises `NotFound` for one that the caller does not cover."""
    if building_id is None:
        return principal.buildings
    if not principal.covers(building_id):
        raise NotFound("There is no such building.")
    return frozenset({building_id})


def period_of(since: datetime | None, before: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """`[since, before)`, by default the 30 days until now. Raises `Invalid` for a period without any time in it."""
    before = before or now
    since = since or max(before, EARLIEST) - DEFAULT_PERIOD
    if since >= before:
        raise Invalid("since must be earlier than before.")
    return since, before


class OutcomeStatistics:
    """Statistics over the requests of a caller's buildings."""

    def __init__(self, store: RequestStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def answer(
        self,
        principal: Principal,
        since: datetime | None,
        before: datetime | None,
        building_id: str | None,
        group_by: GroupBy | None,
    ) -> StatisticsAnswer:
        """Of the requests made in `[since, before)`, by default the last 30 days. Raises `NotFound`, `Invalid`."""
        access.require_role(principal, access.STAFF)
        buildings = scope_of(principal, building_id)
        since, before = period_of(since, before, self._clock())
        overall, groups = await count(self._store.outcomes(buildings, since=since, before=before), group_by)
        return StatisticsAnswer(
            since=since, before=before, building_id=building_id, group_by=group_by, overall=overall, groups=groups
        )


def _mean(values: "list[float] | array[float]") -> float | None:
    return sum(values) / len(values) if values else None
