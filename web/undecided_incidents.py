"""How many incidents of somebody's buildings wait for a decision, as the bar above the queue says."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from starlette.datastructures import State

from web.api_client import Problem
from web.buildings import buildings_of
from web.viewer import Viewer

MOST_BUILDINGS = 30
PAGE = 100
AT_ONCE = 8
KEPT = timedelta(seconds=30)
"""The queue is looked at often, and each building costs a call."""
_NAME = "undecided_incidents"


@dataclass(frozen=True)
class Undecided:
    """What waits."""

    count: int
    is_cut: bool
    """Whether there may be more than were counted."""


_Kept = dict[str, tuple[datetime, Undecided]]
"""By building, each with the moment until which it is good."""


async def undecided_incidents(viewer: Viewer) -> Undecided | None:
    """What waits in the viewer's buildings; None where it can't be said now, which must not hold up the queue."""
    few = asyncio.Semaphore(AT_ONCE)

    async def one(building: str) -> Undecided:
        async with few:
            return await _of_building(viewer, building)

    try:
        buildings = await buildings_of(viewer)
        each = await asyncio.gather(*map(one, buildings[:MOST_BUILDINGS]))
    except Problem:
        return None
    is_cut = len(buildings) > MOST_BUILDINGS or any(found.is_cut for found in each)
    return Undecided(sum(found.count for found in each), is_cut)


def forget_undecided(viewer: Viewer, building: str) -> None:
    """Something was decided there: it is counted anew."""
    _kept(viewer).pop(building, None)


async def _of_building(viewer: Viewer, building: str) -> Undecided:
    kept, now = _kept(viewer), viewer.visitor.clock()
    known = kept.get(building)
    if known is not None and now < known[0]:
        return known[1]
    # The interface leaves out of a page what has another status, so that a page is what was looked through.
    body = (await viewer.api.get("/incidents", building_id=building, status="Proposed", limit=PAGE)).body
    found = Undecided(len(body["items"]), body["next_cursor"] is not None)
    kept[building] = (now + KEPT, found)
    return found


def _kept(viewer: Viewer) -> _Kept:
    state: State = viewer.visitor.request.app.state
    if not hasattr(state, _NAME):
        setattr(state, _NAME, cast(_Kept, {}))
    return getattr(state, _NAME)
