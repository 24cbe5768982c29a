"""Alerts to the person on call that nobody has taken: read for their own page, counted for every page of the staff."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from starlette.datastructures import State

from core.labels import Role
from web.api_client import Problem
from web.buildings import buildings_of
from web.viewer import Viewer, Visitor, viewer_of, visitor_of

LOOKED_THROUGH = 100
"""Of each building's alerts the newest, for those that nobody has taken."""
MOST_BUILDINGS = 60
KEPT = timedelta(seconds=10)
LONGEST_WAIT_S = 3.0
"""No page waits longer for the number beside its navigation."""
PAGES = ("/staff", "/operations")
OWN_PAGE = "/staff/messages"
"""It reads them anew in any case."""
MOST_KEPT = 500
_NAME = "untaken_alerts"

Sent = Mapping[str, Any]
Whose = tuple[str, ...] | None
Kept = dict[Whose, tuple[datetime, int | None]]


@dataclass(frozen=True)
class Untaken:
    """The alerts of somebody's buildings that nobody has taken."""

    alerts: tuple[Sent, ...]
    """Newest first."""
    is_complete: bool
    """There are no others: every message was looked at, or every one of every building."""


async def read_untaken(viewer: Viewer) -> Untaken:
    """The alerts as they are now. Raises `Problem`."""
    buildings = await buildings_of(viewer)
    # What came last to anybody besides: a building's first alert must not wait until the building is known.
    whose = [None, *buildings[:MOST_BUILDINGS]]
    pages = await asyncio.gather(
        *(viewer.api.get("/notifications", recipient=one, limit=LOOKED_THROUGH) for one in whose)
    )
    found = {sent["notification_id"]: sent for page in pages for sent in page.body["items"] if _is_untaken(sent)}
    is_all, *is_whole = [page.body["next_cursor"] is None for page in pages]
    # Who has all buildings knows only those with a request of late.
    are_known = viewer.session.stored.buildings is not None and len(buildings) <= MOST_BUILDINGS
    untaken = Untaken(
        tuple(sorted(found.values(), key=lambda sent: sent["at"], reverse=True)),
        is_complete=is_all or (are_known and all(is_whole)),
    )
    _keep(viewer.visitor, len(untaken.alerts))
    return untaken


async def count_untaken(viewer: Viewer) -> int | None:
    """How many there are, as of at most `KEPT` ago; None where that can't be told now."""
    now, kept = viewer.visitor.clock(), _all_kept(viewer.visitor.request.app.state)
    until, count = kept.get(viewer.session.stored.buildings, (now, None))
    if now < until:
        viewer.visitor.request.state.untaken_alerts = count
        return count
    try:
        async with asyncio.timeout(LONGEST_WAIT_S):
            return len((await read_untaken(viewer)).alerts)
    except (Problem, TimeoutError):
        _keep(viewer.visitor, None)
        return None


async def note_untaken(request: Request) -> None:
    """A dependency of every page: staff are told beside the navigation how many alerts wait."""
    if not request.url.path.startswith(PAGES) or request.url.path.startswith(OWN_PAGE):
        return
    visitor = await visitor_of(request)
    if visitor.session is not None and visitor.role in (Role.STAFF, Role.MANAGER):
        await count_untaken(await viewer_of(visitor))


def _keep(visitor: Visitor, count: int | None) -> None:
    """For the page that is being made, and for those of the next seconds."""
    assert visitor.session is not None
    visitor.request.state.untaken_alerts = count
    kept = _all_kept(visitor.request.app.state)
    if len(kept) >= MOST_KEPT:
        kept.clear()
    kept[visitor.session.stored.buildings] = (visitor.clock() + KEPT, count)


def _all_kept(state: State) -> Kept:
    if not hasattr(state, _NAME):
        setattr(state, _NAME, Kept())
    return getattr(state, _NAME)


def _is_untaken(sent: Sent) -> bool:
    return sent["notification"]["recipient_kind"] == "on_call" and sent["acknowledged_by"] is None
