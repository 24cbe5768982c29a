"""Waiting-time tables: how long until a crew or vendor is free for a job, by urgency and time of the week."""

import hashlib
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Protocol

import numpy as np

from core.errors import ArtefactRefused
from core.labels import Urgency
from core.messages import Workload
from core.rules import RuleBook
from deployments.decision_simulation.duty import DAY_HOURS, WEEK_HOURS, DutyClock, week_hour
from deployments.decision_simulation.lockstep import IN_TURN, Queue
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import ServerModel, server_models

DECIMALS = 4
# The first reading comes an instant after the backlog, on which whoever is on duty has begun by then.
INSTANT_HOURS = 1e-6
EARLIER_HOURS = 24.0
"""A request that was reported up to this long before the forecast counts as reported when it was made."""


def _offsets() -> tuple[float, ...]:
    soon = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0, DAY_HOURS)
    over_a_weekend = [float(hour) for hour in range(26, 97, 2)]
    return (*soon, *over_a_weekend, *(float(hour) for hour in range(104, round(WEEK_HOURS) + 1, 8)))


@dataclass(frozen=True)
class TableSettings:
    """How finely the tables are computed."""

    replications: int = 2048
    """Of each queue, for what is asked within a day."""
    later_replications: int = 512
    """For what is asked later."""
    quantiles: int = 64
    offsets_hours: tuple[float, ...] = field(default_factory=_offsets)
    """Times from now at which the wait is read, from 0 to a week; dense at first, while the backlog is worked off."""
    patience_hours: float = 672.0
    """A wait that lasts longer counts as this long."""


@dataclass(frozen=True)
class ServerWaits:
    """The waits for one crew or vendor as forecast at one moment.

    A wait is counted on the server's own clock: duty hours, or plain hours for emergencies of one on call. So the
    table holds how much is ahead in the queue, and the night or weekend that begins now is added exactly.
    """

    begin: float
    """The moment, in hours since Monday 00:00."""
    offsets_hours: Floats
    """Times after `begin`, ascending from 0 to a week."""
    hours: Floats
    """(4 urgencies from Low to Emergency, offsets, quantiles), ascending in the quantiles."""

    clock: DutyClock
    """The server's duty hours."""

    @cached_property
    def _shifts(self) -> list[int]:
        return [self.clock.shift(self.begin + float(offset)) for offset in self.offsets_hours]

    def quantiles(self, urgency: Urgency, hour: float) -> Floats:
        """The wait's quantiles, at the midpoints of equal probabilities, for a job reported at this hour.

        Between two offsets they are interpolated, but never over the begin or the end of a shift.
        """
        offset = (hour - self.begin) % WEEK_HOURS
        if offset > WEEK_HOURS - EARLIER_HOURS:
            offset = 0.0
        after = min(int(np.searchsorted(self.offsets_hours, offset, side="right")), self.offsets_hours.size - 1)
        left, right = self.offsets_hours[after - 1], self.offsets_hours[after]
        share = (offset - left) / (right - left)
        shift, (shift_left, shift_right) = self.clock.shift(self.begin + offset), self._shifts[after - 1 : after + 1]
        if shift_left != shift_right:
            share = 0.0 if shift == shift_left else 1.0 if shift == shift_right else share
        table = self.hours[urgency.rank]
        between: Floats = table[after - 1] * (1.0 - share) + table[after] * share
        return between.round(DECIMALS)


@dataclass(frozen=True)
class WaitingTables:
    """The waits of every crew and vendor, by key."""

    waits: Mapping[str, ServerWaits]
    version: str
    """Hash of all waits."""

    def quantiles(self, server: str, urgency: Urgency, hour: float) -> Floats:
        """As `ServerWaits.quantiles`."""
        return self.waits[server].quantiles(urgency, hour)


class TablesSource(Protocol):
    """Where the tables of the moment come from."""

    @property
    def tables(self) -> WaitingTables:
        """The newest tables."""
        ...

    def observe(self, workload: Workload) -> None:
        """Take note of the present backlog."""
        ...

    def what_if(self, workload: Workload, servers: Collection[str], at: datetime, seed: int) -> WaitingTables:
        """Tables in which these servers have another backlog; nothing is kept. Takes about 0.1 s for each."""
        ...


def tables_of(waits: Mapping[str, ServerWaits]) -> WaitingTables:
    """The tables with their version."""
    digest = hashlib.sha256()
    for server in sorted(waits):
        digest.update(f"{server} {waits[server].begin!r}".encode())
        digest.update(waits[server].offsets_hours.tobytes())
        digest.update(np.ascontiguousarray(waits[server].hours).tobytes())
    return WaitingTables(waits=dict(waits), version=digest.hexdigest()[:12])


def server_waits(
    model: ServerModel, backlog: Mapping[Urgency, int], begin: float, settings: TableSettings, seed: int
) -> ServerWaits:
    """One server's waits over the week from `begin` (hours since Monday 00:00) on, from seeded replications."""
    offsets = np.array(settings.offsets_hours)
    soon = offsets <= DAY_HOURS
    parts = ((offsets[soon], settings.replications), (offsets[~soon], settings.later_replications))
    tables = [
        _table(model, backlog, begin, asked, replications, settings, seed)
        for asked, replications in parts
        if asked.size
    ]
    return ServerWaits(begin=begin, offsets_hours=offsets, hours=np.concatenate(tables, axis=1), clock=model.clock)


def _table(
    model: ServerModel,
    backlog: Mapping[Urgency, int],
    begin: float,
    offsets: Floats,
    replications: int,
    settings: TableSettings,
    seed: int,
) -> Floats:
    """The waits' quantiles: (urgencies, offsets, quantiles)."""
    queue = Queue(model, backlog, begin, begin + np.maximum(offsets, INSTANT_HOURS), replications, seed)
    in_turn = queue.waits(settings.patience_hours * model.clock.weekly_hours / WEEK_HOURS)
    levels = (np.arange(settings.quantiles) + 0.5) / settings.quantiles
    hours = np.empty((len(Urgency), offsets.size, settings.quantiles))
    hours[Urgency.EMERGENCY.rank] = np.quantile(queue.emergency_waits, levels, axis=0).T
    for index, urgency in enumerate(IN_TURN):
        hours[urgency.rank] = np.quantile(in_turn[:, :, index], levels, axis=0).T
    return hours


@dataclass
class WaitingTimes:
    """Keeps the tables up to date with the backlog; a server whose backlog did not change keeps its waits.

    `refresh` may run in a background thread: readers see the old tables until the new ones are whole.
    """

    rules: RuleBook
    zone: tzinfo
    settings: TableSettings = field(default_factory=TableSettings)
    max_age_hours: float = 12.0
    """Waits are a forecast from the moment of their computation; older ones are computed anew."""

    def __post_init__(self) -> None:
        self._models = server_models(self.rules)
        self._lock = threading.Lock()
        self._waits: dict[str, ServerWaits] = {}
        self._made: dict[str, tuple[datetime, dict[Urgency, int]]] = {}
        self._tables: WaitingTables | None = None
        self._workload = Workload()

    @property
    def tables(self) -> WaitingTables:
        """The newest tables. Raises `ArtefactRefused` before the first `refresh`."""
        if self._tables is None:
            raise ArtefactRefused("The waiting-time tables are not computed yet; call refresh first.")
        return self._tables

    @property
    def workload(self) -> Workload:
        """The backlog that was seen last."""
        return self._workload

    def observe(self, workload: Workload) -> None:
        """Take note of the present backlog, for the next `refresh`."""
        self._workload = workload

    def refresh(self, workload: Workload, at: datetime, seed: int) -> WaitingTables:
        """Compute the waits of each server whose backlog changed or whose waits are old; about 0.1 s for each."""
        with self._lock:
            begin = week_hour(at, self.zone)
            for server, model in self._models.items():
                backlog = backlog_of(workload, server)
                if not self._fresh(server, backlog, at):
                    self._waits[server] = server_waits(model, backlog, begin, self.settings, seed)
                    self._made[server] = (at, backlog)
            if self._tables is None or any(
                self._tables.waits[server] is not self._waits[server] for server in self._waits
            ):
                self._tables = tables_of(self._waits)
            return self._tables

    def what_if(self, workload: Workload, servers: Collection[str], at: datetime, seed: int) -> WaitingTables:
        """Tables in which these servers have another backlog; nothing is kept."""
        begin = week_hour(at, self.zone)
        changed = {
            server: server_waits(self._models[server], backlog_of(workload, server), begin, self.settings, seed)
            for server in sorted(servers)
        }
        return tables_of({**self.tables.waits, **changed})

    def _fresh(self, server: str, backlog: dict[Urgency, int], at: datetime) -> bool:
        if server not in self._made:
            return False
        made_at, made_for = self._made[server]
        age_hours = (at - made_at).total_seconds() / 3600
        return made_for == backlog and abs(age_hours) <= self.max_age_hours


def backlog_of(workload: Workload, server: str) -> dict[Urgency, int]:
    """Open jobs of a crew by urgency, without the urgencies that have none; none of a vendor, which reports none."""
    by_crew = {crew.value: jobs for crew, jobs in workload.open_by_crew.items()}
    return {urgency: number for urgency, number in by_crew.get(server, {}).items() if number > 0}
