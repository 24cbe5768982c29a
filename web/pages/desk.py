"""The operations desk: a board of jobs by where they stand, and one job with its plan and its end."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from web.api_client import Problem, path
from web.form_keys import key_after
from web.forms import Form, read_form
from web.job_board import KINDS, NOBODY, TITLES, Choice, Job, arrange, choices_among
from web.job_requests import deadlines_of, read_request, read_requests, words_elsewhere, zone_of
from web.local_time import NoTime, read, written
from web.rendering import render
from web.second_click import answer_of
from web.viewer import Staff, Viewer
from web.wording import N_

router = APIRouter()

DESK = "/staff/desk"
PAGE = 200
MOST_PAGES = 5
"""Of open jobs the newest thousand are arranged."""
SHOWN = 20
"""Cards in a column until it is looked at by itself."""
SHOWN_ALONE = 100
FIXED_TIME = frozenset({"booking", "closure"})
DONE: Mapping[str, str] = {
    "planned": N_("The plan is kept."),
    "completed": N_("The job is closed; its request is told."),
}
NO_TIME = N_("There is no such time. Where clocks go forward an hour is left out.")
OTHER_ZONE = N_("Times of this job are now in another zone than when you opened the page. Look at them again.")
NO_NUMBER = N_("Write a number, such as 120.50.")


@dataclass(frozen=True)
class Filling:
    """A form as it is shown: what stands in its fields, and what is wrong with them."""

    values: Mapping[str, str]
    wrong: Mapping[str, str] = field(default_factory=dict[str, str])
    problem: Problem | None = None
    key: str | None = None
    """The form's own key where it goes with it again; None for a fresh one."""


@router.get(DESK)
async def open_board(
    viewer: Staff, crew: str = "", assigned: str = "", building: str = "", column: str = ""
) -> Response:
    """All jobs in columns, or one column by itself."""
    (jobs, is_cut), newest = await asyncio.gather(open_jobs(viewer), _newest_jobs(viewer))
    ended = [job for job in newest if job["status"] != "Open"]
    choice = Choice(crew, assigned, building)
    columns = arrange(filter(choice.includes, [*jobs, *ended]), viewer.visitor.clock())
    alone = column if column in TITLES else ""
    columns = tuple(one for one in columns if not alone or one.name == alone)
    shown = SHOWN_ALONE if alone else SHOWN
    requests = await read_requests(viewer, (job for one in columns for job in one.jobs[:shown]))
    return render(
        viewer,
        "staff/desk.html",
        columns=columns,
        alone=alone,
        shown=shown,
        choice=choice,
        choices=choices_among([*jobs, *ended], choice),
        nobody=NOBODY,
        is_cut=is_cut,
        deadlines=deadlines_of(requests),
        elsewhere=words_elsewhere(viewer, requests),
    )


@router.get(DESK + "/{work_order_id}")
async def open_job(work_order_id: str, viewer: Staff, done: str = "") -> Response:
    """One job."""
    return _job_page(viewer, *await _read_job(viewer, work_order_id), done=done)


@router.get(DESK + "/{work_order_id}/{step}")
async def go_back(work_order_id: str, step: str, viewer: Staff) -> Response:
    """A form's address, opened as a page."""
    return RedirectResponse(DESK + path(work_order_id), 303)


@router.post(DESK + "/{work_order_id}/plan")
async def plan_job(work_order_id: str, request: Request, viewer: Staff) -> Response:
    """Say who does it and when."""
    form = await read_form(request)
    values = _typed(form, "assigned_to", "scheduled_start", "scheduled_end")
    _, about = await _read_job(viewer, work_order_id)
    viewer = viewer.in_zone(zone_of(about))
    plan, wrong = _plan(form, viewer)
    if wrong:
        return await _refused(viewer, work_order_id, plan=Filling(values, wrong))
    where = path("operations", "work-orders", work_order_id)
    try:
        await _put_plan(viewer, where, plan, form.whole("version"))
    except Problem as problem:
        if problem.status in (401, 404):
            raise
        known = {name: said for name, said in problem.fields.items() if name in values}
        if problem.status == 422 and not known:
            # What the rules of entry refuse names no field: it is always the time.
            known = {"scheduled_start": problem.detail}
        return await _refused(viewer, work_order_id, plan=Filling(values, known, problem))
    return RedirectResponse(f"{DESK}{path(work_order_id)}?done=planned", 303)


@router.post(DESK + "/{work_order_id}/complete")
async def complete_job(work_order_id: str, request: Request, viewer: Staff) -> Response:
    """Close it, with what it really took."""
    form = await read_form(request)
    values = _typed(form, "notes", "actual_cost_usd", "actual_hours")
    numbers = {name: form.number(name) for name in ("actual_cost_usd", "actual_hours")}
    wrong = {
        name: viewer.words.gettext(NO_NUMBER) for name in numbers if values[name] and not _is_number(numbers[name])
    }
    if wrong:
        return await _refused(viewer, work_order_id, completion=Filling(values, wrong))
    where = path("operations", "work-orders", work_order_id, "complete")
    try:
        body = {"notes": values["notes"]} | numbers
        answer = await answer_of(lambda: viewer.api.post(where, body, key=form.key))
    except Problem as problem:
        if problem.status in (401, 404):
            raise
        known = {name: said for name, said in problem.fields.items() if name in values}
        filled = Filling(values, known, problem, key_after(problem, form.key))
        return await _refused(viewer, work_order_id, completion=filled)
    if answer.body["status"] != "Done" or answer.body["notes"] != values["notes"]:
        # A closed job stays as it was closed; whoever comes second must know that nothing of theirs was kept.
        return await _refused(viewer, work_order_id, completion=Filling(values), status=409)
    return RedirectResponse(f"{DESK}{path(work_order_id)}?done=completed", 303)


async def open_jobs(viewer: Viewer) -> tuple[list[Job], bool]:
    """The open jobs, newest first, and whether there are more than were read. Raises `Problem`."""
    found: list[Job] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = (await viewer.api.get("/operations/work-orders", open="true", limit=PAGE, cursor=cursor)).body
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found, False
    return found, True


async def _newest_jobs(viewer: Viewer) -> list[Job]:
    return (await viewer.api.get("/operations/work-orders", limit=PAGE)).body["items"]


async def _put_plan(viewer: Viewer, where: str, plan: Mapping[str, Any], version: int | None) -> None:
    try:
        await viewer.api.put(where, plan, version=version)
    except Problem as problem:
        if problem.status != 412:
            raise
        now = await viewer.api.get(where)
        if now.body["status"] != "Open" or any(now.body[name] != plan[name] for name in plan):
            raise
        # It stands as it was to be, as after a form that was sent twice: once more, so that the resident is told.
        await viewer.api.put(where, plan, version=now.version)


def _plan(form: Form, viewer: Viewer) -> tuple[dict[str, Any], dict[str, str]]:
    """What the interface is asked for, and what is wrong with which field."""
    plan: dict[str, Any] = {"assigned_to": form.optional("assigned_to")}
    wrong: dict[str, str] = {}
    for name in ("scheduled_start", "scheduled_end"):
        try:
            plan[name] = read(form.text(name), viewer.words.zone, form.text(f"{name}_shown"))
        except NoTime:
            wrong[name] = viewer.words.gettext(NO_TIME)
    # What the form said when the times were typed; a decision may have told the building's zone since.
    if form.text("time_zone") not in ("", viewer.words.zone.key):
        wrong["scheduled_start"] = viewer.words.gettext(OTHER_ZONE)
    return plan, wrong


def _typed(form: Form, *names: str) -> dict[str, str]:
    return {name: form.text(name) for name in names}


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


async def _read_job(viewer: Viewer, work_order_id: str) -> tuple[Job, Mapping[str, Any] | None]:
    job = (await viewer.api.get(path("operations", "work-orders", work_order_id))).body
    return job, await read_request(viewer, job["request_id"])


async def _refused(
    viewer: Viewer,
    work_order_id: str,
    *,
    plan: Filling | None = None,
    completion: Filling | None = None,
    status: int | None = None,
) -> Response:
    """The job as it is now, with what was typed; its next plan is one that knows the present version."""
    filled = plan or completion
    problem = filled.problem if filled else None
    job, request = await _read_job(viewer, work_order_id)
    return _job_page(
        viewer, job, request, plan=plan, completion=completion, status=status or (problem.status if problem else 422)
    )


def _job_page(
    viewer: Viewer,
    job: Job,
    request: Mapping[str, Any] | None,
    *,
    plan: Filling | None = None,
    completion: Filling | None = None,
    done: str = "",
    status: int = 200,
) -> Response:
    viewer = viewer.in_zone(zone_of(request))
    zone = viewer.words.zone
    as_it_is = {name: written(job[name], zone) for name in ("scheduled_start", "scheduled_end")}
    stored = Filling({"assigned_to": job["assigned_to"] or "", **as_it_is})
    empty = Filling({"notes": "", "actual_cost_usd": "", "actual_hours": ""})
    return render(
        viewer,
        "staff/job.html",
        status=status,
        job=job,
        request=request,
        plan=plan or stored,
        completion=completion or empty,
        is_stale=plan is not None and plan.problem is not None and plan.problem.status == 412,
        was_closed=completion is not None and job["status"] != "Open",
        kind=viewer.words.gettext(KINDS.get(job["kind"], job["kind"])),
        keeps_time=job["kind"] in FIXED_TIME,
        standing=next(column.title for column in arrange([job], viewer.visitor.clock()) if column.jobs),
        done=viewer.words.gettext(DONE[done]) if done in DONE else "",
    )
