"""The pages alone, over a real document store and an interface that records what it is asked: quick to make."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.documents_sqlite import SqliteDocumentStore
from adapters.tokens import LocalTokens
from core.labels import Role
from core.ports.identity import TokenVerifier
from core.settings import Settings
from web.application import build_pages
from web.sessions import Session, Sessions, cookie_name

BASE = "http://aam.test"


@dataclass
class Recorder:
    """An interface that answers all the same; it stands for one that is down, or refuses."""

    status: int = 200
    calls: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append((scope["method"], scope["path"]))
        headers = dict(scope["headers"])
        self.tokens.append(headers.get(b"authorization", b"").decode().removeprefix("Bearer "))
        body = {"code": "x", "detail": "Refused.", "items": [], "next_cursor": None}
        await JSONResponse(body, self.status)(scope, receive, send)


@dataclass
class SmallBackstage:
    """What pages need, with a clock that can be put forward."""

    settings: Settings
    documents: SqliteDocumentStore
    tokens: TokenVerifier
    ahead: timedelta = timedelta()

    @property
    def clock(self) -> Callable[[], datetime]:
        return lambda: datetime.now(UTC) + self.ahead

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.documents, self.clock)

    async def open(self, sub: str, role: Role = Role.RESIDENT, **more: Any) -> Session:
        assert isinstance(self.tokens, LocalTokens)
        until = self.clock() + timedelta(hours=1)
        return await self.sessions.open(sub, role, None, self.tokens.issue(role, sub), until, **more)


@dataclass
class SmallPages:
    """The pages and what is behind them."""

    backstage: SmallBackstage
    api: Recorder
    application: ASGIApp

    def browser(self, session: Session | None = None, base: str = BASE, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.application, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url=base, headers=headers)
        if session is not None:
            # As the answer's own cookie would lie there, so that an answer can replace it.
            client.cookies.set(cookie_name(self.backstage.settings), session.session_id, domain="aam.test")
        return client


def make_pages(folder: Path, tokens: TokenVerifier | None = None, **settings: Any) -> SmallPages:
    chosen = Settings(state_dir=folder, **settings)
    documents = SqliteDocumentStore(folder / "documents.sqlite3")
    backstage = SmallBackstage(chosen, documents, tokens or LocalTokens(folder / "key"))
    recorder = Recorder()
    return SmallPages(backstage, recorder, build_pages(lambda: backstage, recorder))
