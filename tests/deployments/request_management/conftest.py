"""RequestManagement over HTTP in one process: the real store, queue, models and knowledge base, without Ray."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from adapters.tokens import LocalTokens
from core.labels import Role
from core.settings import Settings
from deployments.request_management.api.application import build_api
from deployments.request_management.service import RequestManagementService
from tests.deployments.request_management.erasure_world import opened, settle_in
from tests.deployments.request_management.light import Light, open_light

Client = Callable[..., httpx.AsyncClient]


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which both residents of `erasure_world` have lived."""
    folder = tmp_path_factory.mktemp("lived") / "state"

    async def live() -> None:
        async with opened(folder) as world:
            await settle_in(world)

    asyncio.run(live())
    return folder


@pytest.fixture
def folder(lived_in: Path, tmp_path: Path) -> Path:
    """A copy of `lived_in` to change."""
    shutil.copytree(lived_in, tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
async def client(settings: Settings, service: RequestManagementService) -> AsyncIterator[Client]:
    """Makes a client for a caller: `client(Role.RESIDENT, "RES_A_101")`, or `client()` for nobody."""
    application = build_api(lambda: service, settings)
    tokens = LocalTokens(settings.local_key)
    opened: list[httpx.AsyncClient] = []

    def make(role: Role | None = None, sub: str = "", *, buildings: list[str] | None = None) -> httpx.AsyncClient:
        token = tokens.issue(role, sub, buildings=buildings) if role else None
        opened.append(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(application, raise_app_exceptions=False),
                base_url="http://testserver/api/v1",
                headers={"Authorization": f"Bearer {token}"} if token else {},
            )
        )
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()


@pytest.fixture
def resident(client: Client) -> httpx.AsyncClient:
    return client(Role.RESIDENT, "RES_A_101")


@pytest.fixture
def neighbour(client: Client) -> httpx.AsyncClient:
    return client(Role.RESIDENT, "RES_A_102")


@pytest.fixture
def staff(client: Client) -> httpx.AsyncClient:
    return client(Role.STAFF, "sam")


@pytest.fixture
def manager(client: Client) -> httpx.AsyncClient:
    return client(Role.MANAGER, "mia")


@pytest.fixture
async def light(tmp_path: Path) -> AsyncIterator[Light]:
    async with open_light(tmp_path) as made:
        yield made


@pytest.fixture
async def light_staff(light: Light) -> AsyncIterator[httpx.AsyncClient]:
    async with light.client(Role.STAFF, "sam") as client:
        yield client
