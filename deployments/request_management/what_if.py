"""What-if runs as staff and managers ask for them: the body of the question, who may see what, and the runs' lives."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StrictBool, model_validator

from core.contract import WHOLE, Contract, SentTime
from core.errors import NotFound
from core.identity import Principal
from core.ports.store import RequestStore
from core.what_if import LEAST_REPLICATIONS, MOST_REPLICATIONS, Scenario, WhatIfOrder, WhatIfRun, Work
from core.what_if_figures import ChangeableFigures
from deployments.request_management import access, replayed_work
from deployments.request_management.peers import DecisionSimulation


class Period(Contract):
    """A stretch of the past; `to` is not in it."""

    model_config = ConfigDict(populate_by_name=True)

    begin: SentTime = Field(alias="from")
    end: SentTime = Field(alias="to")


class WhatIfQuestion(Contract):
    """`POST /what-if`: the change, and one of `period`, `backlog` and `synthetic_days`."""

    changes: Scenario
    period: Period | None = None
    backlog: StrictBool = False
    synthetic_days: Annotated[int, Field(ge=1, le=replayed_work.MOST_DAYS), WHOLE] | None = None
    replications: Annotated[int, Field(ge=LEAST_REPLICATIONS, le=MOST_REPLICATIONS), WHOLE] = 100
    seed: Annotated[int, Field(ge=0, lt=2**53), WHOLE] = 0
    """Below what JSON readers tell apart."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if [self.period is not None, self.backlog, self.synthetic_days is not None].count(True) != 1:
            raise ValueError("give exactly one of period, backlog and synthetic_days")
        return self


class WhatIfRunList(Contract):
    """The runs that are remembered, newest first, without their results."""

    items: tuple[WhatIfRun, ...]
    next_cursor: None = None


class WhatIf:
    """Starts runs, and shows them to whoever asked for them and to those who see all buildings."""

    def __init__(self, store: RequestStore, decision: DecisionSimulation, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._decision = decision
        self._clock = clock

    async def start(self, principal: Principal, question: WhatIfQuestion, run_id: str) -> WhatIfRun:
        """Gather the work and begin the run. Raises `Invalid` for a change that is not legal or without work."""
        access.require_role(principal, access.ANALYSTS)
        order = WhatIfOrder(
            scenario=question.changes,
            work=await self._work(principal, question),
            replications=question.replications,
            seed=question.seed,
            requested_by=principal.sub,
            notes=_scope(principal, question),
        )
        return await self._decision.start_what_if(run_id, order)

    async def get(self, principal: Principal, run_id: str) -> WhatIfRun:
        """A run with its result, where there is one. Raises `NotFound`."""
        access.require_role(principal, access.ANALYSTS)
        run = await self._decision.what_if(run_id)
        if not _may_see(principal, run):
            raise NotFound("There is no such run, or it is too long ago.")
        return run

    async def figures(self, principal: Principal) -> ChangeableFigures:
        """What is usually changed, as it stands now."""
        access.require_role(principal, access.ANALYSTS)
        return await self._decision.what_if_figures()

    async def newest(self, principal: Principal) -> tuple[WhatIfRun, ...]:
        """Those that the caller may see."""
        access.require_role(principal, access.ANALYSTS)
        return tuple(run for run in await self._decision.what_ifs() if _may_see(principal, run))

    async def cancel(self, principal: Principal, run_id: str) -> WhatIfRun:
        """End a run. Raises `NotFound`, `WrongState` where it has ended."""
        await self.get(principal, run_id)
        return await self._decision.cancel_what_if(run_id)

    async def _work(self, principal: Principal, question: WhatIfQuestion) -> Work:
        now = self._clock()
        if question.synthetic_days is not None:
            return replayed_work.synthetic(now, question.synthetic_days)
        if question.period is not None:
            period = question.period
            return await replayed_work.past_period(self._store, period.begin, period.end, principal.covers)
        return await replayed_work.backlog(self._store, now, principal.covers)


def new_run_id(now: datetime) -> str:
    """An id for a run."""
    return f"WIF_{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}_{secrets.token_hex(4)}"


def _may_see(principal: Principal, run: WhatIfRun) -> bool:
    return principal.buildings is None or run.requested_by == principal.sub


def _scope(principal: Principal, question: WhatIfQuestion) -> tuple[str, ...]:
    if principal.buildings is None or question.synthetic_days is not None:
        return ()
    return (f"Counted are the requests of {', '.join(sorted(principal.buildings))}; the others' lend their load.",)
