"""Routes for one resident's data as a whole: have all of it, or have it erased."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from deployments.request_management.api.context import Caller, Reply, Service, send
from deployments.request_management.api.problems import documented
from deployments.request_management.erasure_intent import Erasure, ErasureOrder
from deployments.request_management.resident_data import ResidentData, file_name

router = APIRouter(tags=["residents"], responses=documented(401, 403, 404, 413, 422, 429, 500, 503))
WhoseData = Annotated[str, Path(max_length=100)]


@router.get(
    "/residents/{resident_id}/export",
    response_class=StreamingResponse,
    responses={200: {"model": ResidentData, "description": "Everything that is held about the resident"}},
)
async def export_resident(resident_id: WhoseData, request: Request, service: Service, caller: Caller) -> Response:
    """Everything that is held about a resident, for themself or a manager of their building."""
    base_url = str(request.base_url).rstrip("/") + "/api/v1"
    document = await service.resident_data.open(caller, resident_id, base_url)
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name(service.clock())}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(document, media_type="application/json", headers=headers)


@router.delete(
    "/residents/{resident_id}",
    response_model=Erasure,
    responses={202: {"model": Erasure, "description": "Begun; it goes on by itself"}} | documented(409),
)
async def erase_resident(
    resident_id: WhoseData,
    order: ErasureOrder,
    service: Service,
    caller: Caller,
    dry_run: Annotated[bool, Query()] = False,
) -> Response:
    """Erase a resident's data for good, or with `dry_run=true` say what that would come to."""
    if dry_run:
        return send(Reply(await service.erasures.plan(caller, resident_id)))
    made = await service.erasures.erase(caller, resident_id, order.reason)
    return send(Reply(made, 202 if made.status == "in_progress" else 200))
