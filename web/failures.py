"""What a page says where something went wrong, in words that tell people what to do now."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core.errors import AppError
from web import csrf
from web.api_client import Problem
from web.failure_reasons import reason_of
from web.forms import read_form
from web.kept_forms import FIELD_NAMES, WITHOUT_WORDS, give_kept_cookie, keep_form, written_in
from web.rendering import render
from web.safe_return import safe_return
from web.sessions import take_cookie
from web.viewer import ForgedForm, NotForYou, SignInNeeded, Visitor, sign_in_address, unknown_visitor, visitor_of

log = logging.getLogger(__name__)

_MARKS = frozenset(
    {"back", "column", "execution_id", "option_id", "place", "request", "scheduled_end_shown", "scheduled_start_shown"}
) | {"seen", "step", "view", "confirmed", "template_id", "earlier_id"}
"""Fields that tell a form what it is about, besides those that are technical in every form."""


def install(pages: FastAPI) -> None:
    """Answer every error of a page as a page."""
    pages.add_exception_handler(SignInNeeded, _on_sign_in_needed)
    pages.add_exception_handler(NotForYou, _on_not_for_you)
    pages.add_exception_handler(ForgedForm, _on_forged_form)
    pages.add_exception_handler(Problem, _on_problem)
    pages.add_exception_handler(AppError, _on_app_error)
    pages.add_exception_handler(HTTPException, _on_http_error)
    pages.add_exception_handler(RequestValidationError, _on_validation_error)
    pages.add_exception_handler(Exception, _on_unexpected)


async def failure(request: Request, status: int, detail: str = "", correlation_id: str = "") -> Response:
    """The page that says so."""
    visitor = await visitor_of(request)
    return _failure_page(visitor, await _sent(request), status, detail, correlation_id)


async def _sent(request: Request) -> Mapping[str, tuple[str, ...]]:
    """What somebody wrote into the form that failed, for whoever has just sent it; of another site's form nothing."""
    if request.method != "POST" or csrf.is_from_elsewhere(request) or request.url.path.startswith(WITHOUT_WORDS):
        return {}
    try:
        lists = (await read_form(request)).lists
    except (HTTPException, ClientDisconnect, RuntimeError):
        # What can't be read is not there to be shown; Starlette's RuntimeError says that the body is gone.
        return {}
    return {name: values for name, values in written_in(lists).items() if name not in _MARKS}


def _failure_page(
    visitor: Visitor, sent: Mapping[str, tuple[str, ...]], status: int, detail: str = "", correlation_id: str = ""
) -> Response:
    title, advice = reason_of(status)
    request = visitor.request
    may_retry = status in (429, 500, 503) and request.method == "GET"
    return render(
        visitor,
        "failure.html",
        status=status,
        headers=({"Cache-Control": "no-store"} if sent else {}) | ({"Retry-After": "5"} if status == 503 else {}),
        title=visitor.words.gettext(title),
        advice=visitor.words.gettext(advice),
        detail=detail,
        correlation_id=correlation_id or getattr(request.state, "correlation_id", ""),
        fields=sent,
        field_names=FIELD_NAMES,
        retry=safe_return(request.url.path) if may_retry else "",
    )


async def _on_sign_in_needed(request: Request, error: Exception) -> Response:
    visitor = await visitor_of(request)
    if request.headers.get("accept", "").startswith("application/json"):
        # A script asks: it keeps what it has, and says so.
        return Response(status_code=401)
    kept = await keep_form(request, visitor)
    if visitor.session is not None:
        # The interface knows this session's token no longer: whoever went on with it would come back here for ever.
        await visitor.sessions.end(visitor.session.session_id)
    if kept is None and request.method == "POST":
        answer = await _show_what_was_sent(request, visitor)
    else:
        answer = RedirectResponse(sign_in_address(visitor), 303)
    if kept is not None:
        give_kept_cookie(answer, kept, visitor)
    if visitor.session is not None:
        take_cookie(answer, visitor.settings)
    return answer


async def _show_what_was_sent(request: Request, visitor: Visitor) -> Response:
    """To whoever has just sent it, and to nobody else: it can't be told whose it was, or is too long to keep."""
    fields = written_in((await read_form(request)).lists)
    if not fields:
        return RedirectResponse(sign_in_address(visitor), 303)
    unknown = unknown_visitor(request)
    return render(unknown, "sign_in/not_kept.html", status=401, fields=fields, field_names=FIELD_NAMES)


async def _on_not_for_you(request: Request, error: Exception) -> Response:
    return await failure(request, 403)


async def _on_forged_form(request: Request, error: Exception) -> Response:
    visitor = await visitor_of(request)
    detail = visitor.words.gettext("The form was not sent from this page, or is too old. Open the page anew.")
    return await failure(request, 403, detail)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    if error.status == 401:
        return await _on_sign_in_needed(request, error)
    # Errors of ours say nothing that helps; what was refused says why.
    detail = error.detail if error.status < 500 else ""
    return await failure(request, error.status, detail, error.correlation_id)


async def _on_app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    if error.status >= 500:
        log.warning("page %s: %s: %s", request.method, error.code, error.detail)
        return await failure_without_session(request, error.status)
    return await failure(request, error.status, error.detail)


async def failure_without_session(request: Request, status: int) -> Response:
    """As `failure`, where the store that keeps sessions may be what does not answer."""
    try:
        return await failure(request, status)
    except AppError:
        return _failure_page(unknown_visitor(request), await _sent(request), status)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await failure(request, error.status_code)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    return await failure(request, 404)


async def _on_unexpected(request: Request, error: Exception) -> Response:
    log.error("page %s failed", request.method, exc_info=error)
    return await failure_without_session(request, 500)
