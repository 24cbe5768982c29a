"""A request that staff write down for a resident, after a look at what is open already."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.labels import Category, Urgency
from core.request import Request as ResidentRequest
from core.status import ENDED
from web.api_client import Problem, path
from web.form_keys import key_after
from web.forms import Form, read_form
from web.queue_rows import first_words
from web.rendering import render
from web.second_click import answer_of
from web.viewer import Staff, Viewer

router = APIRouter()

FIELDS = ("resident_id", "building_id", "unit", "message_text", "category", "urgency")
WAIT_S = 8
"""So long the page waits for the decision; the request's own page shows it when it comes."""


@dataclass(frozen=True)
class Likely:
    """An open request that may say the same."""

    request_id: str
    status: str
    created_at: str
    first_words: str
    is_own: bool
    """The same resident's."""


@dataclass(frozen=True)
class Known:
    """What is open already."""

    requests: tuple[Likely, ...]
    incidents: tuple[Mapping[str, Any], ...]


@router.get("/staff/new")
async def open_report(viewer: Staff, request: Request) -> Response:
    """An empty form, or one for the resident whom the address names."""
    given = {name: request.query_params.get(name, "") for name in ("resident_id", "building_id", "unit")}
    return _page(viewer, Form(given, {}))


@router.post("/staff/new")
async def send_report(request: Request, viewer: Staff) -> Response:
    """Show what is open already; submit where there is nothing, where it was seen, and where life is at risk."""
    form = await read_form(request)
    is_urgent = form.text("urgency") == Urgency.EMERGENCY
    if form.text("resident_id") and form.text("message_text") and not form.text("confirmed") and not is_urgent:
        known = await _look_up(viewer, form)
        if known.requests or known.incidents:
            return _page(viewer, form, known=known)
    try:
        body = _submission(form)
        answer = await answer_of(lambda: viewer.api.post("/requests", body, key=form.key, wait_s=WAIT_S))
    except Problem as problem:
        if problem.status == 401:
            raise
        return _page(viewer, form, status=problem.status, problem=problem)
    return RedirectResponse("/staff" + path("requests", answer.body["request_id"]), 303)


def _page(
    viewer: Viewer, form: Form, *, status: int = 200, problem: Problem | None = None, known: Known | None = None
) -> Response:
    return render(
        viewer,
        "staff/report.html",
        status=status,
        typed=form,
        key=key_after(problem, form.key),
        problem=problem,
        known=known,
        categories=tuple(Category),
        urgencies=tuple(Urgency),
        buildings=viewer.session.stored.buildings,
    )


def _submission(form: Form) -> dict[str, Any]:
    body: dict[str, Any] = {name: value for name in FIELDS if (value := form.optional(name)) is not None}
    body.setdefault("message_text", "")
    entry = {"yes": True, "no": False}.get(form.text("entry"))
    instructions = form.optional("special_instructions")
    if entry is not None or instructions is not None:
        wishes = {"allow_entry_when_absent": entry, "special_instructions": instructions}
        body["preferences"] = {name: value for name, value in wishes.items() if value is not None}
    return body


async def _look_up(viewer: Viewer, form: Form) -> Known:
    """The resident's open requests, and what is open in the building that says the same.

    What can't be looked up keeps nobody from reporting: then there is nothing to show.
    """
    own = await _open_requests(viewer, form.text("resident_id"))
    building = form.text("building_id") or _building_of(own, form.text("resident_id"))
    similar = await _similar(viewer, form.text("message_text"), building)
    requests = [_likely(one) for one in own if one.status not in ENDED]
    listed = {one.request_id for one in requests}
    requests += [
        Likely(one["request_id"], one["status"], one["created_at"], first_words(one["message_text"]), is_own=False)
        for one in similar["requests"]
        if one["request_id"] not in listed
    ]
    return Known(tuple(requests), tuple(similar["incidents"]))


async def _open_requests(viewer: Viewer, resident_id: str) -> list[ResidentRequest]:
    try:
        answer = await viewer.api.get(path("residents", resident_id, "requests"), limit=20)
    except Problem:
        return []
    return [ResidentRequest.model_validate(item) for item in answer.body["items"]]


async def _similar(viewer: Viewer, message: str, building: str | None) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    question = {"message_text": message, "building_id": building}
    try:
        answer = await viewer.api.post("/requests/similar", {k: v for k, v in question.items() if v is not None})
    except Problem:
        return {"requests": (), "incidents": ()}
    return answer.body


def _building_of(own: Sequence[ResidentRequest], resident_id: str) -> str | None:
    """The building of the newest request, else the one that an id of the form `RES_<building>_<unit>` names."""
    if own:
        return own[0].building_id
    named = re.fullmatch(r"RES_(.+)_[^_]+", resident_id)
    return named[1] if named else None


def _likely(request: ResidentRequest) -> Likely:
    words = first_words(request.message_text)
    return Likely(request.request_id, request.status, request.created_at.isoformat(), words, is_own=True)
