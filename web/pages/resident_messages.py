"""The inbox of a resident: every message that the house sent them, newest first."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from core.execution_labels import NoticeKind
from web.home_zone import home_zone
from web.knowledge_words import in_message
from web.notice_words import KINDS
from web.rendering import render
from web.viewer import Resident

router = APIRouter()

PAGE = 20


@router.get("/messages")
async def open_messages(viewer: Resident, cursor: str | None = None) -> Response:
    """One page of the inbox."""
    found = (await viewer.api.get("/notifications", limit=PAGE, cursor=cursor)).body
    messages = [
        {
            "at": one["at"],
            "subject": one["notification"]["subject"],
            "body": in_message(one["notification"]["body"], one["notification"]["fields"], viewer.words),
            "kind": viewer.words.gettext(KINDS[NoticeKind(one["notification"]["kind"])]),
            "is_danger": one["notification"]["kind"] == NoticeKind.EMERGENCY,
            "request_id": request_of(one["notification"]),
        }
        for one in found["items"]
    ]
    return render(
        viewer.in_zone(await home_zone(viewer)),
        "resident/messages.html",
        headers={"Cache-Control": "no-store"},
        messages=messages,
        next_cursor=found["next_cursor"],
        is_first=cursor is None,
    )


def request_of(notification: Mapping[str, Any]) -> str | None:
    """The request that a message is about, where it names one: word of a comment names it in its fields alone."""
    return notification["request_id"] or notification["fields"].get("request_id")
