"""Which runs there are and how far each has come: a bounded memory without any input or output."""

from collections.abc import Callable
from datetime import datetime

from core.errors import NotFound, Overloaded, WrongState
from core.what_if import Comparison, RunStatus, WhatIfOrder, WhatIfRun

MOST_ACTIVE = 4
MOST_REMEMBERED = 100


class TooManyRuns(Overloaded):
    """As many runs as are allowed wait or run already."""

    code = "too_many_runs"
    retry_after_s = 30


class RunRegistry:
    """Runs by id. An ended run stays as it ended: what is told of it later changes nothing."""

    def __init__(
        self, clock: Callable[[], datetime], active: int = MOST_ACTIVE, remembered: int = MOST_REMEMBERED
    ) -> None:
        self._clock, self._active, self._remembered = clock, active, remembered
        self._runs: dict[str, WhatIfRun] = {}

    def add(self, run_id: str, order: WhatIfOrder) -> tuple[WhatIfRun, bool]:
        """The run of this id, and whether it is new; the oldest ended ones are forgotten. Raises `TooManyRuns`."""
        if run_id in self._runs:
            return self._runs[run_id], False
        if sum(not run.status.ended for run in self._runs.values()) >= self._active:
            raise TooManyRuns(f"{self._active} runs wait or run already; come back later or cancel one.")
        self._runs[run_id] = WhatIfRun(
            run_id=run_id,
            status=RunStatus.QUEUED,
            requested_by=order.requested_by,
            created_at=self._clock(),
            scenario=order.scenario,
            source=order.work.source,
        )
        ended = [name for name, run in self._runs.items() if run.status.ended]
        for name in ended[: max(0, len(self._runs) - self._remembered)]:
            del self._runs[name]
        return self._runs[run_id], True

    def get(self, run_id: str) -> WhatIfRun:
        """The run. Raises `NotFound`."""
        if run_id not in self._runs:
            raise NotFound("There is no such run, or it is too long ago.")
        return self._runs[run_id]

    def newest(self) -> tuple[WhatIfRun, ...]:
        """All runs, newest first, without their results."""
        return tuple(run.model_copy(update={"result": None}) for run in reversed(self._runs.values()))

    def tell(self, run_id: str, share: float) -> None:
        """It runs, and so much of it is done; what was told before is never taken back."""
        run = self._runs.get(run_id)
        if run is not None:
            self._change(run_id, status=RunStatus.RUNNING, progress=min(1.0, max(run.progress, share)))

    def succeed(self, run_id: str, result: Comparison) -> None:
        """It is done."""
        self._end(run_id, RunStatus.SUCCEEDED, progress=1.0, result=result)

    def fail(self, run_id: str, error: str) -> None:
        """It broke off; the sentence may be shown."""
        self._end(run_id, RunStatus.FAILED, error=error)

    def cancel(self, run_id: str) -> WhatIfRun:
        """The run, cancelled, now or before. Raises `NotFound`, and `WrongState` where it ended otherwise."""
        run = self.get(run_id)
        if run.status.ended and run.status is not RunStatus.CANCELLED:
            raise WrongState(f"The run has ended; it {run.status.lower()}.")
        self._end(run_id, RunStatus.CANCELLED)
        return self.get(run_id)

    def _end(self, run_id: str, status: RunStatus, **changes: object) -> None:
        self._change(run_id, status=status, ended_at=self._clock(), **changes)

    def _change(self, run_id: str, **changes: object) -> None:
        run = self._runs.get(run_id)
        if run is not None and not run.status.ended:
            self._runs[run_id] = run.model_copy(update=changes)
