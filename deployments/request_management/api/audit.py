"""The route of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from deployments.request_management.api.context import Caller, Cursor, Limit, Reply, Service, send
from deployments.request_management.api.problems import documented
from deployments.request_management.audit import AuditList

router = APIRouter(tags=["audit"], responses=documented(401, 403, 413, 422, 429, 500, 503))


@router.get("/audit", response_model=AuditList, responses=documented(404))
async def list_audit_entries(
    service: Service,
    caller: Caller,
    chain: Annotated[str | None, Query(max_length=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Who did what to one building's requests, newest first; without `chain` what belongs to no building."""
    return send(Reply(await service.audit.entries(caller, chain, limit, cursor)))
