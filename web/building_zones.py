"""The time zones of the buildings, as the knowledge base tells them, for pages that show times of several."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from starlette.datastructures import State

from core.request import Request
from web.api_client import ApiClient, Problem, path
from web.language import Words
from web.viewer import Viewer

KEPT = timedelta(minutes=5)
KEPT_AFTER_FAILURE = timedelta(seconds=20)
PAGE = 100
MOST_PAGES = 5
DECIDES = "buildings"
_NAME = "building_zones"

Zones = Mapping[str, str]
"""IANA names by building."""
NONE: Zones = MappingProxyType({})


async def zones_of(viewer: Viewer) -> Zones:
    """Every building that the rules name; empty where they can't be read now, since times can still be told."""
    now, state = viewer.visitor.clock(), viewer.visitor.request.app.state
    kept = _kept(state, now)
    if kept is not None:
        return kept
    try:
        found, lasts = await _read(viewer.api), KEPT
    except Problem:
        found, lasts = NONE, KEPT_AFTER_FAILURE
    setattr(state, _NAME, (now + lasts, found))
    return found


def words_there(viewer: Viewer, zone: str | None) -> Words | None:
    """How to tell times of a building with this zone; None where it is the page's own."""
    words = viewer.in_zone(zone).words
    return words if words.zone.key != viewer.words.zone.key else None


def zone_of_request(request: Request, zones: Zones) -> str | None:
    """The zone in which the request's promises were made, else its building's."""
    promised = request.sla.time_zone if request.sla else None
    return promised or zones.get(request.building_id)


def _kept(state: State, now: datetime) -> Zones | None:
    until, found = getattr(state, _NAME, (now, NONE))
    return found if now < until else None


async def _read(api: ApiClient) -> Zones:
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page: Mapping[str, Any] = (await api.get("/knowledge", limit=PAGE, cursor=cursor)).body
        for entry in page["items"]:
            if DECIDES in entry["decides"]:
                document = (await api.get(path("knowledge", entry["doc_id"]))).body
                listed = document["rules"][DECIDES]
                return {one["building_id"]: one["time_zone"] for one in listed if one.get("time_zone")}
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return NONE
