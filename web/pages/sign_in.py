"""Signing in and out. In mode `local`, which production refuses, as whoever one likes; in mode `oidc` at the issuer."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from core.labels import Role
from core.ports.identity import TokenIssuer
from web.forms import read_form
from web.kept_forms import has_kept_cookie, has_kept_form, kept_forms_of, take_kept_cookie
from web.login_states import COOKIE, LASTS, LoginState, LoginStates
from web.rendering import render
from web.safe_return import safe_return
from web.sessions import (
    Session,
    give_cookie,
    give_named_cookie,
    named_cookie,
    session_id_of,
    take_cookie,
    take_named_cookie,
)
from web.sign_in_oidc import Admission, Reason, SignInRefused, issuer_of
from web.viewer import AnyVisitor, Visitor
from web.wording import N_

log = logging.getLogger(__name__)
router = APIRouter()

LOCAL_SESSION = timedelta(hours=12)
KEPT_FORM_PAGE = "/kept-form"
_LONGEST_CODE = 4096


@dataclass(frozen=True)
class SamplePerson:
    """Whom one may sign in as in mode `local`."""

    role: Role
    sub: str
    description: str
    buildings: tuple[str, ...] | None = None


SAMPLES = (
    SamplePerson(Role.RESIDENT, "RES_A_101", N_("Resident of building A, home 101")),
    SamplePerson(Role.RESIDENT, "RES_A_102", N_("Their neighbour in home 102")),
    SamplePerson(Role.RESIDENT, "RES_B_201", N_("Resident of building B, home 201")),
    SamplePerson(Role.STAFF, "sam", N_("Staff of all buildings")),
    SamplePerson(Role.STAFF, "bea", N_("Staff of building B alone"), ("B",)),
    SamplePerson(Role.MANAGER, "mia", N_("Manager of all buildings")),
)

REFUSALS: Mapping[Reason, tuple[int, str, str]] = {
    "not_set_up": (
        503,
        N_("Nobody can sign in yet"),
        N_("Signing in is not set up here. Whoever runs this service finds in its log which settings are missing."),
    ),
    "expired": (
        400,
        N_("That took too long"),
        N_("Signing in has to be finished within ten minutes, in the browser in which it began. Please begin anew."),
    ),
    "mismatch": (
        400,
        N_("You are not signed in"),
        N_("The answer does not belong to the sign-in that this browser began last. Please begin anew."),
    ),
    "denied": (
        403,
        N_("You are not signed in"),
        N_("The sign-in was cancelled, or your account may not use this service."),
    ),
    "refused": (400, N_("You are not signed in"), N_("The sign-in could not be finished. Please begin anew.")),
    "no_role": (
        403,
        N_("Your account has no role here"),
        N_("You have an account, but nobody has said what you are here: resident, staff or manager. Ask the office."),
    ),
    "unavailable": (
        503,
        N_("Signing in does not work just now"),
        N_("The service that checks who you are does not answer. Please try again in a moment. In danger, call 911."),
    ),
}
"""By reason: the status, the title and the advice."""


@router.get("/sign-in")
async def open_sign_in(visitor: AnyVisitor, next: str = "/") -> Response:
    """Where one signs in; who has signed in already is led on."""
    back = safe_return(next)
    if visitor.session is not None:
        return RedirectResponse(back, 303)
    is_kept = await has_kept_form(visitor)
    if _local_issuer(visitor) is not None:
        return render(visitor, "sign_in/local.html", samples=SAMPLES, next=back, is_kept=is_kept)
    return render(visitor, "sign_in/oidc.html", next=back, is_kept=is_kept)


@router.post("/sign-in")
async def sign_in_locally(request: Request, visitor: AnyVisitor) -> Response:
    """Sign in as one of the samples. Where the issuer says who somebody is, there is no such thing."""
    form, issuer = await read_form(request), _local_issuer(visitor)
    if issuer is None:
        raise HTTPException(404)
    chosen = next((one for one in SAMPLES if one.sub == form.text("sub")), None)
    if chosen is None:
        return RedirectResponse("/sign-in", 303)
    buildings = list(chosen.buildings) if chosen.buildings is not None else None
    token = issuer.issue(chosen.role, chosen.sub, valid_for=LOCAL_SESSION, buildings=buildings)
    return await open_session(visitor, token, safe_return(form.text("next")))


@router.get("/sign-in/start")
async def start_sign_in(visitor: AnyVisitor, next: str = "/") -> Response:
    """On to the issuer, with what its answer has to fit to in a cookie."""
    _require_oidc(visitor)
    back = safe_return(next)
    try:
        beginning = await issuer_of(visitor.settings).begin()
    except SignInRefused as error:
        return _refuse(visitor, error.reason, back)
    login = LoginState(state=beginning.state, nonce=beginning.nonce, verifier=beginning.verifier, back=back)
    login_id = await _logins(visitor).keep(login)
    answer = RedirectResponse(beginning.address, 303)
    give_named_cookie(answer, COOKIE, login_id, visitor.settings, kept=LASTS)
    return answer


@router.get("/sign-in/callback")
async def finish_sign_in(
    visitor: AnyVisitor, state: str = "", code: str = "", error: str = "", iss: str | None = None
) -> Response:
    """The issuer's answer: a session for who has a role here, else a page that says why not."""
    _require_oidc(visitor)
    logins, login_id = _logins(visitor), visitor.request.cookies.get(named_cookie(COOKIE, visitor.settings), "")
    login = await logins.find(login_id)
    if login is None:
        return _refuse(visitor, "expired", "/")
    if not login.fits(state) or iss not in (None, visitor.settings.oidc_issuer):
        # The sign-in that this browser did begin stays as it is.
        return _refuse(visitor, "mismatch", login.back)
    if not await logins.use(login_id):
        return _refuse(visitor, "expired", login.back)
    try:
        admission = await _admission(visitor, login, code, error)
    except SignInRefused as refused:
        answer = _refuse(visitor, refused.reason, login.back)
    else:
        answer = await _open(visitor, admission, login.back)
    take_named_cookie(answer, COOKIE, visitor.settings)
    return answer


async def open_session(visitor: Visitor, token: str, back: str) -> Response:
    """A session for the token's holder, and on to where they came from. Raises `Unauthenticated`."""
    principal = visitor.backstage.tokens.verify(token)
    return await _open(visitor, Admission(principal, token, visitor.clock() + LOCAL_SESSION, None, None), back)


@router.post("/sign-out")
async def sign_out(visitor: AnyVisitor) -> Response:
    """End the session on every device that holds it."""
    session = visitor.session
    await visitor.sessions.end(session_id_of(visitor.request, visitor.settings))
    address = await _sign_out_address(visitor, session) if visitor.settings.auth_mode == "oidc" else None
    answer = _signed_out(visitor, address) if address else RedirectResponse("/sign-in", 303)
    take_cookie(answer, visitor.settings)
    # The next person at this device must not find pages that were seen. Not "storage", too: drafts and messages that
    # wait are kept there by script alone, which asks and then removes this person's; what others wait to send stays.
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


async def _admission(visitor: Visitor, login: LoginState, code: str, error: str) -> Admission:
    if error:
        # What the address says is anybody's text: it chooses among our sentences, and is shown nowhere.
        reasons: Mapping[str, Reason] = {
            "access_denied": "denied",
            "temporarily_unavailable": "unavailable",
            "server_error": "unavailable",
        }
        raise SignInRefused(reasons.get(error, "refused"))
    if not 0 < len(code) <= _LONGEST_CODE:
        raise SignInRefused("refused")
    issuer = issuer_of(visitor.settings)
    return await issuer.complete(code, login.nonce, login.verifier, visitor.backstage.tokens)


async def _open(visitor: Visitor, admission: Admission, back: str) -> Response:
    await visitor.sessions.end(session_id_of(visitor.request, visitor.settings))
    principal = admission.principal
    session = await visitor.sessions.open(
        principal.sub,
        principal.role,
        principal.buildings,
        admission.token,
        admission.expires_at,
        admission.refresh_token,
        sign_out_hint=admission.id_token,
        before=visitor.session or visitor.ended,
    )
    has_kept = bool(await kept_forms_of(visitor, session.sub))
    answer = RedirectResponse(KEPT_FORM_PAGE if has_kept else back, 303)
    if not has_kept and has_kept_cookie(visitor):
        take_kept_cookie(answer, visitor)
    give_cookie(answer, session, visitor.settings)
    return answer


async def _sign_out_address(visitor: Visitor, session: Session | None) -> str | None:
    try:
        return await issuer_of(visitor.settings).sign_out_address(session.sign_out_hint if session else None)
    except SignInRefused:
        # Here they are signed out in any case; why the issuer was not asked stands in the log.
        return None


def _signed_out(visitor: Visitor, address: str) -> Response:
    # A page and no redirect: after a form was posted, a policy of `form-action` holds for redirects, too.
    left = Visitor(visitor.request, visitor.backstage, visitor.words, None)
    return render(left, "sign_in/signed_out.html", address=address)


def _refuse(visitor: Visitor, reason: Reason, back: str) -> Response:
    status, title, advice = REFUSALS[reason]
    words = visitor.words
    headers = {"Retry-After": "5"} if status == 503 else None
    return render(
        visitor,
        "sign_in/refused.html",
        status=status,
        headers=headers,
        title=words.gettext(title),
        advice=words.gettext(advice),
        next=back,
    )


def _logins(visitor: Visitor) -> LoginStates:
    return LoginStates(visitor.backstage.documents, visitor.clock)


def _local_issuer(visitor: Visitor) -> TokenIssuer | None:
    settings, tokens = visitor.settings, visitor.backstage.tokens
    is_allowed = settings.auth_mode == "local" and settings.environment != "production"
    return tokens if is_allowed and isinstance(tokens, TokenIssuer) else None


def _require_oidc(visitor: Visitor) -> None:
    if visitor.settings.auth_mode != "oidc":
        raise HTTPException(404)
