"""The route that says how the four services are."""

from fastapi import APIRouter, Response

from core.service_status import ServicesReport
from deployments.request_management.api.context import Caller, Reply, Service, send
from deployments.request_management.api.problems import documented

router = APIRouter(tags=["operations"], responses=documented(401, 403, 413, 422, 429, 500, 503))


@router.get("/operations/services", response_model=ServicesReport)
async def list_services(service: Service, caller: Caller) -> Response:
    """Health, replicas, waiting work and versions of the four services; what does not answer is null."""
    return send(Reply(await service.services.report(caller)))
