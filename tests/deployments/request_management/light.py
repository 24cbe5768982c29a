"""RequestManagement over HTTP with its real stores and tokens; the other services answer from memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from adapters import build
from adapters.tokens import LocalTokens
from core.errors import NotFound, ServiceUnavailable
from core.labels import ApprovalTier, Role
from core.ports.page import Page
from core.ports.record_keeping import RecordKeeping
from core.record import RequestRecord
from core.request import RequestId
from core.settings import Settings
from deployments.request_management.api.application import build_api
from deployments.request_management.service import RequestManagementService
from tests.builders import NOON, build_event, build_full_record
from tests.clock import ManualClock


class Peers:
    """The three other services: what they are not asked for in these tests does not answer."""

    def __init__(self, **found: Any) -> None:
        """`found` are the things that a call for one thing gives: `work_order`, `what_if` ..."""
        self._found = found

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        async def answer(*_: Any, **__: Any) -> Any:
            if name in self._found:
                return self._found[name]
            if name in ("work_orders", "notifications"):
                return Page((), None)
            if name == "what_if":
                raise NotFound("There is no such run.")
            if name == "authority":
                return ApprovalTier.MANAGER
            if name in ("work_order", "notification", "describe"):
                return None
            if name in ("what_ifs", "cancel_work_orders"):
                return ()
            raise ServiceUnavailable("not here")

        return answer


@dataclass
class Jobs:
    """Notes what is cancelled; does not answer while it is down."""

    is_down: bool = False
    cancelled: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    async def cancel_work_orders(self, request_id: RequestId, *, by: str, reason: str) -> tuple[str, ...]:
        if self.is_down:
            raise ServiceUnavailable("not now")
        self.cancelled.append((request_id, by, reason))
        return ("WO-1",)


@dataclass(frozen=True)
class Light:
    """One application with what stands behind it."""

    settings: Settings
    ports: RecordKeeping
    service: RequestManagementService
    application: FastAPI
    clock: ManualClock

    def client(
        self,
        role: Role | None = None,
        sub: str = "",
        *,
        buildings: list[str] | None = None,
        address: str = "127.0.0.1",
    ) -> httpx.AsyncClient:
        """A client for this caller, or for nobody."""
        headers: dict[str, str] = {}
        if role is not None:
            token = LocalTokens(self.settings.local_key).issue(role, sub, buildings=buildings)
            headers["Authorization"] = f"Bearer {token}"
        transport = httpx.ASGITransport(self.application, raise_app_exceptions=False, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1", headers=headers)

    async def seed(self, record: RequestRecord | None = None, **request: Any) -> RequestId:
        """Store this record, or a full request with these fields, as one with a single event and nothing to send."""
        record = record or build_full_record(**{"created_at": NOON, "updated_at": NOON} | request)
        record = record.model_copy(update={"last_event": 1, "outbox": ()})
        assert await self.ports.store.create(record, [build_event(1)])
        return record.request.request_id


@asynccontextmanager
async def open_light(folder: Path, peers: Peers | None = None, **changes: Any) -> AsyncIterator[Light]:
    """The application on stores in this folder; `changes` are settings, or parts of `RecordKeeping`."""
    own = ("documents", "limits", "tokens", "webhooks", "sender")
    parts = {name: changes.pop(name) for name in own if name in changes}
    settings = Settings(state_dir=folder, **changes)
    opened = build.record_keeping(settings.model_copy(update={"environment": "development", "auth_mode": "local"}))
    ports = replace(opened, **parts)
    clock = ManualClock(NOON + timedelta(hours=1))
    nobody = cast(Any, peers or Peers())
    service = RequestManagementService(settings, ports, nobody, nobody, nobody, clock=clock)
    try:
        yield Light(settings, ports, service, build_api(lambda: service, settings), clock)
    finally:
        await opened.close()
