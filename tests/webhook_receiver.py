"""A receiver of webhooks on this machine, which keeps what it gets and answers as a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from aiohttp import web
from standardwebhooks.webhooks import Webhook


@dataclass
class Receiver:
    """What came, oldest first."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])
    answers: list[int | None] = field(default_factory=list[int | None])
    """The statuses of the next answers, None for none at all; 204 where none is left."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    came_at: list[datetime] = field(default_factory=list[datetime])

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.came_at.append(self.clock())
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, body))
        status = self.answers.pop(0) if self.answers else 204
        if status is None:
            await asyncio.sleep(60)
        return web.Response(status=status or 204, headers=self.headers)

    def events(self, secret: str) -> list[dict[str, Any]]:
        """What came, each with a signature that the library accepts at the moment when it came."""
        found: list[dict[str, Any]] = []
        for (headers, body), came_at in zip(self.got, self.came_at, strict=True):
            moment = type("Moment", (datetime,), {"now": classmethod(lambda _, tz=None, at=came_at: at.astimezone(tz))})
            with mock.patch("standardwebhooks.webhooks.datetime", moment):
                found.append(Webhook(secret).verify(body, headers))
        return found


@asynccontextmanager
async def receiving(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"{'https' if context else 'http'}://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
