"""What a route needs of its call: the service, the caller, and the conventions of the contract's headers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from core.correlation import detached_context
from core.identity import Principal
from core.ports.store import StoredAnswer
from core.request import Request as ResidentRequest
from deployments.request_management.api.authentication import authenticate
from deployments.request_management.api.correlation import correlation_id
from deployments.request_management.idempotency import MAX_KEY_CHARACTERS
from deployments.request_management.service import RequestManagementService

_bearer = HTTPBearer(auto_error=False, description="A JWT with the claims sub and role.")


# Dependencies are coroutines, although none waits: FastAPI runs plain functions in a thread, which costs more.
async def service_of(request: Request) -> RequestManagementService:
    """The service behind this application."""
    return request.app.state.service()


Service = Annotated[RequestManagementService, Depends(service_of)]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def principal_of(request: Request, credentials: Credentials) -> Principal:
    """Who calls; `credentials` are for the documentation. Raises `Unauthenticated`."""
    return await authenticate(request)


Caller = Annotated[Principal, Depends(principal_of)]


async def correlation_of(request: Request) -> str:
    """The correlation id of this call."""
    return correlation_id(request)


Correlation = Annotated[str, Depends(correlation_of)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1000)]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", pattern="^[!-~]([ -~]*[!-~])?$", max_length=MAX_KEY_CHARACTERS)
]


@dataclass(frozen=True)
class Reply:
    """A successful answer before it is sent."""

    model: BaseModel
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def stored(self) -> StoredAnswer:
        """As it is kept for an idempotency key."""
        return StoredAnswer(self.status, self.headers, self.model.model_dump_json().encode())


def send(reply: Reply) -> Response:
    """The reply as a response."""
    return _response(reply.stored())


def of_request(request: ResidentRequest, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A request with its version as the entity tag."""
    return Reply(request, status, {"ETag": f'"{request.version}"', **(headers or {})})


class Once:
    """Answers a POST once for each idempotency key of its caller."""

    def __init__(self, request: Request, service: RequestManagementService, caller: Principal, key: str | None) -> None:
        self._request = request
        self._service = service
        self._caller = caller
        self._key = key

    async def __call__(self, resource_id: str, work: Callable[[str], Awaitable[Reply]]) -> Response:
        """Send `work(resource_id)`, or the first answer to the same key. The work goes on though the client leaves."""
        if self._key is None:
            return send(await _to_the_end(work(resource_id)))

        async def stored(identifier: str) -> StoredAnswer:
            return (await work(identifier)).stored()

        request, key = self._request, self._key
        call = b"\0".join([request.method.encode(), request.url.path.encode(), await request.body()])
        replay = await _to_the_end(self._service.idempotency.run(self._caller, key, call, resource_id, stored))
        response = _response(replay.answer)
        if replay.replayed:
            response.headers["Idempotency-Replayed"] = "true"
        return response


async def once_of(request: Request, service: Service, caller: Caller, idempotency_key: IdempotencyKey = None) -> Once:
    """How this call is answered once."""
    return Once(request, service, caller, idempotency_key)


OnceOnly = Annotated[Once, Depends(once_of)]
T = TypeVar("T")


async def _to_the_end(work: Awaitable[T]) -> T:
    async def run() -> T:
        return await work

    return await asyncio.shield(asyncio.get_running_loop().create_task(run(), context=detached_context()))


def _response(answer: StoredAnswer) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers), media_type="application/json")


_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?", re.IGNORECASE)


def preferred_wait_s(prefer: str | None) -> float:
    """The seconds of `Prefer: wait=N`, 10 by default and at most 30."""
    found = _WAIT.search(prefer or "")
    return float(min(30, int(found.group(1)))) if found else 10.0


_TAG = re.compile(r'(?:W/)?"?(\d{1,18})"?')


def expected_version(if_match: str | None) -> int | None:
    """The version of `If-Match`; None where any will do, 0 (which none has) for a tag that is not ours."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    return int(found.group(1)) if found else 0
