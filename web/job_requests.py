"""The requests that jobs belong to: by when they are to be solved, and the zone of the building in which times hold."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from web.api_client import Problem, path
from web.job_board import Job
from web.language import Words
from web.viewer import Viewer

AT_ONCE = 8
"""Requests that are read at the same time."""

ApiRequest = Mapping[str, Any]
"""A request as the interface gives it."""


async def read_request(viewer: Viewer, request_id: str | None) -> ApiRequest | None:
    """The request; None for one that was erased or that the viewer may not see."""
    if request_id is None:
        return None
    try:
        return (await viewer.api.get(path("requests", request_id))).body
    except Problem as problem:
        if problem.status == 404:
            return None
        raise


async def read_requests(viewer: Viewer, jobs: Iterable[Job], most: int | None = None) -> dict[str, ApiRequest]:
    """The requests of these jobs by their ids, as far as the viewer may see them; the first `most` of them."""
    wanted = list(dict.fromkeys(job["request_id"] for job in jobs if job["request_id"]))[:most]
    few = asyncio.Semaphore(AT_ONCE)

    async def one(request_id: str) -> ApiRequest | None:
        async with few:
            return await read_request(viewer, request_id)

    found = await asyncio.gather(*map(one, wanted))
    return {request["request_id"]: request for request in found if request}


def deadlines_of(requests: Mapping[str, ApiRequest]) -> dict[str, str]:
    """Until when they are to be solved, those for which it was promised."""
    return {name: one["sla"]["resolution_due_at"] for name, one in requests.items() if one["sla"]}


def zone_of(request: ApiRequest | None) -> str | None:
    """The time zone of its building (IANA); None where there is no request, or nobody has decided it yet."""
    sla = request["sla"] if request else None
    return sla["time_zone"] if sla else None


def words_elsewhere(viewer: Viewer, requests: Mapping[str, ApiRequest]) -> dict[str, Words]:
    """How to tell times of the requests whose buildings have another zone than the page, by request."""
    told = {name: viewer.in_zone(zone_of(one)).words for name, one in requests.items()}
    return {name: words for name, words in told.items() if words.zone.key != viewer.words.zone.key}
