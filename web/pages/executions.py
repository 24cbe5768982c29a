"""What could not be carried out and waits for a person, and how the outside systems do."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from web.api_client import Problem, path
from web.form_keys import key_after
from web.forms import read_form
from web.rendering import render
from web.second_click import answer_of
from web.viewer import Staff, Viewer
from web.wording import N_

router = APIRouter()

EXECUTIONS = "/staff/executions"
PAGE = 25
DONE: Mapping[str, str] = {"retried": N_("It is tried again. What was done before is not done twice.")}


@router.get(EXECUTIONS)
async def list_given_up(viewer: Staff, done: str = "", cursor: str | None = None) -> Response:
    """What was given up, the newest first."""
    return await _page(viewer, cursor=cursor, done=done)


@router.get(EXECUTIONS + "/{execution_id}/retry")
async def go_back(execution_id: str, viewer: Staff) -> Response:
    """A form's address, opened as a page."""
    return RedirectResponse(EXECUTIONS, 303)


@router.post(EXECUTIONS + "/{execution_id}/retry")
async def retry(execution_id: str, request: Request, viewer: Staff) -> Response:
    """Try one again."""
    form = await read_form(request)
    try:
        await answer_of(lambda: viewer.api.post(path("executions", execution_id, "retry"), key=form.key))
    except Problem as problem:
        if problem.status == 401:
            raise
        return await _page(viewer, problem=problem, kept_keys={execution_id: key_after(problem, form.key)})
    return RedirectResponse(f"{EXECUTIONS}?done=retried", 303)


async def _page(
    viewer: Viewer,
    *,
    cursor: str | None = None,
    done: str = "",
    problem: Problem | None = None,
    kept_keys: Mapping[str, str | None] = MappingProxyType({}),
) -> Response:
    given_up, systems = await asyncio.gather(
        viewer.api.get("/executions", limit=PAGE, cursor=cursor), viewer.api.get("/operations/systems")
    )
    return render(
        viewer,
        "staff/executions.html",
        status=problem.status if problem else 200,
        executions=given_up.body["items"],
        next_cursor=given_up.body["next_cursor"],
        is_first=cursor is None,
        systems=systems.body["items"],
        problem=problem,
        kept_keys=kept_keys,
        done=viewer.words.gettext(DONE[done]) if done in DONE else "",
    )
