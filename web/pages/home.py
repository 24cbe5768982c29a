"""The front door: everybody is led to where their work begins; and the language of the pages."""

import logging

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.labels import Role
from core.notices import LANGUAGES
from web import csrf
from web.api_client import Problem
from web.forms import Form, read_form
from web.pages.preferences import OWN, keep_language
from web.safe_return import safe_return
from web.viewer import AnyVisitor, Visitor, client_for

router = APIRouter()
log = logging.getLogger(__name__)

FIRST_PAGES = {
    Role.RESIDENT: "/home",
    Role.STAFF: "/staff",
    Role.MANAGER: "/staff",
    Role.SERVICE: "/operations",
}
TOLD = frozenset({Role.RESIDENT, Role.STAFF, Role.MANAGER})
"""Roles whose people are written to."""


@router.get("/")
async def open_front_door(visitor: AnyVisitor) -> Response:
    """Each role's first page; the sign-in for who has not signed in."""
    return RedirectResponse(FIRST_PAGES[visitor.role] if visitor.role else "/sign-in", 303)


@router.post("/language")
async def choose_language(request: Request, visitor: AnyVisitor) -> Response:
    """Keep the language in a cookie and, of who has signed in, among their preferences; and go back."""
    form = await read_form(request)
    answer = RedirectResponse(safe_return(form.text("next")), 303)
    keep_language(answer, visitor, form.text("language"))
    if _is_their_own(form, visitor) and form.text("language") in LANGUAGES:
        await _prefer(visitor, form.text("language"))
    return answer


def _is_their_own(form: Form, visitor: Visitor) -> bool:
    """Whether the form has the token of their session: the address itself takes forms of who has not signed in."""
    session = visitor.session
    return session is not None and csrf.is_valid(session.stored.csrf_secret, form.text(csrf.FIELD))


async def _prefer(visitor: Visitor, language: str) -> None:
    """Write to them in this language, too. The pages speak it in any case, so that no failure here stops the switch."""
    if visitor.role not in TOLD:
        return
    api = client_for(visitor)
    try:
        stored = (await api.get(OWN)).body
        if stored["language"] != language:
            chosen = {name: value for name, value in stored.items() if name != "version"} | {"language": language}
            await api.put(OWN, chosen, version=stored["version"])
    except Problem as problem:
        log.warning("the language %s was not kept as a preference: %s", language, problem)
