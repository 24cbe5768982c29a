"""The public health route."""

from fastapi import APIRouter, Response

from deployments.request_management.api.context import Reply, Service, send
from deployments.request_management.api.problems import documented
from deployments.request_management.schemas import Health

router = APIRouter(tags=["health"])


@router.get(
    "/health",
    response_model=Health,
    responses={503: {"model": Health, "description": "A service does not answer"}} | documented(429, 500),
)
async def get_health(service: Service) -> Response:
    """How the four services are; 503 where one that every request needs does not answer."""
    health = await service.health()
    return send(Reply(health, 503 if health.status == "unhealthy" else 200))
