"""Routes of incidents and repeats: what is proposed, what staff decide, what a resident follows or attaches."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field, StringConstraints

from core.contract import Contract, UtcTime
from core.request import Request as ResidentRequest
from core.request import RequestId
from deployments.request_management.api.context import (
    Caller,
    Cursor,
    Limit,
    OnceOnly,
    Reply,
    Service,
    of_request,
    send,
)
from deployments.request_management.api.problems import documented
from deployments.request_management.duplicates import AttachOrder, Similar, SimilarQuestion
from deployments.request_management.incident import MOST_MEMBERS, MOST_TITLE, Incident, IncidentStatus
from deployments.request_management.schemas import Identifier

router = APIRouter(tags=["incidents"], responses=documented(401, 403, 413, 422, 429, 500, 503))
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_TITLE)]
Some = Annotated[tuple[Identifier, ...], Field(max_length=MOST_MEMBERS)]


class Acceptance(Contract):
    """`POST /incidents/{incident_id}/accept`; the body may be left out."""

    title: Title | None = None
    """Instead of the proposed one; all residents of the building may read it."""
    leader: Identifier | None = None
    """Which of its open requests carries the work: the others can order none while they are in the incident.

    Null for the earliest on which work was ordered already, else for the earliest.
    """


class MemberChange(Contract):
    """`POST /incidents/{incident_id}/members`."""

    add: Some = ()
    remove: Some = ()


class PublicIncident(Contract):
    """An incident as a resident sees it: nothing of anybody's request."""

    incident_id: str
    building_id: str
    status: IncidentStatus
    title: str
    since: UtcTime
    updated_at: UtcTime
    subscribed: bool | None = None
    """Whether the caller is told of it; null in a list."""
    lead: str | None = None
    """The caller's own request, where it carries the work; told by `GET` of one incident alone."""


class IncidentList(Contract):
    """A page of a building's incidents, newest first."""

    items: tuple[Incident | PublicIncident, ...]
    next_cursor: str | None


@router.get("/incidents", response_model=IncidentList, responses=documented(404))
async def list_incidents(
    service: Service,
    caller: Caller,
    building_id: Annotated[str | None, Query(max_length=100)] = None,
    status: IncidentStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """A building's incidents; residents see those of their own that staff accepted."""
    page = await service.incidents.list_incidents(caller, building_id, status, limit, cursor)
    items = tuple(_public(one, None) if caller.is_resident else one for one in page.items)
    return send(Reply(IncidentList(items=items, next_cursor=page.next_cursor)))


@router.get("/incidents/{incident_id}", response_model=Incident | PublicIncident, responses=documented(404))
async def get_incident(incident_id: str, service: Service, caller: Caller) -> Response:
    """One incident."""
    found = await service.incidents.get(caller, incident_id)
    if not caller.is_resident:
        return send(Reply(found))
    lead = await service.incidents.own_lead(found, caller.sub)
    return send(Reply(_public(found, await service.incidents.follows(found, caller.sub), lead)))


@router.post("/incidents/{incident_id}/accept", response_model=Incident, responses=documented(404, 409))
async def accept_incident(
    incident_id: str, service: Service, caller: Caller, once: OnceOnly, acceptance: Acceptance | None = None
) -> Response:
    """Agree that its requests are one fault; again, to take in what was proposed since."""

    async def work(_: str) -> Reply:
        wanted = acceptance or Acceptance()
        leader = RequestId(wanted.leader) if wanted.leader else None
        return Reply(await service.incidents.accept(caller, incident_id, wanted.title, leader))

    return await once(incident_id, work)


@router.post("/incidents/{incident_id}/dismiss", response_model=Incident, responses=documented(404, 409))
async def dismiss_incident(incident_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Say that its requests are no one fault."""

    async def work(_: str) -> Reply:
        return Reply(await service.incidents.dismiss(caller, incident_id))

    return await once(incident_id, work)


@router.post("/incidents/{incident_id}/members", response_model=Incident, responses=documented(404, 409))
async def change_members(
    incident_id: str, change: MemberChange, service: Service, caller: Caller, once: OnceOnly
) -> Response:
    """Put requests of the building in, take others out."""

    async def work(_: str) -> Reply:
        add, remove = tuple(map(RequestId, change.add)), tuple(map(RequestId, change.remove))
        return Reply(await service.incidents.change_members(caller, incident_id, add, remove))

    return await once(incident_id, work)


@router.post("/incidents/{incident_id}/subscribe", response_model=PublicIncident, responses=documented(404, 409))
async def subscribe(incident_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """A resident wants to be told of it."""

    async def work(_: str) -> Reply:
        return Reply(_public(await service.incidents.subscribe(caller, incident_id), True))

    return await once(incident_id, work)


@router.post("/incidents/{incident_id}/unsubscribe", response_model=PublicIncident, responses=documented(404, 409))
async def unsubscribe(incident_id: str, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """A resident wants to be told no more of it."""

    async def work(_: str) -> Reply:
        return Reply(_public(await service.incidents.unsubscribe(caller, incident_id), False))

    return await once(incident_id, work)


@router.post("/requests/similar", response_model=Similar, responses=documented(404))
async def find_similar(question: SimilarQuestion, service: Service, caller: Caller) -> Response:
    """What is open already that says the same as this message, before it is sent."""
    return send(Reply(await service.duplicates.similar(caller, question)))


@router.post("/requests/{request_id}/attach", response_model=ResidentRequest, responses=documented(404, 409))
async def attach(request_id: str, order: AttachOrder, service: Service, caller: Caller, once: OnceOnly) -> Response:
    """Attach a request to the resident's earlier one, which goes on; this one ends."""

    async def work(_: str) -> Reply:
        return of_request(await service.duplicates.attach(caller, request_id, order.request_id))

    return await once(request_id, work)


def _public(found: Incident, subscribed: bool | None, lead: str | None = None) -> PublicIncident:
    return PublicIncident(
        incident_id=found.incident_id,
        building_id=found.building_id,
        status=found.status,
        title=found.title,
        since=found.created_at,
        updated_at=found.updated_at,
        subscribed=subscribed,
        lead=lead,
    )
