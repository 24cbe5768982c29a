"""What somebody was writing when their session ended: to send it now, or to throw it away."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from web.forms import read_form
from web.kept_forms import FIELD_NAMES, forget_form, has_kept_cookie, kept_forms_of, take_kept_cookie
from web.rendering import render
from web.viewer import Anybody

router = APIRouter()


@router.get("/kept-form")
async def open_kept_forms(viewer: Anybody) -> Response:
    """The forms that this person had not sent when their session ended, in this browser."""
    forms = await kept_forms_of(viewer.visitor, viewer.sub)
    if forms:
        return render(viewer, "sign_in/kept_form.html", forms=forms, field_names=FIELD_NAMES)
    answer = RedirectResponse("/", 303)
    if has_kept_cookie(viewer.visitor):
        take_kept_cookie(answer, viewer.visitor)
    return answer


@router.post("/kept-form/forget")
async def throw_away(request: Request, viewer: Anybody) -> Response:
    """Forget one of them."""
    form = await read_form(request)
    await forget_form(viewer.visitor, form.text("place"))
    return RedirectResponse("/kept-form", 303)
