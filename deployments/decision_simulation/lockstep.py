"""The queue of one crew or vendor for thousands of replications at once: all of them take their next step together.

It follows the same order of work as the SimPy model, on the server's duty clock, where shifts do not interrupt: jobs
by urgency and then by report, nothing interrupted but for emergencies, whose victims are resumed next. So a table of
waits takes milliseconds for what full runs take minutes; the tests hold the two together.
"""

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.errors import Invalid
from core.labels import Urgency
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import ServerModel

Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

IN_TURN = (Urgency.HIGH, Urgency.MEDIUM, Urgency.LOW)
"""What waits its turn, first served first."""
RESUMED = -1
"""The class of an interrupted job; those of `IN_TURN` follow it."""
JOBS_PER_DRAW = 16
STEPS_PER_COMPACTION = 8
_PER_CLASS = 1e9


class Arrivals:
    """Jobs of one urgency in the order of their report, for every replication: the backlog, then usual ones.

    Columns are drawn in chunks from generators of their own, so that the n-th usual job of a replication is the same
    whatever the backlog, and whichever replications are still of interest.
    """

    def __init__(
        self, model: ServerModel, urgency: Urgency, backlog: int, begin: float, replications: int, seed: int
    ) -> None:
        self._model = model
        self._seed = (seed, zlib.crc32(model.key.encode()), urgency.rank)
        self._rate = model.jobs_per_hour.get(urgency, 0.0)
        self._replications = replications
        self._chunks = 0
        waiting = np.random.default_rng((*self._seed, 0))
        columns = [model.busy_hours(waiting, replications) for _ in range(backlog)]
        self.reported = np.full((replications, backlog), begin)
        self.busy = np.stack(columns, axis=1) if columns else np.empty((replications, 0))
        self._last = np.full(replications, begin)
        self._rows = np.arange(replications)
        self.extend()

    def extend(self) -> None:
        """Draw further jobs; one that never comes where none are usual."""
        self._chunks += 1
        if self._rate <= 0:
            reported, busy = np.full((self._rows.size, 1), np.inf), np.zeros((self._rows.size, 1))
        else:
            rng = np.random.default_rng((*self._seed, self._chunks))
            shape = (self._replications, JOBS_PER_DRAW)
            gaps = rng.exponential(1.0 / self._rate, shape)[self._rows]
            busy = self._model.busy_hours(rng, shape[0] * shape[1]).reshape(shape)[self._rows]
            reported = self._last[:, None] + np.cumsum(gaps, axis=1)
            self._last = reported[:, -1]
        self.reported = np.concatenate([self.reported, reported], axis=1)
        self.busy = np.concatenate([self.busy, busy], axis=1)

    def keep(self, rows: Ints) -> None:
        """Go on with these replications only."""
        self._rows, self._last = self._rows[rows], self._last[rows]
        self.reported, self.busy = self.reported[rows], self.busy[rows]


class Emergencies:
    """When emergencies take a technician and for how long: they wait for each other only."""

    def __init__(self, model: ServerModel, backlog: int, begin: float, replications: int, seed: int) -> None:
        self._arrivals = Arrivals(model, Urgency.EMERGENCY, backlog, begin, replications, seed)
        self._model = model
        self._clock = model.clock_for(Urgency.EMERGENCY)
        self._free = np.full((replications, model.technicians), self._clock.worked(np.array([begin]))[0])
        self.begins = np.empty((replications, 0))
        """On the clock for what waits its turn (replications, emergencies)."""
        self.lengths = np.empty((replications, 0))
        self._states: list[Floats] = []
        self._serve()

    def waits(self, moments: Floats) -> Floats:
        """How long an emergency reported at each moment (m,) waits: (replications, m); before any `keep`."""
        while (self._arrivals.reported[:, -1] < moments[-1]).any():
            self.extend()
        before = (self._arrivals.reported[:, None, :] <= moments[:, None]).sum(axis=2)
        states = np.stack([*self._states, self._free], axis=1)
        free = np.take_along_axis(states, before[:, :, None], axis=1)
        on_clock = np.broadcast_to(self._clock.worked(moments), before.shape)
        return self._ready(free, on_clock).min(axis=2) - on_clock

    def extend(self) -> None:
        """Draw and serve further emergencies."""
        self._arrivals.extend()
        self._serve()

    def keep(self, rows: Ints) -> None:
        """Go on with these replications only."""
        self._arrivals.keep(rows)
        self._free, self._states = self._free[rows], []
        self.begins, self.lengths = self.begins[rows], self.lengths[rows]

    def _serve(self) -> None:
        served = self.begins.shape[1]
        asked = self._clock.worked(self._arrivals.reported[:, served:])
        begins = np.empty_like(asked)
        rows = np.arange(len(asked))
        for column in range(asked.shape[1]):
            self._states.append(self._free)
            ready = self._ready(self._free[:, None, :], asked[:, column : column + 1])[:, 0]
            first = ready.argmin(axis=1)
            begins[:, column] = ready[rows, first]
            self._free = self._free.copy()
            self._free[rows, first] = begins[:, column] + self._arrivals.busy[:, served + column]
        ends = begins + self._arrivals.busy[:, served:]
        if self._clock is not self._model.clock:
            begins, ends = _worked(self._model, begins), _worked(self._model, ends)
        lengths = np.subtract(ends, begins, out=np.zeros_like(begins), where=np.isfinite(begins))
        self.begins = np.concatenate([self.begins, begins], axis=1)
        self.lengths = np.concatenate([self.lengths, lengths], axis=1)

    def _ready(self, free: Floats, asked: Floats) -> Floats:
        """When each technician could begin: free (n, m, technicians) and asked (n, m), on the emergencies' clock.

        Outside the shift only the first of a crew on call is there.
        """
        ready = np.maximum(free, asked[:, :, None])
        if self._clock is not self._model.clock and not self._model.clock.always:
            others, clock = ready[:, :, 1:], self._model.clock
            finite = np.isfinite(others)
            others[finite] = clock.begin_after(clock.worked(others[finite]))
        return ready


class Queue:
    """What waits its turn, in all replications, from `begin` (hours since Monday 00:00) on.

    `moments` (m,) are those at which the wait is asked for, ascending and not before `begin`.
    """

    def __init__(
        self,
        model: ServerModel,
        backlog: Mapping[Urgency, int],
        begin: float,
        moments: Floats,
        replications: int,
        seed: int,
    ) -> None:
        if model.warm_up_hours > 0 and backlog:
            raise Invalid(f"{model.key} works for others too; its queue is forecast, and no backlog can be stated.")
        begin -= model.warm_up_hours
        self._streams = [Arrivals(model, each, backlog.get(each, 0), begin, replications, seed) for each in IN_TURN]
        self._emergencies = Emergencies(model, backlog.get(Urgency.EMERGENCY, 0), begin, replications, seed)
        self._model = model
        start = float(model.clock.worked(np.array([begin]))[0])
        self._free = np.full((replications, model.technicians), start)
        self._holders = np.full((replications, model.technicians), -np.inf)
        """Who loses a technician to an emergency: the highest of these numbers."""
        self._left = np.zeros((replications, model.technicians))
        """What interrupted jobs still need."""
        self._next = np.zeros((replications, len(IN_TURN)), dtype=np.intp)
        self._next_emergency = np.zeros(replications, dtype=np.intp)
        self._asked = np.repeat(moments, len(IN_TURN))
        self._asked_worked = model.clock.worked(self._asked)
        self._class = np.tile(np.arange(len(IN_TURN)), moments.size)
        self._begins = np.full((replications, self._asked.size), np.inf)
        self._open = 0
        """From this one on, jobs of no length have not begun in every replication."""
        self._rows = np.arange(replications)
        self.emergency_waits = self._emergencies.waits(moments)
        """Of an emergency reported at each moment (replications, moments)."""

    def waits(self, patience: float) -> Floats:
        """Duty hours that a job of no length waits: (replications, moments, urgencies of `IN_TURN`).

        Such a job delays nobody, so that one queue serves all moments and urgencies. A wait ends at `patience` duty
        hours after the beginning.
        """
        waited = np.empty_like(self._begins)
        last, steps = float(self._free.min()) + patience, 0
        while self._rows.size:
            self._step()
            steps += 1
            if steps % STEPS_PER_COMPACTION == 0:
                self._settle(waited, last)
        return waited.reshape(waited.shape[0], -1, len(IN_TURN))

    def _settle(self, waited: Floats, last: float) -> None:
        """Write down and leave out the replications of which everything is known."""
        begun = np.isfinite(self._begins)
        self._open = int(begun.all(axis=0).argmin())
        done = begun.all(axis=1) | (self._free.min(axis=1) >= last)
        if not done.any():
            return
        begins = np.minimum(self._begins[done], last)
        waited[self._rows[done]] = np.maximum(begins - self._asked_worked, 0.0)
        self._keep(np.flatnonzero(~done))

    def _keep(self, rows: Ints) -> None:
        for each in (*self._streams, self._emergencies):
            each.keep(rows)
        self._free, self._holders, self._left = self._free[rows], self._holders[rows], self._left[rows]
        self._next, self._next_emergency = self._next[rows], self._next_emergency[rows]
        self._begins, self._rows = self._begins[rows], self._rows[rows]

    def _step(self) -> None:
        """The next thing that happens in each replication: an emergency, or a technician begins a job."""
        rows: Ints = np.arange(self._rows.size)
        reported, busy = self._heads(rows)
        on_clock = _worked(self._model, reported)
        emergency_at, emergency_hours = self._next_emergencies(rows)
        server = self._free.argmin(axis=1)
        free = self._free[rows, server]
        resumed: Bools = np.any(self._left > 0, axis=1)
        begin = np.where(resumed, free, np.maximum(free, on_clock.min(axis=1)))
        chosen: Ints = (on_clock <= begin[:, None]).argmax(axis=1)
        holder: Ints = np.where(resumed, RESUMED, chosen)
        called: Bools = emergency_at <= begin
        self._note_begins(free, begin, np.minimum(begin, emergency_at), holder, reported[rows, chosen], called)
        slot = (self._left > 0).argmax(axis=1)
        hours = np.where(resumed, self._left[rows, slot], busy[rows, chosen])
        served = np.flatnonzero(~called & np.isfinite(begin))
        self._free[served, server[served]] = begin[served] + hours[served]
        self._holders[served, server[served]] = holder[served] * _PER_CLASS + begin[served]
        again = served[resumed[served]]
        self._left[again, slot[again]] = 0.0
        fresh = served[~resumed[served]]
        self._next[fresh, chosen[fresh]] += 1
        self._free[rows[np.isinf(np.minimum(begin, emergency_at))]] = np.inf
        self._call(np.flatnonzero(called & np.isfinite(emergency_at)), emergency_at, emergency_hours)

    def _note_begins(
        self, free: Floats, begin: Floats, happens: Floats, holder: Ints, reported: Floats, called: Bools
    ) -> None:
        """Which of the jobs of no length begin in this step: a technician is idle, or takes what comes after them."""
        due = int(np.count_nonzero(self._asked_worked <= happens.max()))
        window = slice(self._open, due)
        asked, classes, begins = self._asked_worked[window], self._class[window], self._begins[:, window]
        could = np.maximum(free[:, None], asked)
        idle: Bools = could < happens[:, None]
        same = np.equal(holder[:, None], classes) & (reported[:, None] <= self._asked[window])
        ahead = np.less(holder[:, None], classes) | same
        turn: Bools = (asked <= begin[:, None]) & ~called[:, None] & ~ahead
        np.copyto(begins, could, where=(idle | turn) & np.isinf(begins))

    def _call(self, rows: Ints, at: Floats, hours: Floats) -> None:
        """An emergency takes an idle technician, else the one of the least and latest job, which waits to go on."""
        if not rows.size:
            return
        at, hours = at[rows], hours[rows]
        idle: Ints = self._free[rows].argmin(axis=1)
        victim: Ints = self._holders[rows].argmax(axis=1)
        interrupts = (self._free[rows, idle] > at) & np.isfinite(self._holders[rows, victim])
        server: Ints = np.where(interrupts, victim, idle)
        slot = self._left[rows].argmin(axis=1)
        cut = np.flatnonzero(interrupts)
        self._left[rows[cut], slot[cut]] = self._free[rows[cut], server[cut]] - at[cut]
        self._free[rows, server] = np.where(interrupts, at, np.maximum(at, self._free[rows, idle])) + hours
        self._holders[rows, server] = -np.inf
        self._next_emergency[rows] += 1

    def _heads(self, rows: Ints) -> tuple[Floats, Floats]:
        """Report and length of the next job of each urgency: two arrays (replications, urgencies)."""
        reported = np.empty((rows.size, len(IN_TURN)))
        busy = np.empty_like(reported)
        for index, stream in enumerate(self._streams):
            place = self._next[:, index]
            while place.max() >= stream.busy.shape[1]:
                stream.extend()
            reported[:, index], busy[:, index] = stream.reported[rows, place], stream.busy[rows, place]
        return reported, busy

    def _next_emergencies(self, rows: Ints) -> tuple[Floats, Floats]:
        while self._next_emergency.max() >= self._emergencies.begins.shape[1]:
            self._emergencies.extend()
        place = self._next_emergency
        return self._emergencies.begins[rows, place], self._emergencies.lengths[rows, place]


def _worked(model: ServerModel, hours: Floats) -> Floats:
    """As the clock's, where an hour may be infinite."""
    if model.clock.always:
        return hours
    finite = np.isfinite(hours)
    worked = np.full_like(hours, np.inf)
    worked[finite] = model.clock.worked(hours[finite])
    return worked
