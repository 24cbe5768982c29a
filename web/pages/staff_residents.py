"""A resident as staff see them: their requests, and how they wish to be told."""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from fastapi import APIRouter, Request, Response

from core.request import Request as ResidentRequest
from web.api_client import Problem, path
from web.attention_reasons import with_told_reasons
from web.building_zones import words_there, zone_of_request, zones_of
from web.queue_rows import row_of
from web.rendering import render
from web.viewer import Staff, Viewer

router = APIRouter()


@router.get("/staff/residents/{resident_id}")
async def open_resident(resident_id: str, request: Request, viewer: Staff) -> Response:
    """Their requests in the buildings that the caller covers, newest first."""
    cursor = request.query_params.get("cursor")
    try:
        listed = await viewer.api.get(path("residents", resident_id, "requests"), cursor=cursor)
    except Problem as problem:
        if problem.code != "invalid_cursor":
            raise
        listed = await viewer.api.get(path("residents", resident_id, "requests"))
    now = viewer.visitor.clock()
    requests = (ResidentRequest.model_validate(item) for item in listed.body["items"])
    zones = await zones_of(viewer)
    rows = [row_of(one, viewer.words, now, words_there(viewer, zone_of_request(one, zones))) for one in requests]
    preferences = await _preferences(viewer, resident_id)
    return render(
        viewer,
        "staff/resident.html",
        resident_id=resident_id,
        rows=await with_told_reasons(viewer, rows),
        next_cursor=listed.body["next_cursor"],
        preferences=preferences,
        quiet_hours=_quiet_hours(viewer, preferences),
    )


async def _preferences(viewer: Viewer, resident_id: str) -> Mapping[str, Any] | None:
    """How they wish to be told; None for whom it is none of their business."""
    try:
        answer = await viewer.api.get(path("residents", resident_id, "notification-preferences"))
    except Problem as problem:
        if problem.status not in (403, 404):
            raise
        return None
    return answer.body


def _quiet_hours(viewer: Viewer, preferences: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """From when to when nothing but danger is told, as the page's language writes times; None for never."""
    hours = preferences and preferences["quiet_hours"]
    if not hours:
        return None
    zone, today = viewer.words.zone, viewer.words.local(viewer.visitor.clock()).date()
    start, end = (datetime.combine(today, time.fromisoformat(hours[name]), zone) for name in ("start", "end"))
    return viewer.words.clock_time(start), viewer.words.clock_time(end)
