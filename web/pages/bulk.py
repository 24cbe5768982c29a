"""Many requests at once: what came of each, and what somebody else has changed in the meantime."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.request import Event
from core.request import Request as ResidentRequest
from web.api_client import Problem, path
from web.building_zones import words_there, zone_of_request, zones_of
from web.forms import read_form
from web.language import Words
from web.pages.queue import BulkDraft, queue_page
from web.queue_filters import read_filters
from web.queue_rows import QueueRow, SeenRequest, read_mark, row_of
from web.rendering import render
from web.second_click import answer_of
from web.viewer import Staff, Viewer
from web.wording import label

router = APIRouter()

CHANGES = ("status", "category", "urgency", "comment")
AT_ONCE = 8


@dataclass(frozen=True)
class Outcome:
    """What came of one request."""

    request_id: str
    is_changed: bool
    reason: str = ""
    """Why it was left as it is."""
    row: QueueRow | None = None
    """How it is now; None where one may not see it."""
    news: tuple[Event, ...] = ()
    """What happened to it since it was chosen, where that is why."""
    is_overtaken: bool = False
    """Somebody changed it after it was chosen."""


@router.get("/staff/bulk")
async def leave_bulk(viewer: Staff) -> Response:
    """Who reloads a result is led back to the queue."""
    return RedirectResponse("/staff", 303)


@router.post("/staff/bulk")
async def change_in_bulk(request: Request, viewer: Staff) -> Response:
    """Change the chosen requests alike, each unless it has changed since it was chosen."""
    form = await read_form(request)
    seen = [read_mark(value) for value in form.lists.get("request", ())]
    filters, _ = read_filters(dict(parse_qsl(form.text("back"))))
    change = {name: form.optional(name) for name in CHANGES}
    draft = BulkDraft(form, seen)
    back = dict(parse_qsl(filters.address))
    if not seen or not any(change.values()):
        choose = viewer.words.gettext("Choose at least one request.")
        fill = viewer.words.gettext("Choose what to change, or write a comment.")
        return await queue_page(viewer, back, status=422, draft=draft, warning=fill if seen else choose)
    order = {name: value for name, value in change.items() if value is not None}
    body = _bulk_order(seen, order)
    try:
        answer = await answer_of(lambda: viewer.api.post("/requests/bulk", body, key=form.key))
    except Problem as problem:
        if problem.status == 401:
            raise
        return await queue_page(viewer, back, status=problem.status, draft=replace(draft, problem=problem))
    if not answer.body["failed"]:
        query = "&".join(part for part in (filters.address, f"done=changed&count={answer.body['changed']}") if part)
        return RedirectResponse(f"/staff?{query}", 303)
    outcomes = await _outcomes(viewer, {one.request_id: one for one in seen}, answer.body["results"])
    return render(
        viewer,
        "staff/bulk.html",
        status=200 if answer.body["changed"] else 409,
        outcomes=outcomes,
        order=order,
        back=filters.address,
    )


def _bulk_order(seen: Sequence[SeenRequest], change: Mapping[str, str]) -> dict[str, Any]:
    versions = {one.request_id: one.version for one in seen if one.version is not None}
    return {"request_ids": [one.request_id for one in seen], "versions": versions, **change}


async def _outcomes(
    viewer: Viewer, seen: Mapping[str, SeenRequest], results: Sequence[Mapping[str, Any]]
) -> list[Outcome]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(result: Mapping[str, Any]) -> Outcome:
        async with room:
            return await _outcome(viewer, seen[result["request_id"]], result)

    return list(await asyncio.gather(*map(one, results)))


async def _outcome(viewer: Viewer, seen: SeenRequest, result: Mapping[str, Any]) -> Outcome:
    problem = result["problem"]
    row = await _row(viewer, seen.request_id)
    if problem is None:
        return Outcome(seen.request_id, True, row=row)
    if problem["code"] != "stale_version":
        return Outcome(seen.request_id, False, refusal_sentence(viewer.words, problem), row)
    reason = viewer.words.gettext("Somebody else has changed it since you chose it.")
    news = await _events_since(viewer, seen) if row else ()
    return Outcome(seen.request_id, False, reason, row, news, is_overtaken=row is not None)


def refusal_sentence(words: Words, problem: Mapping[str, Any]) -> str:
    """Why a request was left as it is: in the page's language where we have words, else as the interface says it."""
    members: Mapping[str, Any] = problem["members"]
    if problem["code"] == "not_found":
        return words.gettext("There is no such request in your buildings.")
    if problem["code"] != "illegal_transition":
        return str(problem["detail"])
    current, *legal = (
        words.gettext(label(one, for_staff=True)) for one in (members["current_status"], *members["legal"])
    )
    if not legal:
        return words.gettext("It is “%(current)s”, and nothing follows that.") % {"current": current}
    names = {"current": current, "legal": ", ".join(legal)}
    return words.gettext("It is “%(current)s”. What may follow: %(legal)s.") % names


async def _row(viewer: Viewer, request_id: str) -> QueueRow | None:
    try:
        answer = await viewer.api.get(path("requests", request_id))
    except Problem as problem:
        if problem.status == 404:
            return None
        raise
    request = ResidentRequest.model_validate(answer.body)
    there = words_there(viewer, zone_of_request(request, await zones_of(viewer)))
    return row_of(request, viewer.words, viewer.visitor.clock(), there)


async def _events_since(viewer: Viewer, seen: SeenRequest) -> tuple[Event, ...]:
    answer = await viewer.api.get(path("requests", seen.request_id, "events"))
    events = (Event.model_validate(item) for item in answer.body["items"])
    return tuple(event for event in events if seen.updated_at is None or event.at > seen.updated_at)
