"""Who looks at a page: their session, their language, and the interface as they may use it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, cast
from urllib.parse import quote

from fastapi import Depends, Request
from starlette.types import ASGIApp

from core.labels import Role
from core.settings import Settings
from web import csrf
from web.api_client import ApiClient
from web.backstage import Backstage
from web.language import Words, language_of, words_in
from web.session_renewal import renewed
from web.sessions import Session, Sessions, session_id_of


class SignInNeeded(Exception):
    """Nobody has signed in, or the session has ended."""


class NotForYou(Exception):
    """The page is for other roles."""


class ForgedForm(Exception):
    """A form without our token, or from another site."""


@dataclass(frozen=True)
class Visitor:
    """Whoever asks for a page, signed in or not."""

    request: Request
    backstage: Backstage
    words: Words
    session: Session | None
    """None also where it has ended."""
    ended: Session | None = None
    """The session that has ended, where there was one."""

    @property
    def settings(self) -> Settings:
        """Of this installation."""
        return self.backstage.settings

    @property
    def clock(self) -> Callable[[], datetime]:
        """The present moment, in UTC."""
        return self.backstage.clock

    @property
    def sessions(self) -> Sessions:
        """All of them."""
        return Sessions(self.backstage.documents, self.backstage.clock)

    @property
    def role(self) -> Role | None:
        """As whom they signed in."""
        return self.session.role if self.session else None

    @property
    def untaken_alerts(self) -> int | None:
        """How many alerts nobody has taken, on the pages of the staff; None where nobody asked or it can't be told."""
        return getattr(self.request.state, "untaken_alerts", None)

    def csrf_token(self) -> str:
        """For one form of this page; empty where nobody has signed in."""
        return csrf.make_token(self.session.stored.csrf_secret) if self.session else ""


@dataclass(frozen=True)
class Viewer:
    """A signed-in person."""

    visitor: Visitor
    session: Session
    api: ApiClient
    """The public interface as they may use it."""

    @property
    def sub(self) -> str:
        """Their id; a resident's is the resident id."""
        return self.session.sub

    @property
    def role(self) -> Role:
        """As whom they signed in."""
        return self.session.role

    @property
    def words(self) -> Words:
        """Their language."""
        return self.visitor.words

    def in_zone(self, time_zone: str | None) -> "Viewer":
        """The same person, who is told the times of this zone (IANA), such as a building's."""
        if time_zone is None or time_zone == self.words.zone.key:
            return self
        words = words_in(self.words.language, time_zone)
        return replace(self, visitor=replace(self.visitor, words=words))


async def visitor_of(request: Request) -> Visitor:
    """Whoever asks; remembered for the rest of the call."""
    known = getattr(request.state, "visitor", None)
    if isinstance(known, Visitor):
        return known
    backstage: Backstage = request.app.state.backstage()
    found = await Sessions(backstage.documents, backstage.clock).find(session_id_of(request, backstage.settings))
    if found is not None:
        found = await renewed(found, backstage)
    is_over = found is not None and found.is_over(backstage.clock())
    words = words_in(language_of(request), backstage.settings.time_zone)
    visitor = Visitor(request, backstage, words, None if is_over else found, found if is_over else None)
    request.state.visitor = visitor
    return visitor


def unknown_visitor(request: Request) -> Visitor:
    """Whoever asks, while it can't be told who that is."""
    backstage: Backstage = request.app.state.backstage()
    return Visitor(request, backstage, words_in(language_of(request), backstage.settings.time_zone), None)


AnyVisitor = Annotated[Visitor, Depends(visitor_of)]


async def viewer_of(visitor: AnyVisitor) -> Viewer:
    """The signed-in person. Raises `SignInNeeded`."""
    if visitor.session is None:
        raise SignInNeeded
    return Viewer(visitor, visitor.session, client_for(visitor))


def client_for(visitor: Visitor) -> ApiClient:
    """The public interface as this visitor may use it."""
    request = visitor.request
    api = cast(ASGIApp, request.app.state.api)
    client = (request.client.host, request.client.port) if request.client else ("127.0.0.1", 0)
    correlation = str(request.scope.get("state", {}).get("correlation_id") or "pages")
    token = visitor.session.token if visitor.session else None
    return ApiClient(api, token, correlation, client, visitor.words.language)


def _only(*roles: Role) -> Callable[[Viewer], "Viewer"]:
    async def require(viewer: Annotated[Viewer, Depends(viewer_of)]) -> Viewer:
        if viewer.role not in roles:
            raise NotForYou
        return viewer

    return cast(Callable[[Viewer], Viewer], require)


Anybody = Annotated[Viewer, Depends(viewer_of)]
Resident = Annotated[Viewer, Depends(_only(Role.RESIDENT))]
Staff = Annotated[Viewer, Depends(_only(Role.STAFF, Role.MANAGER))]
Manager = Annotated[Viewer, Depends(_only(Role.MANAGER))]
Analyst = Annotated[Viewer, Depends(_only(Role.STAFF, Role.MANAGER, Role.SERVICE))]
"""Who may look behind the scenes without belonging to a building."""


def sign_in_address(visitor: Visitor) -> str:
    """Where to sign in, and to come back from; a form's own address is no page to come back to."""
    request = visitor.request
    back = "/"
    if request.method in ("GET", "HEAD"):
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?next={quote(back, safe='')}"
