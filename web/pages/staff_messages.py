"""Messages to the staff: alerts that somebody has to take, and what was told to the team."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.labels import Role
from web.api_client import Problem, path
from web.building_zones import words_there, zones_of
from web.buildings import buildings_of
from web.form_keys import key_after
from web.forms import read_form
from web.job_requests import read_requests, zone_of
from web.language import Words
from web.rendering import render
from web.second_click import answer_of
from web.untaken_alerts import Sent, read_untaken
from web.viewer import Staff, Viewer
from web.wording import N_

router = APIRouter()

MESSAGES = "/staff/messages"
PAGE = 30
DONE: Mapping[str, str] = {"taken": N_("You took the alert; nobody else is called.")}


@router.get(MESSAGES)
async def open_messages(viewer: Staff, to: str = "", done: str = "", cursor: str | None = None) -> Response:
    """What nobody has taken yet, and one list of messages: to the team, to managers, or a building's alerts."""
    return await _page(viewer, to=to, cursor=cursor, done=done)


@router.get("/staff/preferences")
async def open_preferences(viewer: Staff) -> Response:
    """How somebody of the staff wishes to be told: the form that everybody has."""
    return RedirectResponse("/preferences", 303)


@router.get(MESSAGES + "/alerts")
async def open_alerts(viewer: Staff) -> Response:
    """The alerts that nobody has taken, as a part of the page, for its script to refresh."""
    untaken = await read_untaken(viewer)
    return render(
        viewer,
        "staff/alerts.html",
        untaken=untaken,
        elsewhere=await _words_elsewhere(viewer, untaken.alerts),
        kept_keys={},
        headers={"Cache-Control": "no-store"},
    )


@router.get(MESSAGES + "/{notification_id}/take")
async def go_back(notification_id: str, viewer: Staff) -> Response:
    """A form's address, opened as a page."""
    return RedirectResponse(MESSAGES, 303)


@router.post(MESSAGES + "/{notification_id}/take")
async def take(notification_id: str, request: Request, viewer: Staff) -> Response:
    """Take an alert; whoever is second is told who was first."""
    form = await read_form(request)
    try:
        where = path("notifications", notification_id, "acknowledge")
        answer = await answer_of(lambda: viewer.api.post(where, key=form.key))
    except Problem as problem:
        if problem.status == 401:
            raise
        return await _page(viewer, problem=problem, kept_keys={notification_id: key_after(problem, form.key)})
    if answer.body["acknowledged_by"] != viewer.sub:
        return await _page(viewer, taken_by_other=answer.body)
    return RedirectResponse(f"{MESSAGES}?done=taken", 303)


async def _page(
    viewer: Viewer,
    *,
    to: str = "",
    cursor: str | None = None,
    done: str = "",
    problem: Problem | None = None,
    kept_keys: Mapping[str, str | None] = MappingProxyType({}),
    taken_by_other: Sent | None = None,
) -> Response:
    buildings = await buildings_of(viewer)
    teams = ("staff", "manager") if viewer.role is Role.MANAGER else ("staff",)
    chosen = to if to in teams or to in buildings else teams[0]
    untaken, page = await asyncio.gather(
        read_untaken(viewer), viewer.api.get("/notifications", recipient=chosen, limit=PAGE, cursor=cursor)
    )
    kind = "staff_role" if chosen in teams else "on_call"
    # A building may have the name of a role.
    messages = [sent for sent in page.body["items"] if sent["notification"]["recipient_kind"] == kind]
    by_other = (taken_by_other,) if taken_by_other else ()
    return render(
        viewer,
        "staff/messages.html",
        status=problem.status if problem else 409 if taken_by_other else 200,
        untaken=untaken,
        messages=messages,
        elsewhere=await _words_elsewhere(viewer, (*untaken.alerts, *messages, *by_other)),
        next_cursor=page.body["next_cursor"],
        teams=teams,
        buildings=buildings,
        chosen=chosen,
        problem=problem,
        kept_keys=kept_keys,
        taken_by_other=taken_by_other,
        done=viewer.words.gettext(DONE[done]) if done in DONE else "",
    )


async def _words_elsewhere(viewer: Viewer, messages: Sequence[Sent]) -> dict[str, Words]:
    """How to tell times of the messages about buildings in another zone than the page, by message."""
    zones = await zones_of(viewer)
    notifications = {sent["notification_id"]: sent["notification"] for sent in messages}
    # An alert names its building; what is told to a team names at most its request.
    others = [one for one in notifications.values() if one["recipient_kind"] != "on_call"]
    requests = await read_requests(viewer, others, PAGE)

    def zone(notification: Mapping[str, str]) -> str | None:
        if notification["recipient_kind"] == "on_call":
            return zones.get(notification["recipient"])
        request = requests.get(notification["request_id"])
        return zone_of(request) or (zones.get(request["building_id"]) if request else None)

    told = {name: words_there(viewer, zone(one)) for name, one in notifications.items()}
    return {name: words for name, words in told.items() if words is not None}
