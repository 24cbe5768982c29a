"""Routes for the staff's daily work: many at once, exports, statistics, comments and saved templates."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from core.contract import SentTime
from core.errors import Invalid
from core.labels import Category, Status, Urgency
from core.ports.store import RequestFilter
from core.request import Event
from deployments.request_management import export
from deployments.request_management.api.context import (
    Caller,
    Cursor,
    Limit,
    OnceOnly,
    Reply,
    Service,
    expected_version,
    send,
)
from deployments.request_management.api.problems import documented
from deployments.request_management.bulk import BulkAmendment, BulkAnswer, amend_each
from deployments.request_management.comments import CommentOrder, new_comment_id
from deployments.request_management.outcome_statistics import GroupBy, StatisticsAnswer
from deployments.request_management.templates import Template, TemplateForm, TemplateList, new_template_id

router = APIRouter(tags=["staff"], responses=documented(401, 403, 413, 422, 429, 500, 503))

BuildingId = Annotated[str | None, Query(max_length=100)]
IfMatch = Annotated[str | None, Header()]
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The requests in the order of the list with the same filters; JSON is one array",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Request"}}},
        },
    }
}


@router.post("/requests/bulk", response_model=BulkAnswer, responses=documented(409))
async def amend_in_bulk(order: BulkAmendment, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Correct up to 100 requests alike; each has its own result, and one that fails stops no other."""

    async def work(_: str) -> Reply:
        return Reply(await amend_each(service.requests, caller, order))

    return await once("bulk", work)


@router.get("/requests/export", response_class=Response, responses=_EXPORTED)
async def export_requests(
    service: Service,
    caller: Caller,
    format: Literal["csv", "json"] = "csv",
    since: SentTime | None = None,
    before: SentTime | None = None,
    building_id: BuildingId = None,
    status: Status | None = None,
    category: Category | None = None,
    urgency: Urgency | None = None,
    needs_attention: bool = False,
) -> Response:
    """The requests of the caller's buildings that were made in `[since, before)`, as a stream."""
    _require_period(since, before)
    where = RequestFilter(status, category, urgency, building_id, caller.buildings, needs_attention)
    pages = await export.begun(service.export.pages(caller, where, since, before))
    name = f"requests-{service.clock():%Y%m%dT%H%M%SZ}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    if format == "csv":
        return StreamingResponse(export.as_csv(pages), media_type="text/csv; charset=utf-8", headers=headers)
    return StreamingResponse(export.as_json(pages), media_type="application/json", headers=headers)


@router.get("/statistics", response_model=StatisticsAnswer, responses=documented(404))
async def get_statistics(
    service: Service,
    caller: Caller,
    since: SentTime | None = None,
    before: SentTime | None = None,
    building_id: BuildingId = None,
    group_by: GroupBy | None = None,
) -> Response:
    """How the requests of the caller's buildings went that were made in `[since, before)`; by default 30 days."""
    return send(Reply(await service.statistics.answer(caller, since, before, building_id, group_by)))


@router.post(
    "/requests/{request_id}/comments",
    response_model=Event,
    status_code=201,
    responses=documented(404, 409),
)
async def comment(request_id: str, order: CommentOrder, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Add a comment; staff may keep it among themselves with `internal`, or send a saved template."""

    async def work(comment_id: str) -> Reply:
        return Reply(await service.comments.add(caller, request_id, order, comment_id), 201)

    return await once(new_comment_id(), work)


@router.post("/templates", response_model=Template, status_code=201, responses=documented(409))
async def create_template(form: TemplateForm, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Save a text for comments, for one building or for all."""

    async def work(template_id: str) -> Reply:
        made = await service.templates.create(caller, form, template_id)
        return _of_template(made, 201, {"Location": f"/api/v1/templates/{template_id}"})

    return await once(new_template_id(), work)


@router.get("/templates", response_model=TemplateList)
async def list_templates(service: Service, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The saved texts that the caller may use, oldest first."""
    return send(Reply(await service.templates.list(caller, limit, cursor)))


@router.get("/templates/{template_id}", response_model=Template, responses=documented(404))
async def get_template(template_id: str, service: Service, caller: Caller) -> Response:
    """One saved text with its version as the entity tag."""
    return send(_of_template(await service.templates.get(caller, template_id)))


@router.put("/templates/{template_id}", response_model=Template, responses=documented(404, 412))
async def replace_template(
    template_id: str, form: TemplateForm, service: Service, caller: Caller, if_match: IfMatch = None
) -> Response:
    """Change a saved text's name and words."""
    changed = await service.templates.replace(caller, template_id, form, expected_version(if_match))
    return send(_of_template(changed))


@router.delete("/templates/{template_id}", status_code=204, response_class=Response, responses=documented(404, 412))
async def delete_template(template_id: str, service: Service, caller: Caller, if_match: IfMatch = None) -> Response:
    """Remove a saved text."""
    await service.templates.delete(caller, template_id, expected_version(if_match))
    return Response(status_code=204)


def _of_template(template: Template, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    return Reply(template, status, {"ETag": f'"{template.version}"', **(headers or {})})


def _require_period(since: datetime | None, before: datetime | None) -> None:
    if since is not None and before is not None and since >= before:
        raise Invalid("since must be earlier than before.")
