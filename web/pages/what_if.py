"""What would happen if …: asking it, following the answer, and reading it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup

from web.api_client import Problem, path
from web.charts import draw
from web.forms import read_form
from web.rendering import render
from web.viewer import Staff, Viewer
from web.what_if_form import OTHERS, changes_of, groups_of, question_of, typed_again, typed_of
from web.what_if_result import rows_of, translated_chart
from web.wording import N_

router = APIRouter()

PAGE = "/staff/what-if"
ENDED = frozenset({"Succeeded", "Failed", "Cancelled"})
STATUSES: Mapping[str, str] = {
    "Queued": N_("Waiting for its turn"),
    "Running": N_("Running"),
    "Succeeded": N_("Done"),
    "Failed": N_("Failed"),
    "Cancelled": N_("Cancelled"),
}
SOURCES: Mapping[str, str] = {
    "backlog": N_("What is open now"),
    "period": N_("A past period"),
    "synthetic": N_("Usual arrivals"),
}
DONE: Mapping[str, str] = {"cancelled": N_("The run was cancelled.")}
HALF = 0.5


@router.get(PAGE)
async def open_form(viewer: Staff, again: str = "") -> Response:
    """The form with the figures as they are now, or as an earlier run changed them, and the runs."""
    typed: Mapping[str, str] = OTHERS
    if again:
        typed = typed_again((await viewer.api.get(path("what-if", again))).body)
    return await _show_form(viewer, typed)


@router.post(PAGE)
async def start_run(request: Request, viewer: Staff) -> Response:
    """Ask, and go on to the run; what the interface refuses stays in the form."""
    form = await read_form(request)
    figures = (await viewer.api.get("/what-if/figures")).body
    typed = typed_of(form, figures)
    try:
        started = await viewer.api.post("/what-if", question_of(typed, figures, viewer.words.zone), key=form.key)
    except Problem as problem:
        if problem.status in (401, 403):
            raise
        return await _show_form(viewer, typed, problem)
    return RedirectResponse(f"{PAGE}{path(started.body['run_id'])}", 303)


@router.get(PAGE + "/{run_id}")
async def open_run(run_id: str, viewer: Staff, done: str = "") -> Response:
    """A run: how far it is, or what came of it."""
    said = viewer.words.gettext(DONE[done]) if done in DONE else ""
    return await _show_run(viewer, run_id, "staff/what_if_run.html", said=said)


@router.get(PAGE + "/{run_id}/part")
async def open_part(run_id: str, viewer: Staff) -> Response:
    """The part of the page that changes while it runs, for the script."""
    return await _show_run(viewer, run_id, "staff/what_if_run_part.html", headers={"Cache-Control": "no-store"})


@router.post(PAGE + "/{run_id}/cancel")
async def cancel_run(request: Request, run_id: str, viewer: Staff) -> Response:
    """End a run; one that has ended by then is shown as it is."""
    form = await read_form(request)
    try:
        await viewer.api.post(path("what-if", run_id, "cancel"), key=form.key)
    except Problem as problem:
        if problem.status != 409:
            raise
        return await _show_run(viewer, run_id, "staff/what_if_run.html", status=409, problem=problem)
    return RedirectResponse(f"{PAGE}{path(run_id)}?done=cancelled", 303)


async def _show_form(viewer: Viewer, typed: Mapping[str, str], problem: Problem | None = None) -> Response:
    figures = (await viewer.api.get("/what-if/figures")).body
    runs = (await viewer.api.get("/what-if")).body["items"]
    words = viewer.words
    return render(
        viewer,
        "staff/what_if.html",
        status=problem.status if problem else 200,
        groups=groups_of(figures, typed, words),
        vendors=figures["vendors"],
        typed={**OTHERS, **typed},
        sources=[(name, words.gettext(text)) for name, text in SOURCES.items()],
        runs=[(run, changes_of(run["scenario"], figures, words)) for run in runs],
        statuses=STATUSES,
        source_names=SOURCES,
        problem=problem,
    )


async def _show_run(
    viewer: Viewer,
    run_id: str,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    problem: Problem | None = None,
    said: str = "",
) -> Response:
    run = (await viewer.api.get(path("what-if", run_id))).body
    figures = (await viewer.api.get("/what-if/figures")).body
    names = {one["vendor_id"]: one["name"] for one in figures["vendors"]}
    rows = rows_of(run["result"], names, viewer.words) if run["result"] else []
    return render(
        viewer,
        template,
        status=status,
        headers=headers,
        run=run,
        result=run["result"],
        picture=await _picture(viewer, run["result"], names),
        whole=[row for row in rows if not row.resource],
        each=[row for row in rows if row.resource and not row.is_same],
        are_others_same=any(row.is_same for row in rows if row.resource),
        changes=changes_of(run["scenario"], figures, viewer.words),
        is_ended=run["status"] in ENDED,
        half=run["progress"] >= HALF,
        status_name=viewer.words.gettext(STATUSES[run["status"]]),
        source_name=viewer.words.gettext(SOURCES[run["source"]]),
        address=PAGE + path(run_id),
        problem=problem,
        said=said,
    )


async def _picture(viewer: Viewer, result: Mapping[str, Any] | None, names: Mapping[str, str]) -> Markup:
    if result is None or not result["chart"]:
        return Markup()
    described = viewer.words.gettext("Each difference with its 95 % interval; the tables hold the same figures.")
    return await asyncio.to_thread(draw, translated_chart(result["chart"], names, viewer.words), described)
