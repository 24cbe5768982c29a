"""A run of one crew or vendor on given jobs that also tells when each was taken on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import simpy
from simpy.resources.resource import PriorityRequest

from deployments.decision_simulation.simulation import NO_BACKLOG, ReportedJob, ServerRun, Steps
from deployments.decision_simulation.triangular import Floats
from deployments.decision_simulation.workforce import ServerModel


@dataclass(frozen=True)
class Served:
    """When each job of one server was taken on and done, in hours since the run's Monday 00:00; both (jobs,)."""

    begun: Floats
    done: Floats


def serve(model: ServerModel, begin: float, jobs: Sequence[ReportedJob]) -> Served:
    """Run the server from `begin` on these jobs alone until all are done; nothing is drawn."""
    run = _NotingRun(model, begin, len(jobs))
    return Served(begun=run.begun, done=run.complete_all(jobs)) if jobs else Served(run.begun, run.begun)


class _NotingRun(ServerRun):
    """Notes the first dispatch of each job."""

    def __init__(self, model: ServerModel, begin: float, jobs: int) -> None:
        # The generator is never asked: there is neither a backlog to draw nor an arrival.
        super().__init__(model, begin, NO_BACKLOG, np.random.default_rng(0), arrivals=False)
        self.begun: Floats = np.full(jobs, np.inf)
        self._places: dict[simpy.Process, int] = {}

    def _note_done(self, place: int, job: ReportedJob, done: Floats) -> Steps:
        if self.env.active_process is not None:
            self._places[self.env.active_process] = place
        yield from super()._note_done(place, job, done)

    def _note_dispatch(self, turn: PriorityRequest) -> None:
        super()._note_dispatch(turn)
        process = self.env.active_process
        if process is not None and (place := self._places.get(process)) is not None:
            self.begun[place] = min(self.begun[place], self.env.now)
