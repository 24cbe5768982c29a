"""The pages over HTTP on the real four services in one process: for tests in a browser, screenshots and a look."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI

from adapters.tokens import LocalTokens
from bench.one_process import one_process
from bench.schema import served
from core.contract import rfc3339
from core.labels import Role
from core.settings import Settings
from deployments.request_management.api.application import build_api
from deployments.request_management.service import RequestManagementService
from web.pages.sign_in import LOCAL_SESSION as LONG
from web.sessions import KIND, PARTITION, Sessions, cookie_name

PEOPLE = {"sam": Role.STAFF, "bea": Role.STAFF, "mia": Role.MANAGER, "robot": Role.SERVICE}
"""Everybody else is a resident."""
BUILDINGS = {"bea": frozenset({"B"})}


@dataclass
class Site:
    """A running site."""

    url: str
    settings: Settings
    service: RequestManagementService
    loop: asyncio.AbstractEventLoop
    console: list[str] = field(default_factory=list[str])
    """What browsers complained of."""

    def token(self, sub: str) -> str:
        """A bearer token of this person."""
        covered = sorted(BUILDINGS[sub]) if sub in BUILDINGS else None
        return LocalTokens(self.settings.local_key).issue(PEOPLE.get(sub, Role.RESIDENT), sub, buildings=covered)

    def api(self, sub: str) -> httpx.Client:
        """The public interface as this person."""
        headers = {"Authorization": f"Bearer {self.token(sub)}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=40.0)

    def sign_in(self, context: Any, sub: str) -> None:
        """Give a browser's context a session of this person."""
        sessions = Sessions(self.service.documents, self.service.clock)
        principal = self.service.tokens.verify(self.token(sub))
        ends_at = self.service.clock() + LONG

        async def open_session() -> str:
            made = await sessions.open(principal.sub, principal.role, principal.buildings, self.token(sub), ends_at)
            return made.session_id

        session_id = asyncio.run_coroutine_threadsafe(open_session(), self.loop).result(30)
        host = urlsplit(self.url).hostname
        context.add_cookies(
            [{"name": cookie_name(self.settings), "value": session_id, "domain": host, "path": "/", "httpOnly": True}]
        )

    def expire_sessions(self, sub: str) -> None:
        """Let every session of this person have ended."""

        async def expire() -> None:
            documents = self.service.documents
            page = await documents.list(KIND, PARTITION, limit=200)
            for found in page.items:
                if found.body["sub"] == sub:
                    body = {**found.body, "expires_at": rfc3339(self.service.clock())}
                    await documents.put(replace(found, body=body, version=found.version + 1))

        asyncio.run_coroutine_threadsafe(expire(), self.loop).result(30)


@contextmanager
def website(settings: Settings) -> Generator[Site]:
    """Serve the pages in mode `local` from a thread of this process."""
    known: list[tuple[RequestManagementService, asyncio.AbstractEventLoop]] = []

    @asynccontextmanager
    async def opened() -> AsyncGenerator[FastAPI]:
        async with one_process(settings) as service:
            known.append((service, asyncio.get_running_loop()))
            yield build_api(lambda: service, settings)

    with served(opened) as url:
        service, loop = known[0]
        yield Site(url, settings, service, loop)
