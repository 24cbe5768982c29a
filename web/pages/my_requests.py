"""The list of a resident's requests."""

from fastapi import APIRouter, Response

from web.api_client import path
from web.open_requests import FOR_THE_RESIDENT, NEXT_STEPS, split_open
from web.rendering import render
from web.viewer import Resident

router = APIRouter()

PAGE = 25
FIRST_PAGE = 50


@router.get("/requests")
async def list_my_requests(viewer: Resident, cursor: str | None = None) -> Response:
    """Newest first; on the first page, which is longer for their sake, those that are open before the others."""
    where = path("residents", viewer.sub, "requests")
    found = (await viewer.api.get(where, limit=PAGE if cursor else FIRST_PAGE, cursor=cursor or None)).body
    is_open, is_over = split_open(found["items"]) if not cursor else ([], found["items"])
    return render(
        viewer,
        "resident/my_requests.html",
        is_first=not cursor,
        open_requests=is_open,
        other_requests=is_over,
        next_steps=NEXT_STEPS,
        their_turn=FOR_THE_RESIDENT,
        next_cursor=found["next_cursor"],
    )
