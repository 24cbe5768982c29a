"""Waiting-time tables: how long until a crew's technician is free for a job, by urgency and time of the week."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Protocol

import numpy as np

from core.errors import ArtefactRefused
from core.labels import Crew, Urgency
from core.messages import Workload
from core.rules import RuleBook
from deployments.decision_simulation.duty import WEEK_HOURS, week_hour
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import RANKS, CrewModel, CrewRun, Readiness, crew_models

DECIMALS = 4
# The first reading comes an instant after the backlog was put in the queue.
INSTANT_HOURS = 1e-6
EARLIER_HOURS = 24.0
"""A request that was reported up to this long before the forecast counts as reported when it was made."""


def _offsets() -> tuple[float, ...]:
    soon = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
    return soon + tuple(float(hour) for hour in range(16, round(WEEK_HOURS) + 1, 4))


@dataclass(frozen=True)
class TableSettings:
    """How finely the tables are computed."""

    replications: int = 32
    """Runs of each crew."""
    quantiles: int = 64
    offsets_hours: tuple[float, ...] = field(default_factory=_offsets)
    """Times from now at which the wait is read, from 0 to a week; dense at first, while the backlog is worked off."""
    probes: int = 4
    """Moments around each offset at which each run is read."""
    patience_hours: float = 672.0
    """A run ends here after its first week; a wait that lasts longer counts as ending here."""


@dataclass(frozen=True)
class CrewWaits:
    """One crew's waits as forecast at one moment.

    A wait is counted on the crew's own clock: duty hours, or plain hours for emergencies of a crew on call. So the
    table holds how much is ahead in the queue, and the night or weekend that begins now is added exactly.
    """

    begin: float
    """The moment, in hours since Monday 00:00."""
    offsets_hours: Floats
    """Times after `begin`, ascending from 0 to a week."""
    hours: Floats
    """(4 urgencies from Low to Emergency, offsets, quantiles), ascending in the quantiles."""

    def quantiles(self, urgency: Urgency, hour: float) -> Floats:
        """The wait's quantiles, at the midpoints of equal probabilities, for a job reported at this hour."""
        offset = (hour - self.begin) % WEEK_HOURS
        if offset > WEEK_HOURS - EARLIER_HOURS:
            offset = 0.0
        after = min(int(np.searchsorted(self.offsets_hours, offset, side="right")), self.offsets_hours.size - 1)
        left, right = self.offsets_hours[after - 1], self.offsets_hours[after]
        share = (offset - left) / (right - left)
        table = self.hours[urgency.rank]
        between: Floats = table[after - 1] * (1.0 - share) + table[after] * share
        return between.round(DECIMALS)


@dataclass(frozen=True)
class WaitingTables:
    """The waits of every crew."""

    waits: Mapping[Crew, CrewWaits]
    version: str
    """Hash of all waits."""

    def quantiles(self, crew: Crew, urgency: Urgency, hour: float) -> Floats:
        """As `CrewWaits.quantiles`."""
        return self.waits[crew].quantiles(urgency, hour)


class TablesSource(Protocol):
    """Where the tables of the moment come from."""

    @property
    def tables(self) -> WaitingTables:
        """The newest tables."""
        ...

    def observe(self, workload: Workload) -> None:
        """Take note of the present backlog."""
        ...

    def what_if(self, workload: Workload, crews: frozenset[Crew], at: datetime, seed: int) -> WaitingTables:
        """Tables in which these crews have another backlog; nothing is kept. Takes about 0.1 s for each."""
        ...


def tables_of(waits: Mapping[Crew, CrewWaits]) -> WaitingTables:
    """The tables with their version."""
    digest = hashlib.sha256()
    for crew in sorted(waits):
        digest.update(f"{crew} {waits[crew].begin!r}".encode())
        digest.update(waits[crew].offsets_hours.tobytes())
        digest.update(np.ascontiguousarray(waits[crew].hours).tobytes())
    return WaitingTables(waits=dict(waits), version=digest.hexdigest()[:12])


def crew_waits(
    model: CrewModel, backlog: Mapping[Urgency, int], begin: float, settings: TableSettings, seed: int
) -> CrewWaits:
    """One crew's waits over the week from `begin` (hours since Monday 00:00) on, from seeded runs."""
    crew_number = list(Crew).index(model.crew)
    runs = [
        _probe_run(model, backlog, begin, settings, np.random.default_rng((seed, crew_number, index)))
        for index in range(settings.replications)
    ]
    levels = (np.arange(settings.quantiles) + 0.5) / settings.quantiles
    hours = np.moveaxis(np.quantile(np.concatenate(runs, axis=2), levels, axis=2), 0, 2)
    return CrewWaits(begin=begin, offsets_hours=np.array(settings.offsets_hours), hours=hours)


def _probe_run(
    model: CrewModel, backlog: Mapping[Urgency, int], begin: float, settings: TableSettings, rng: np.random.Generator
) -> Floats:
    """Waits of one run: (urgencies, offsets, probes)."""
    moments = begin + _probe_offsets(settings, rng)
    run = CrewRun(model, begin, backlog, rng)
    last = float(moments.max()) + 1.0
    run.run_until(last)
    starts = _starts(run, moments)
    while np.isinf(starts).any() and last < begin + WEEK_HOURS + settings.patience_hours:
        last += WEEK_HOURS / 4
        run.run_until(last)
        starts = _starts(run, moments)
    waits = np.empty_like(starts)
    for urgency in Urgency:
        clock = model.clock_for(urgency)
        started = np.minimum(starts[urgency.rank], last)
        waits[urgency.rank] = clock.worked(started) - clock.worked(moments.ravel())
    return np.maximum(waits, 0.0).reshape(len(Urgency), *moments.shape)


def _probe_offsets(settings: TableSettings, rng: np.random.Generator) -> Floats:
    """Times after the beginning (offsets, probes): spread around each offset, up to halfway to its neighbours."""
    offsets = np.array(settings.offsets_hours)
    gaps = np.diff(offsets, prepend=offsets[0], append=offsets[-1] + 1.0)
    width = np.minimum(gaps[:-1], gaps[1:])[:, None]
    shape = (offsets.size, settings.probes)
    places = (np.arange(settings.probes) + rng.random(shape)) / settings.probes
    return np.maximum(offsets[:, None] + width * (places - 0.5), INSTANT_HOURS)


def _starts(run: CrewRun, moments: Floats) -> Floats:
    """When a job of no length, reported at each moment, would have begun: (urgencies, moments); inf for not yet.

    Such a job delays nobody, so that one run serves all moments and urgencies: it begins as soon as a technician
    is ready for it, or takes up a job that would have come after it.
    """
    probes = moments.ravel()
    dispatched = np.array([one.at for one in run.dispatches])
    ranks = np.array([one.rank for one in run.dispatches])
    asked = np.array([one.asked_at for one in run.dispatches])
    changes = np.array([at for at, _ in run.readiness])
    ready = np.array([state for _, state in run.readiness])
    ends = np.append(changes[1:], run.env.now)
    later = dispatched[None, :] >= probes[:, None]
    asked_later = asked[None, :] > probes[:, None]
    starts = np.empty((len(Urgency), probes.size))
    for urgency in Urgency:
        rank = RANKS[urgency]
        overtaken = later & ((ranks > rank)[None, :] | ((ranks == rank)[None, :] & asked_later))
        opened = ready >= (Readiness.EMERGENCY if urgency is Urgency.EMERGENCY else Readiness.ANYTHING)
        starts[urgency.rank] = np.minimum(
            _first_true(overtaken, dispatched), _first_opening(changes[opened], ends[opened], probes)
        )
    return starts


def _first_true(matrix: np.ndarray[tuple[int, int], np.dtype[np.bool_]], times: Floats) -> Floats:
    if times.size == 0:
        return np.full(matrix.shape[0], np.inf)
    first = np.argmax(matrix, axis=1)
    return np.where(matrix[np.arange(matrix.shape[0]), first], times[first], np.inf)


def _first_opening(begins: Floats, ends: Floats, probes: Floats) -> Floats:
    index = np.searchsorted(ends, probes, side="left")
    return np.maximum(np.append(begins, np.inf)[index], probes)


@dataclass
class WaitingTimes:
    """Keeps the tables up to date with the backlog; a crew whose backlog did not change keeps its waits.

    `refresh` may run in a background thread: readers see the old tables until the new ones are whole.
    """

    rules: RuleBook
    zone: tzinfo
    settings: TableSettings = field(default_factory=TableSettings)
    max_age_hours: float = 12.0
    """Waits are a forecast from the moment of their computation; older ones are computed anew."""

    def __post_init__(self) -> None:
        self._models = crew_models(self.rules)
        missing = {entry.template.crew for entry in self.rules.options} | {Crew.OFFICE}
        if absent := sorted(missing - set(self._models)):
            raise ArtefactRefused(
                f"No document describes the crew {', '.join(absent)}; add it to a workforce document."
            )
        self._lock = threading.Lock()
        self._waits: dict[Crew, CrewWaits] = {}
        self._made: dict[Crew, tuple[datetime, dict[Urgency, int]]] = {}
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
        """Compute the waits of each crew whose backlog changed or whose waits are old; about 0.1 s for a crew."""
        with self._lock:
            begin = week_hour(at, self.zone)
            for crew, model in self._models.items():
                backlog = backlog_of(workload, crew)
                if not self._fresh(crew, backlog, at):
                    self._waits[crew] = crew_waits(model, backlog, begin, self.settings, seed)
                    self._made[crew] = (at, backlog)
            if self._tables is None or any(self._tables.waits[crew] is not self._waits[crew] for crew in self._waits):
                self._tables = tables_of(self._waits)
            return self._tables

    def what_if(self, workload: Workload, crews: frozenset[Crew], at: datetime, seed: int) -> WaitingTables:
        """Tables in which these crews have another backlog; nothing is kept."""
        begin = week_hour(at, self.zone)
        changed = {
            crew: crew_waits(self._models[crew], backlog_of(workload, crew), begin, self.settings, seed)
            for crew in sorted(crews)
        }
        return tables_of({**self.tables.waits, **changed})

    def _fresh(self, crew: Crew, backlog: dict[Urgency, int], at: datetime) -> bool:
        if crew not in self._made:
            return False
        made_at, made_for = self._made[crew]
        age_hours = (at - made_at).total_seconds() / 3600
        return made_for == backlog and abs(age_hours) <= self.max_age_hours


def backlog_of(workload: Workload, crew: Crew) -> dict[Urgency, int]:
    """Open jobs of a crew by urgency, without the urgencies that have none."""
    return {urgency: number for urgency, number in workload.open_by_crew.get(crew, {}).items() if number > 0}
