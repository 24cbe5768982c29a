"""Puts the pages together, beside the interface in one application."""

from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI, Request
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import AppError
from web import failures
from web.backstage import Backstage
from web.forms import close_form, require_own_form
from web.pages import ROUTERS
from web.plain_words import PlainWords, is_interface
from web.rendering import STATIC
from web.sessions import Sessions, session_id_of
from web.settled_forms import settle_form
from web.untaken_alerts import note_untaken


def build_pages(backstage: Callable[[], Backstage], api: ASGIApp) -> ASGIApp:
    """The pages; `api` is the whole application, by which they read and act as the person who looks at them."""
    # Settled before the answer is sent: whoever follows it finds the form gone.
    dependencies = [Depends(settle_form, scope="function"), Depends(require_own_form), Depends(note_untaken)]
    pages = FastAPI(openapi_url=None, dependencies=dependencies)
    pages.state.backstage = backstage
    pages.state.api = api
    failures.install(pages)
    for router in ROUTERS:
        pages.include_router(router)
    pages.mount("/static", GZipMiddleware(_KeptFiles(StaticFiles(directory=STATIC)), minimum_size=1024))
    return pages


class PagesMiddleware:
    """Gives the pages what is not the interface's."""

    def __init__(self, app: ASGIApp, pages: ASGIApp) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_interface(scope["path"]):
            await self._app(scope, receive, send)
            return
        # A copy: the pages' application writes itself into it.
        own = {**scope, "state": scope.get("state", {})}
        try:
            await self._pages(own, receive, send)
        finally:
            scope["route"], scope["path_params"] = own.get("route"), own.get("path_params")
            await close_form(own)


PlainWordsMiddleware = PlainWords


def visitors_known_to(backstage: Callable[[], Backstage]) -> Callable[[Request], Awaitable[bool]]:
    """Tells whether a call comes from a browser with a session, also one that has ended lately."""

    async def is_known(request: Request) -> bool:
        behind = backstage()
        session_id = session_id_of(request, behind.settings)
        if session_id is None:
            return False
        try:
            return await Sessions(behind.documents, behind.clock).find(session_id) is not None
        except AppError:
            return False

    return is_known


class _KeptFiles:
    """Static files, which a browser may keep: a file's address changes with its content."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = b"public, max-age=31536000, immutable" if b"v=" in scope["query_string"] else b"no-cache"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [pair for pair in message["headers"] if pair[0] != b"cache-control"]
                message["headers"] = [*others, (b"cache-control", kept)]
            await send(message)

        await self._app(scope, receive, answer)
