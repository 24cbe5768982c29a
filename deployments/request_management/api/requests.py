"""Routes for requests: submit, read, follow, choose, agree, end."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from core.labels import Category, Status, Urgency
from core.ports.store import RequestFilter
from core.request import Request as ResidentRequest
from core.request import RequestId
from deployments.request_management.api.context import (
    Caller,
    Correlation,
    Cursor,
    Limit,
    OnceOnly,
    Reply,
    Service,
    expected_version,
    of_request,
    preferred_wait_s,
    send,
)
from deployments.request_management.api.event_stream import last_sequence, stream_events
from deployments.request_management.api.problems import documented
from deployments.request_management.intake import new_request_id
from deployments.request_management.pipeline import is_waiting
from deployments.request_management.precedents import PrecedentList
from deployments.request_management.schemas import (
    Amendment,
    EventList,
    FeedbackForm,
    FullDecision,
    ObjectionForm,
    Remark,
    RequestList,
    ResolutionReport,
    Selection,
    ShortDecision,
    Submission,
)

IfMatch = Annotated[str | None, Header()]
router = APIRouter(tags=["requests"], responses=documented(401, 403, 413, 422, 429, 500, 503))

_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
    204: {"description": "The request is closed and all of its events came before: no more will"},
}


@router.post(
    "/requests",
    response_model=ResidentRequest,
    status_code=201,
    responses={202: {"model": ResidentRequest, "description": "Stored; the decision is not reached yet"}}
    | documented(409),
)
async def submit(
    submission: Submission,
    service: Service,
    caller: Caller,
    correlation: Correlation,
    once: OnceOnly,
    prefer: Annotated[str | None, Header()] = None,
) -> Response:
    """Submit a message. 201 where the decision is reached within `Prefer: wait=N`, else 202 with `Location`."""
    wait_s = preferred_wait_s(prefer)

    async def work(request_id: str) -> Reply:
        record = await service.intake.submit(caller, submission, RequestId(request_id), correlation, wait_s)
        headers = {
            "Location": f"/api/v1/requests/{request_id}",
            "Preference-Applied": f"wait={wait_s:.0f}",
        }
        return of_request(record.request, 202 if is_waiting(record) else 201, headers)

    return await once(new_request_id(service.clock()), work)


@router.get("/requests", response_model=RequestList)
async def list_requests(
    service: Service,
    caller: Caller,
    status: Status | None = None,
    category: Category | None = None,
    urgency: Urgency | None = None,
    building_id: Annotated[str | None, Query(max_length=100)] = None,
    needs_attention: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The staff's queue: newest first, or the most urgent first with `needs_attention=true`."""
    where = RequestFilter(status, category, urgency, building_id, caller.buildings, needs_attention)
    page = await service.requests.list_requests(caller, where, limit, cursor)
    return send(Reply(RequestList(items=page.items, next_cursor=page.next_cursor)))


@router.get("/residents/{resident_id}/requests", response_model=RequestList, responses=documented(404))
async def list_by_resident(
    resident_id: str, service: Service, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """A resident's history, newest first."""
    page = await service.requests.list_by_resident(caller, resident_id, limit, cursor)
    return send(Reply(RequestList(items=page.items, next_cursor=page.next_cursor)))


@router.get("/requests/{request_id}", response_model=ResidentRequest, responses=documented(404))
async def get_request(request_id: str, service: Service, caller: Caller) -> Response:
    """One request with its whole story."""
    return send(of_request(await service.requests.get(caller, request_id)))


@router.put("/requests/{request_id}", response_model=ResidentRequest, responses=documented(404, 409, 412))
async def amend(
    request_id: str,
    amendment: Amendment,
    service: Service,
    caller: Caller,
    if_match: IfMatch = None,
) -> Response:
    """A staff member's correction of status or labels, with a comment."""
    return send(of_request(await service.requests.amend(caller, request_id, amendment, expected_version(if_match))))


@router.post(
    "/requests/{request_id}/select-option", response_model=ResidentRequest, responses=documented(404, 409, 412)
)
async def select_option(
    request_id: str,
    selection: Selection,
    service: Service,
    caller: Caller,
    once: OnceOnly,
    if_match: IfMatch = None,
) -> Response:
    """Choose one of the options."""
    version = expected_version(if_match)

    async def work(_: str) -> Reply:
        return of_request(await service.requests.select_option(caller, request_id, selection.option_id, version))

    return await once(request_id, work)


@router.post("/requests/{request_id}/resolve", response_model=ResidentRequest, responses=documented(404, 409, 412))
async def resolve(
    request_id: str,
    report: ResolutionReport,
    service: Service,
    caller: Caller,
    once: OnceOnly,
    if_match: IfMatch = None,
) -> Response:
    """Say that it is done, and what it took."""
    version = expected_version(if_match)

    async def work(_: str) -> Reply:
        return of_request(await service.requests.resolve(caller, request_id, report, version))

    return await once(request_id, work)


@router.post("/requests/{request_id}/feedback", response_model=ResidentRequest, responses=documented(404, 409))
async def give_feedback(
    request_id: str, form: FeedbackForm, service: Service, caller: Caller, once: OnceOnly
) -> Response:
    """Rate how it went."""

    async def work(_: str) -> Reply:
        return of_request(await service.requests.give_feedback(caller, request_id, form))

    return await once(request_id, work)


@router.post("/requests/{request_id}/objection", response_model=ResidentRequest, responses=documented(404, 409))
async def object_to_labels(
    request_id: str, form: ObjectionForm, service: Service, caller: Caller, once: OnceOnly
) -> Response:
    """Say, as the resident, that the message was understood wrongly; staff look at it, and the labels stay so far."""

    async def work(_: str) -> Reply:
        return of_request(await service.requests.object_to_labels(caller, request_id, form))

    return await once(request_id, work)


def _add_remark_route(name: str, summary: str) -> None:
    """A step that takes nothing but an optional comment: `POST /requests/{request_id}/<name>`."""

    async def step(
        request_id: str,
        service: Service,
        caller: Caller,
        once: OnceOnly,
        remark: Remark | None = None,
        if_match: IfMatch = None,
    ) -> Response:
        action, version = getattr(service.requests, name), expected_version(if_match)

        async def work(_: str) -> Reply:
            return of_request(await action(caller, request_id, remark.comment if remark else None, version))

        return await once(request_id, work)

    router.add_api_route(
        f"/requests/{{request_id}}/{name}",
        step,
        methods=["POST"],
        name=name,
        summary=summary,
        response_model=ResidentRequest,
        responses=documented(404, 409, 412),
    )


for _name, _summary in {
    "approve": "Agree to the selected option's cost",
    "reject": "Refuse the selected option's cost",
    "confirm": "Agree that it is done",
    "reopen": "Say that it is not done",
    "cancel": "Withdraw the request",
    "escalate": "Ask for a person",
}.items():
    _add_remark_route(_name, _summary)


@router.get("/requests/{request_id}/events", response_model=EventList, responses=_STREAMED | documented(404))
async def list_events(
    request_id: str,
    request: Request,
    service: Service,
    caller: Caller,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The timeline; with `Accept: text/event-stream` a live stream that `Last-Event-ID` resumes."""
    after = last_sequence(last_event_id)
    if "text/event-stream" in request.headers.get("accept", ""):
        return await stream_events(request, service, caller, request_id, after)
    return send(Reply(EventList(items=await service.requests.events(caller, request_id, after))))


@router.get(
    "/requests/{request_id}/decision",
    response_model=FullDecision | ShortDecision,
    responses=documented(404, 409),
)
async def get_decision(request_id: str, service: Service, caller: Caller) -> Response:
    """Why it was decided so: short for the resident, everything for staff."""
    return send(Reply(await service.requests.decision(caller, request_id)))


@router.get("/requests/{request_id}/similar", response_model=PrecedentList, responses=documented(404))
async def list_similar(
    request_id: str, service: Service, caller: Caller, limit: Annotated[int, Query(ge=1, le=20)] = 5
) -> Response:
    """Requests of the caller's buildings in the last half year that mean much the same, and how they went."""
    return send(Reply(await service.precedents.like(caller, request_id, limit)))
