"""Routes of what-if runs: start one, follow it, cancel it."""

from fastapi import APIRouter, Response

from core.what_if import WhatIfRun
from core.what_if_figures import ChangeableFigures
from deployments.request_management.api.context import Caller, OnceOnly, Reply, Service, send
from deployments.request_management.api.problems import documented
from deployments.request_management.what_if import WhatIfQuestion, WhatIfRunList, new_run_id

router = APIRouter(tags=["what-if"], responses=documented(401, 403, 413, 422, 429, 500, 503))


@router.post("/what-if", response_model=WhatIfRun, status_code=202, responses=documented(409))
async def start_what_if(question: WhatIfQuestion, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Replay the backlog, a past period or usual arrivals under changed staff, shifts, vendors, weights or policy."""

    async def work(run_id: str) -> Reply:
        run = await service.what_if.start(caller, question, run_id)
        return Reply(run, 202, {"Location": f"/api/v1/what-if/{run.run_id}"})

    return await once(new_run_id(service.clock()), work)


@router.get("/what-if", response_model=WhatIfRunList)
async def list_what_ifs(service: Service, caller: Caller) -> Response:
    """The runs that are remembered, newest first."""
    return send(Reply(WhatIfRunList(items=await service.what_if.newest(caller))))


@router.get("/what-if/figures", response_model=ChangeableFigures)
async def list_changeable_figures(service: Service, caller: Caller) -> Response:
    """The figures that are usually changed, as they stand in the rules in force, with a sensible range of each."""
    return send(Reply(await service.what_if.figures(caller)))


@router.get("/what-if/{run_id}", response_model=WhatIfRun, responses=documented(404))
async def get_what_if(run_id: str, service: Service, caller: Caller) -> Response:
    """How a run stands, and what came of it; `result.chart` is a Vega-Lite specification for a page to draw."""
    return send(Reply(await service.what_if.get(caller, run_id)))


@router.post("/what-if/{run_id}/cancel", response_model=WhatIfRun, responses=documented(404, 409))
async def cancel_what_if(run_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """End a run that waits or runs."""

    async def work(_: str) -> Reply:
        return Reply(await service.what_if.cancel(caller, run_id))

    return await once(run_id, work)
