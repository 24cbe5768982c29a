"""One correction of many requests: each by itself, so that one that can't be made holds up no other."""

import asyncio
import logging
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from core.contract import WHOLE, Contract
from core.errors import AppError
from core.identity import Principal
from core.labels import Category, Status, Urgency
from deployments.request_management.requests import Requests
from deployments.request_management.schemas import Amendment, Comment, Identifier

log = logging.getLogger(__name__)

MOST_REQUESTS = 100
AT_ONCE = 8


class BulkAmendment(Contract):
    """`POST /requests/bulk`."""

    request_ids: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=MOST_REQUESTS)]
    """The same one twice counts once."""
    versions: dict[Identifier, Annotated[int, Field(ge=1), WHOLE]] = Field(
        default_factory=dict[Identifier, Annotated[int, Field(ge=1), WHOLE]], max_length=MOST_REQUESTS
    )
    """The versions that the caller has seen, by request; one that has changed since is left as it is."""
    status: Status | None = None
    category: Category | None = None
    urgency: Urgency | None = None
    comment: Comment | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(value is None for value in (self.status, self.category, self.urgency, self.comment)):
            raise ValueError("give at least one of status, comment, category and urgency")
        return self

    @property
    def amendment(self) -> Amendment:
        """What is done to each."""
        fields = {"status": self.status, "category": self.category, "urgency": self.urgency, "comment": self.comment}
        return Amendment.model_validate({name: value for name, value in fields.items() if value is not None})


class BulkProblem(Contract):
    """Why one request was left as it is, in the terms of the same call for it alone."""

    title: str
    status: int
    detail: str
    code: str
    members: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further members of the problem, such as the legal statuses."""


class BulkResult(Contract):
    """What came of one request."""

    request_id: str
    ok: bool
    version: int | None = None
    """After the change."""
    problem: BulkProblem | None = None


class BulkAnswer(Contract):
    """One result for each request, in the order of the call."""

    results: tuple[BulkResult, ...]
    changed: int
    failed: int


async def amend_each(requests: Requests, principal: Principal, order: BulkAmendment) -> BulkAnswer:
    """Make the correction on each request that the caller may correct and whose status allows it."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(request_id: str) -> BulkResult:
        async with room:
            return await _amend_one(requests, principal, request_id, order)

    results = tuple(await asyncio.gather(*map(one, dict.fromkeys(order.request_ids))))
    changed = sum(result.ok for result in results)
    return BulkAnswer(results=results, changed=changed, failed=len(results) - changed)


async def _amend_one(requests: Requests, principal: Principal, request_id: str, order: BulkAmendment) -> BulkResult:
    try:
        changed = await requests.amend(principal, request_id, order.amendment, order.versions.get(request_id))
    except AppError as error:
        detail = error.detail if error.status < 500 else "Something that this needs does not answer now."
        problem = BulkProblem(
            title=error.title, status=error.status, detail=detail, code=error.code, members=error.members()
        )
        return BulkResult(request_id=request_id, ok=False, problem=problem)
    except Exception:
        log.exception("request %s was not corrected with the others", request_id)
        problem = BulkProblem(title=AppError.title, status=500, detail="Something went wrong.", code=AppError.code)
        return BulkResult(request_id=request_id, ok=False, problem=problem)
    return BulkResult(request_id=request_id, ok=True, version=changed.version)
