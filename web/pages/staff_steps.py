"""What staff do on the page of a request. Each form says which version of the request it was decided on."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from core.execution_labels import ActionKind
from core.labels import Crew, Status
from core.request import Event
from web.api_client import Problem, path
from web.form_keys import NOT_SENT
from web.forms import Form, read_form
from web.pages.staff_request import Attempt, page_of, show
from web.second_click import answer_of
from web.viewer import Staff, Viewer
from web.wording import N_

router = APIRouter()

Step = Callable[[Viewer, str, Form], Awaitable[None]]

NO_VERSION = 0
"""Which no request has: a form that does not say on which version it was decided acts on none."""
INSIDE = frozenset({Crew.OFFICE, Crew.CONCIERGE, Crew.SECURITY})
"""Their work is a task; other crews' is a work order."""


@router.post("/staff/requests/{request_id}/{step}")
async def take_step(request_id: str, step: str, request: Request, viewer: Staff) -> Response:
    """Take the step and show the page anew; a step that was not taken comes back with what was typed."""
    taken = STEPS.get(step)
    if taken is None:
        raise HTTPException(404)
    form = await read_form(request)
    try:
        await taken(viewer, request_id, form)
    except Problem as problem:
        if problem.status in (401, 404):
            raise
        return await _show_again(viewer, request_id, step, form, problem)
    return RedirectResponse(f"{page_of(request_id)}?done={step}", 303)


async def _show_again(viewer: Viewer, request_id: str, step: str, form: Form, problem: Problem) -> Response:
    changes = None
    if problem.status == 412:
        timeline = await viewer.api.get(path("requests", request_id, "events"))
        seen = form.whole("seen") or 0
        events = (Event.model_validate(one) for one in timeline.body["items"])
        changes = [event for event in events if event.sequence > seen]
    return await show(viewer, request_id, attempt=Attempt(step, form.fields, problem, changes))


def _with_remark(name: str) -> Step:
    async def take(viewer: Viewer, request_id: str, form: Form) -> None:
        body = {"comment": form.optional("comment")}
        await _step(viewer, request_id, name, body, form)

    return take


async def _select(viewer: Viewer, request_id: str, form: Form) -> None:
    await _step(viewer, request_id, "select-option", {"option_id": form.text("option_id")}, form)


async def _resolve(viewer: Viewer, request_id: str, form: Form) -> None:
    body = {
        "resolution_notes": form.text("resolution_notes"),
        "actual_cost_usd": figure(form, "actual_cost_usd"),
        "actual_hours": figure(form, "actual_hours"),
    }
    await _step(viewer, request_id, "resolve", body, form)


async def _step(viewer: Viewer, request_id: str, name: str, body: Mapping[str, Any], form: Form) -> None:
    await _post(viewer, path("requests", request_id, name), body, form, version_of(form))


async def _post(
    viewer: Viewer, where: str, body: Mapping[str, Any] | None, form: Form, version: int | None = None
) -> None:
    await answer_of(lambda: viewer.api.post(where, body, key=form.key, version=version))


def _with_status(status: Status) -> Step:
    async def take(viewer: Viewer, request_id: str, form: Form) -> None:
        body = {"status": status, "comment": form.optional("comment")}
        await _amend(viewer, request_id, body, form)

    return take


async def _correct(viewer: Viewer, request_id: str, form: Form) -> None:
    labels = {name: form.text(name) for name in ("category", "urgency") if form.text(name)}
    if not labels:
        raise _refused(viewer, "category", N_("Choose another category or another urgency."))
    if not form.text("comment"):
        raise _refused(viewer, "comment", N_("Say why; the resident can read it."))
    await _amend(viewer, request_id, {**labels, "comment": form.text("comment")}, form)


async def _note_access(viewer: Viewer, request_id: str, form: Form) -> None:
    await _amend(viewer, request_id, {"waiting_for_access": form.text("waiting") == "yes"}, form)


async def _amend(viewer: Viewer, request_id: str, body: Mapping[str, Any], form: Form) -> None:
    await viewer.api.put(path("requests", request_id), body, version=version_of(form))


async def _comment(viewer: Viewer, request_id: str, form: Form) -> None:
    # A comment contradicts nothing that happened in the meantime, so it asks for no version.
    visibility = "internal" if form.text("visibility") == "internal" else "resident"
    words = {"template_id": form.text("template_id")} if form.text("template_id") else {"text": form.text("text")}
    if "template_id" in words and form.text("text"):
        raise _refused(viewer, "text", N_("Choose a saved text or write one of your own, not both."))
    await _post(viewer, path("requests", request_id, "comments"), {**words, "visibility": visibility}, form)


async def _notify(viewer: Viewer, request_id: str, form: Form) -> None:
    parameters = {"recipient_kind": "resident", "subject": form.text("subject"), "body": form.text("body")}
    await _order(viewer, request_id, ActionKind.NOTIFY, parameters, form)


async def _order_job(viewer: Viewer, request_id: str, form: Form) -> None:
    await _require_seen_version(viewer, request_id, form)
    crew = form.text("crew")
    action = ActionKind.CREATE_STAFF_TASK if crew in INSIDE else ActionKind.DISPATCH_WORK_ORDER
    parameters: dict[str, Any] = {"title": form.text("title"), "crew": crew}
    limit = figure(form, "cost_limit_usd")
    if limit is not None:
        parameters["cost_limit_usd"] = limit
    if form.text("instructions"):
        parameters["instructions"] = form.text("instructions")
    await _order(viewer, request_id, action, parameters, form)


async def _order(
    viewer: Viewer, request_id: str, action: ActionKind, parameters: Mapping[str, Any], form: Form
) -> None:
    body = {"request_id": request_id, "action": action, "parameters": parameters}
    await _post(viewer, "/execute", body, form)


async def _require_seen_version(viewer: Viewer, request_id: str, form: Form) -> None:
    """An order has no condition in the interface, so it is looked at just before: nobody orders what another just did.

    Raises `Problem` 412. The form keeps its key: where what changed is this very order, it is not made twice.
    """
    found = await viewer.api.get(path("requests", request_id))
    if found.version != version_of(form):
        raise Problem(412, {"code": NOT_SENT, "detail": "The request has changed."})


async def _retry(viewer: Viewer, request_id: str, form: Form) -> None:
    await _post(viewer, path("executions", form.text("execution_id"), "retry"), None, form)


def version_of(form: Form) -> int:
    """The version that the form was shown with."""
    return form.whole("version") or NO_VERSION


def figure(form: Form, name: str) -> float | str | None:
    """A number; None where nothing was written; the text itself where it is none, for the interface to refuse."""
    text, number = form.text(name), form.number(name)
    if not text:
        return None
    return number if number is not None and math.isfinite(number) else text


def _refused(viewer: Viewer, name: str, why: str) -> Problem:
    said = viewer.words.gettext(why)
    return Problem(422, {"code": "invalid", "detail": said, "errors": [{"loc": ["body", name], "msg": said}]})


STEPS: Mapping[str, Step] = {
    "select-option": _select,
    "approve": _with_remark("approve"),
    "reject": _with_remark("reject"),
    "resolve": _resolve,
    "escalate": _with_remark("escalate"),
    "cancel": _with_remark("cancel"),
    "confirm": _with_remark("confirm"),
    "reopen": _with_remark("reopen"),
    "start": _with_status(Status.IN_PROGRESS),
    "offer": _with_status(Status.AWAITING_SELECTION),
    "access": _note_access,
    "labels": _correct,
    "comments": _comment,
    "notify": _notify,
    "job": _order_job,
    "retry": _retry,
}
"""By the last word of the address."""
