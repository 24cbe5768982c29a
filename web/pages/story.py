"""The story of a resident's request: what happens now, what was thought and done, and what they may do about it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from core.labels import Category, Role
from web.api_client import Problem, path
from web.form_keys import key_after
from web.forms import Form, read_form
from web.rendering import render
from web.request_files import file_of
from web.resident_steps import FOLLOWED, STEPS
from web.second_click import answer_of
from web.story_view import Told, is_objected, story_of
from web.timeline import KINDS
from web.viewer import Anybody, Resident, Viewer
from web.wording import N_

router = APIRouter()

SENT = {
    "sent-without-photo": N_(
        "Your message was sent, but a photo could not be taken. You can describe it in a message to our staff."
    )
}
SHOWN_AGAIN = frozenset({400, 409, 412, 422, 429, 503})
"""Refusals after which the page is shown with what was typed."""
NOTICES = 100
MOST_EARLIER = 3
EVENT_KINDS = " ".join(sorted({*KINDS, "status_changed", "documentation_due", "erased"}))
"""A browser hears only events whose names it was told."""


@router.get("/requests/{request_id}")
async def open_story(request_id: str, viewer: Anybody, done: str = "") -> Response:
    """The page; staff have one of their own."""
    if viewer.role is not Role.RESIDENT:
        return RedirectResponse(f"/staff{path('requests', request_id)}", 303)
    sentences = {**{name: step.done for name, step in STEPS.items()}, **FOLLOWED, **SENT}
    return await _show(viewer, request_id, done=sentences.get(done))


@router.get("/requests/{request_id}/live")
async def follow_story(request_id: str, request: Request, viewer: Resident, after: int = 0) -> Response:
    """The timeline as it grows, as server-sent events, from the event after the one that the page shows."""
    given = [pair for pair in request.scope["headers"] if pair[0] != b"accept"]
    if not any(name == b"last-event-id" for name, _ in given):
        given.append((b"last-event-id", str(after).encode()))
    scope = {**request.scope, "headers": [*given, (b"accept", b"text/event-stream")]}
    return viewer.api.forward(path("requests", request_id, "events"), scope)


@router.get("/requests/{request_id}/files/{attachment_id}")
async def open_file(request_id: str, attachment_id: str, request: Request, viewer: Resident) -> Response:
    """A photo or document of the request."""
    return await file_of(viewer, request, request_id, attachment_id)


@router.post("/requests/{request_id}/follow")
async def follow_incident(request_id: str, request: Request, viewer: Resident) -> Response:
    """Be told of the fault that the request belongs to."""
    return await _follow(request_id, request, viewer, "subscribe", "follow")


@router.post("/requests/{request_id}/unfollow")
async def unfollow_incident(request_id: str, request: Request, viewer: Resident) -> Response:
    """Be told no more of it."""
    return await _follow(request_id, request, viewer, "unsubscribe", "unfollow")


@router.post("/requests/{request_id}/{name}")
async def take_step(request_id: str, name: str, request: Request, viewer: Resident) -> Response:
    """Take one of the steps that the page offers."""
    step = STEPS.get(name)
    if step is None:
        raise HTTPException(404)
    form = await read_form(request)
    version = form.whole("version") if step.checks_version else None
    if name == "choose" and not form.text("anyway") and await _is_objected_to(viewer, request_id):
        return await _refused(viewer, request_id, name, form, _unconfirmed(viewer))
    where = path("requests", request_id, step.route)
    try:
        await answer_of(lambda: viewer.api.post(where, step.body(form), key=form.key, version=version))
    except Problem as problem:
        return await _refused(viewer, request_id, name, form, problem)
    return _back(request_id, name)


async def _is_objected_to(viewer: Viewer, request_id: str) -> bool:
    """Whether staff still have to look at what the resident says was understood wrongly."""
    return is_objected((await viewer.api.get(path("requests", request_id, "events"))).body["items"])


def _unconfirmed(viewer: Viewer) -> Problem:
    told = viewer.words.gettext(
        "Our staff will look at it again. Tick the box above the button to choose all the same."
    )
    return Problem(422, {"code": "not_confirmed", "detail": told})


async def _follow(request_id: str, request: Request, viewer: Viewer, action: str, name: str) -> Response:
    form = await read_form(request)
    try:
        found = (await viewer.api.get(path("requests", request_id))).body
        where = path("incidents", found["incident_id"] or "none", action)
        await answer_of(lambda: viewer.api.post(where, key=form.key))
    except Problem as problem:
        return await _refused(viewer, request_id, name, form, problem)
    return _back(request_id, name)


def _back(request_id: str, done: str) -> Response:
    return RedirectResponse(f"{path('requests', request_id)}?done={done}", 303)


async def _refused(viewer: Viewer, request_id: str, name: str, form: Form, problem: Problem) -> Response:
    if problem.status not in SHOWN_AGAIN:
        raise problem
    # What came too often was not looked at, so that its key is as good as new.
    key = form.key if problem.status == 429 else key_after(problem, form.key)
    return await _show(
        viewer, request_id, status=problem.status, problem=problem, failed=name, typed=form, kept_key=key
    )


async def _show(
    viewer: Viewer,
    request_id: str,
    *,
    status: int = 200,
    done: str | None = None,
    problem: Problem | None = None,
    failed: str = "",
    typed: Form | None = None,
    kept_key: str | None = None,
) -> Response:
    story = story_of(await _told(viewer, request_id), viewer.sub, viewer.words, viewer.visitor.clock())
    return render(
        viewer.in_zone(story.words.zone.key),
        "resident/story.html",
        status=status,
        headers={"Cache-Control": "no-store"},
        story=story,
        done=viewer.words.gettext(done) if done else None,
        problem=problem,
        failed=failed,
        typed=typed or Form({}, {}),
        kept_key=kept_key,
        # What was written for a step that is gone is kept in the message to staff, which is always there.
        homeless=typed.text("comment") if typed and failed not in story.steps else "",
        categories=list(Category),
        event_kinds=EVENT_KINDS,
    )


async def _told(viewer: Viewer, request_id: str) -> Told:
    request = (await viewer.api.get(path("requests", request_id))).body
    events, notices, incident, earlier = await asyncio.gather(
        viewer.api.get(path("requests", request_id, "events")),
        _notices(viewer, request),
        _incident(viewer, request),
        _earlier(viewer, request),
    )
    return Told(request, events.body["items"], notices, incident, earlier)


async def _optional(viewer: Viewer, where: str) -> Mapping[str, Any] | None:
    """What is there for the resident, or None where the thing is none of theirs."""
    try:
        return (await viewer.api.get(where)).body
    except Problem as problem:
        if problem.status in (404, 409):
            return None
        raise


async def _notices(viewer: Viewer, request: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
    if request["execution"] is None and request["selected_option_id"] is None:
        return ()
    try:
        return (await viewer.api.get("/notifications", limit=NOTICES)).body["items"]
    except Problem as problem:
        # The story itself does not hang on who keeps the messages.
        if problem.status in (429, 503):
            return None
        raise


async def _incident(viewer: Viewer, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    named = request["incident_id"]
    return await _optional(viewer, path("incidents", named)) if named else None


async def _earlier(viewer: Viewer, request: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    ids = request["possible_duplicates"][:MOST_EARLIER]
    found = await asyncio.gather(*(_optional(viewer, path("requests", one)) for one in ids))
    return tuple(one for one in found if one is not None)
