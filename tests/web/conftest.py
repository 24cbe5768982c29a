"""The pages over HTTP: the real four services in one process, and clients that sign in as people do."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from html import unescape

import httpx
import pytest
from fastapi import FastAPI

from adapters.tokens import LocalTokens
from core.labels import Role
from core.settings import Settings
from deployments.request_management.api.application import build_api
from deployments.request_management.service import RequestManagementService
from web.pages.sign_in import LOCAL_SESSION
from web.sessions import Sessions, cookie_name

BASE = "http://testserver"


@pytest.fixture
def application(settings: Settings, service: RequestManagementService) -> FastAPI:
    return build_api(lambda: service, settings)


class Person(httpx.AsyncClient):
    """A browser without script: keeps cookies, follows redirects, and posts the forms that it was shown."""

    token: str = ""
    """For the interface itself."""

    async def page(self, address: str, *, status: int = 200) -> str:
        """The HTML of a page."""
        answer = await self.get(address)
        assert answer.status_code == status, f"{address}: {answer.status_code}\n{answer.text[:2000]}"
        return answer.text

    async def submit(
        self, html: str, action: str, fields: dict[str, object] | None = None, **files: object
    ) -> httpx.Response:
        """Post the first form of the page that goes to `action`, with its hidden fields and these."""
        return await self.post(action, data=hidden_fields(html, action) | (fields or {}), **files)


def hidden_fields(html: str, action: str) -> dict[str, object]:
    """The hidden fields of the first form that posts to `action`."""
    found = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', html, re.DOTALL)
    assert found, f"there is no form for {action}"
    hidden: dict[str, object] = {}
    for tag in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", found.group(1)):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            hidden[name.group(1)] = unescape(value.group(1)) if value else ""
    return hidden


SignIn = Callable[..., "asyncio.Future[Person]"]


@pytest.fixture
async def sign_in(
    application: FastAPI, service: RequestManagementService, settings: Settings
) -> AsyncIterator[Callable[..., object]]:
    """`await sign_in(Role.STAFF, "sam")`: a person with a session, without going through the sign-in page."""
    opened: list[Person] = []
    tokens = LocalTokens(settings.local_key)

    async def make(role: Role | None = None, sub: str = "", *, buildings: list[str] | None = None) -> Person:
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        person = Person(transport=transport, base_url=BASE, follow_redirects=True)
        opened.append(person)
        if role is not None:
            person.token = tokens.issue(role, sub, buildings=buildings)
            sessions = Sessions(service.documents, service.clock)
            covered = frozenset(buildings) if buildings is not None else None
            session = await sessions.open(sub, role, covered, person.token, service.clock() + LOCAL_SESSION)
            person.cookies.set(cookie_name(settings), session.session_id)
        return person

    yield make
    for person in opened:
        await person.aclose()


@pytest.fixture
async def resident(sign_in: Callable[..., object]) -> Person:
    return await sign_in(Role.RESIDENT, "RES_A_101")  # type: ignore[misc]


@pytest.fixture
async def staff(sign_in: Callable[..., object]) -> Person:
    return await sign_in(Role.STAFF, "sam")  # type: ignore[misc]


@pytest.fixture
async def manager(sign_in: Callable[..., object]) -> Person:
    return await sign_in(Role.MANAGER, "mia")  # type: ignore[misc]
