"""Saved replies: everybody of the staff reads them, managers keep them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.labels import Role
from web.api_client import Problem, path
from web.form_keys import key_after
from web.forms import Form, read_form
from web.rendering import render
from web.second_click import answer_of
from web.viewer import Manager, Staff, Viewer
from web.wording import N_

router = APIRouter()

DONE: Mapping[str, str] = {
    "saved": N_("The reply was saved."),
    "changed": N_("The reply was changed."),
    "removed": N_("The reply was removed."),
}
GAPS = (
    "request_id",
    "resident_id",
    "building_id",
    "unit",
    "status",
    "category",
    "urgency",
    "trade",
    "selected_option",
    "resolution_due_at",
)
"""What may stand in braces; the interface refuses others and names those that there are."""


@dataclass(frozen=True)
class Draft:
    """A reply that somebody filled in and that was refused."""

    form: Form
    problem: Problem
    template_id: str = ""
    """Which one was to be changed; empty for a new one."""

    @property
    def key(self) -> str | None:
        """For the form as it is shown again; None for a fresh one."""
        return key_after(self.problem, self.form.key)


@router.get("/staff/templates")
async def open_templates(viewer: Staff, request: Request) -> Response:
    """All that the caller may use, oldest first."""
    return await _page(viewer, request, done=DONE.get(request.query_params.get("done", "")))


@router.post("/staff/templates")
async def save_template(request: Request, viewer: Manager) -> Response:
    """Save a new one."""
    form = await read_form(request)
    body = {"name": form.text("name"), "text": form.text("text"), "building_id": form.optional("building_id")}
    try:
        await answer_of(lambda: viewer.api.post("/templates", body, key=form.key))
    except Problem as problem:
        return await _refused(viewer, request, Draft(form, problem))
    return RedirectResponse("/staff/templates?done=saved", 303)


@router.post("/staff/templates/{template_id}")
async def change_template(template_id: str, request: Request, viewer: Manager) -> Response:
    """Change or remove one, unless somebody else has changed it since it was shown."""
    form = await read_form(request)
    where = path("templates", template_id)
    try:
        if form.text("step") == "remove":
            await viewer.api.delete(where, version=form.whole("version"))
            return RedirectResponse("/staff/templates?done=removed", 303)
        body = {"name": form.text("name"), "text": form.text("text")}
        await viewer.api.put(where, body, version=form.whole("version"))
    except Problem as problem:
        return await _refused(viewer, request, Draft(form, problem, template_id))
    return RedirectResponse("/staff/templates?done=changed", 303)


@router.get("/staff/templates/{template_id}")
async def leave_template(template_id: str, viewer: Staff) -> Response:
    """Who reloads a refusal is led back to the list."""
    return RedirectResponse("/staff/templates", 303)


async def _refused(viewer: Viewer, request: Request, draft: Draft) -> Response:
    if draft.problem.status == 401:
        raise draft.problem
    return await _page(viewer, request, status=draft.problem.status, draft=draft)


async def _page(
    viewer: Viewer, request: Request, *, status: int = 200, done: str | None = None, draft: Draft | None = None
) -> Response:
    listed = await _listed(viewer, request.query_params.get("cursor"))
    return render(
        viewer,
        "staff/templates.html",
        status=status,
        templates=listed["items"],
        next_cursor=listed["next_cursor"],
        done=viewer.words.gettext(done) if done else None,
        draft=draft,
        gaps=GAPS,
        buildings=viewer.session.stored.buildings,
        may_change=viewer.role is Role.MANAGER,
    )


async def _listed(viewer: Viewer, cursor: str | None) -> Mapping[str, Any]:
    try:
        return (await viewer.api.get("/templates", cursor=cursor)).body
    except Problem as problem:
        if problem.code != "invalid_cursor":
            raise
    return (await viewer.api.get("/templates")).body
