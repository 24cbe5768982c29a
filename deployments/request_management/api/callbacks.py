"""The route by which outside systems tell of the end of their work; the signature says who calls."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from core.contract import Contract
from deployments.request_management.api.context import Reply, Service, send
from deployments.request_management.api.problems import documented

router = APIRouter(tags=["operations"], responses=documented(401, 404, 413, 422, 429, 500, 503))


class CallbackReceipt(Contract):
    """What became of a callback."""

    taken: bool
    """False for one that was taken before, and for one that tells of no end."""


@router.post("/callbacks/{system}", response_model=CallbackReceipt)
async def take_callback(
    system: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,40}$")], request: Request, service: Service
) -> Response:
    """Take an outside system's signed word (Standard Webhooks) that some work has ended."""
    taken = await service.executions.take_callback(system, dict(request.headers), await request.body())
    return send(Reply(CallbackReceipt(taken=taken)))
