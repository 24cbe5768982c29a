"""How the viewer wishes to be told, and what is held about them."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.labels import Role
from core.notices import LANGUAGES
from web.api_client import Problem, path
from web.forms import Form, read_form
from web.home_zone import home_zone
from web.language import COOKIE
from web.notice_words import CHANNELS
from web.preference_form import (
    PACES,
    WRONG,
    ZONES,
    Json,
    differences,
    kinds_of,
    offered_channels,
    preferences_of,
    rows_of,
    wrong_fields,
)
from web.rendering import render
from web.sessions import is_over_tls
from web.viewer import Anybody, Resident, Viewer, Visitor
from web.wording import N_

router = APIRouter()

OWN = "/me/notification-preferences"
SHOWN_AGAIN = frozenset({400, 409, 412, 422, 429, 503})
DONE = {"saved": N_("Your preferences were saved.")}
A_YEAR_S = 31_536_000


@router.get("/preferences")
async def open_preferences(viewer: Anybody, done: str = "") -> Response:
    """The form as it is stored."""
    stored = (await viewer.api.get(OWN)).body
    return await _show(viewer, stored, stored, done=viewer.words.gettext(DONE[done]) if done in DONE else None)


@router.post("/preferences")
async def save_preferences(request: Request, viewer: Anybody) -> Response:
    """Save all of it; what somebody else saved meanwhile is not overwritten unseen."""
    form = await read_form(request)
    stored = (await viewer.api.get(OWN)).body
    typed = preferences_of(form, stored, kinds_of(is_resident=viewer.role is Role.RESIDENT))
    try:
        # A form without its version has seen nothing of what it would overwrite.
        await viewer.api.put(OWN, typed, version=form.whole("version") or 0)
    except Problem as problem:
        if problem.status not in SHOWN_AGAIN:
            raise
        return await _show(viewer, stored, typed, form=form, problem=problem)
    answer = RedirectResponse("/preferences?done=saved", 303)
    keep_language(answer, viewer.visitor, str(typed["language"]))
    return answer


@router.get("/preferences/data")
async def download_data(request: Request, viewer: Resident) -> Response:
    """Everything that is held about the resident, as the interface hands it out."""
    return viewer.api.forward(path("residents", viewer.sub, "export"), request.scope)


def keep_language(answer: Response, visitor: Visitor, language: str) -> None:
    """The pages speak it from now on, too."""
    if language in LANGUAGES:
        secure = is_over_tls(visitor.settings)
        answer.set_cookie(COOKIE, language, max_age=A_YEAR_S, path="/", httponly=True, samesite="lax", secure=secure)


async def _show(
    viewer: Viewer,
    stored: Json,
    shown: Json,
    *,
    form: Form | None = None,
    problem: Problem | None = None,
    done: str | None = None,
) -> Response:
    is_resident = viewer.role is Role.RESIDENT
    is_stale = problem is not None and problem.status == 412
    zone = shown["time_zone"]
    wrong = wrong_fields(problem.fields, viewer.words) if problem else {}
    context: dict[str, Any] = {
        "preferences": shown,
        "quiet": shown["quiet_hours"] or {"start": "21:00", "end": "08:00"},
        "rows": rows_of(shown, kinds_of(is_resident=is_resident), viewer.words),
        "channels": offered_channels(stored, is_resident=is_resident),
        "channel_names": CHANNELS,
        "paces": PACES,
        "zones": ZONES if zone is None or zone in ZONES else (*ZONES, zone),
        # Of a home that nobody has written from yet, the zone is not known here.
        "house_zone": await home_zone(viewer) if is_resident else viewer.visitor.settings.time_zone,
        # Who has seen what changed may save over it; any other refusal leaves the version that was seen.
        "version": stored["version"] if form is None or is_stale else form.text("version"),
        "changed": differences(stored, shown, viewer.words) if is_stale else (),
        "is_stale": is_stale,
        "wrong": wrong,
        "other_wrong": sorted({told for name, told in wrong.items() if name not in WRONG}),
        "problem": problem,
        "done": done,
        "is_resident": is_resident,
    }
    status = problem.status if problem else 200
    return render(viewer, "resident/preferences.html", status=status, headers={"Cache-Control": "no-store"}, **context)
