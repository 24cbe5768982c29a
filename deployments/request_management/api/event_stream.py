"""A request's timeline as server-sent events, read from the store, so that every replica sends the same."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from core.errors import AppError, Overloaded, RateLimited, Unauthenticated, Unavailable
from core.identity import Principal
from core.labels import Status
from deployments.request_management.service import RequestManagementService

POLL_S = 0.5
KEEPALIVE_S = 15.0
RECHECK_S = 5.0
"""How often it is looked whether the token still holds and the request is still the caller's to see."""
MOST_STREAMS = 10
"""For one person on one replica."""
CLOSED_FOR_GOOD = frozenset({Status.CLOSED, Status.CANCELLED})
"""A closed request may be reopened, but nobody waits for that: who reopens it connects anew."""


def last_sequence(last_event_id: str | None) -> int:
    """The sequence number of `Last-Event-ID`; 0, the beginning, for what is none."""
    is_number = last_event_id is not None and last_event_id.isdecimal() and last_event_id.isascii()
    return int(last_event_id) if last_event_id is not None and is_number and len(last_event_id) < 10 else 0


async def stream_events(
    request: Request, service: RequestManagementService, caller: Principal, request_id: str, after: int
) -> Response:
    """The events after a sequence number, then each new one, until the request is closed or the token expires.

    204, at which a browser does not connect again, where there is nothing more to come. Raises `NotFound`,
    `RateLimited`, `Overloaded`.
    """
    found = await service.requests.get(caller, request_id)
    if found.status in CLOSED_FOR_GOOD and not await service.requests.events(caller, request_id, after):
        return Response(status_code=204)
    open_streams: Counter[str] = _open_streams(request)
    person = f"{caller.role}:{caller.sub}"
    if open_streams[person] >= MOST_STREAMS:
        raise RateLimited(f"You have {MOST_STREAMS} streams open; close one of them first.")
    if open_streams.total() >= request.app.state.settings.concurrent_streams:
        raise Overloaded("Too many streams are open at once; please try again in a moment, or read the list.")
    stream = Follower(request, service, caller, request_id, after).run()
    return HeldStream(stream, open_streams, person)


class HeldStream(StreamingResponse):
    """A stream that counts among its person's until it ends, whoever ends it."""

    def __init__(self, stream: AsyncIterator[bytes], open_streams: Counter[str], person: str) -> None:
        headers: Mapping[str, str] = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        super().__init__(stream, media_type="text/event-stream", headers=headers)
        self._open_streams = open_streams
        self._person = person
        open_streams[person] += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._open_streams[self._person] -= 1
            if self._open_streams[self._person] <= 0:
                del self._open_streams[self._person]


class Follower:
    """Follows one request for one caller."""

    def __init__(
        self, request: Request, service: RequestManagementService, caller: Principal, request_id: str, after: int
    ) -> None:
        self._token = request.headers.get("authorization", "").partition(" ")[2].strip()
        self._service = service
        self._caller = caller
        self._request_id = request_id
        self._after = after

    async def run(self) -> AsyncIterator[bytes]:
        """The stream; it ends where nothing more can come, or nothing more may be shown."""
        loop = asyncio.get_running_loop()
        sent_at = checked_at = loop.time()
        while True:
            try:
                chunks, ended = await self._news()
            except Unavailable:
                # The client stays; what it misses now comes as soon as the store answers.
                chunks, ended = (), False
            except AppError:
                return
            if not chunks and loop.time() - sent_at >= KEEPALIVE_S:
                chunks = (KEEPALIVE_COMMENT,)
            for chunk in chunks:
                yield chunk
                sent_at = loop.time()
            if ended:
                return
            await asyncio.sleep(POLL_S)
            if loop.time() - checked_at >= RECHECK_S:
                checked_at = loop.time()
                if not await self._may_go_on():
                    return

    async def _news(self) -> tuple[tuple[bytes, ...], bool]:
        """What is to be sent, and whether nothing more can come. The request is read only where there is news."""
        requests = self._service.requests
        newest = await requests.newest_event(self._request_id, self._after)
        if newest == self._after:
            return (), False
        # The status first: the events that are read after it are all those that led to it.
        found = await requests.get(self._caller, self._request_id)
        events = await requests.events(self._caller, self._request_id, self._after)
        # The newest may be for staff only.
        self._after = max([newest, *(event.sequence for event in events)])
        chunks = tuple(
            format_sse_event(data_str=event.model_dump_json(), event=event.kind, id=str(event.sequence))
            for event in events
        )
        return chunks, found.status in CLOSED_FOR_GOOD

    async def _may_go_on(self) -> bool:
        return await self._token_holds() and await self._is_visible()

    async def _is_visible(self) -> bool:
        try:
            await self._service.requests.get(self._caller, self._request_id)
        except Unavailable:
            return True
        except AppError:
            return False
        return True

    async def _token_holds(self) -> bool:
        try:
            principal = await asyncio.to_thread(self._service.tokens.verify, self._token)
        except Unauthenticated:
            return False
        except AppError:
            # Whoever issues the tokens does not answer; nothing says that this one has ended.
            return True
        return principal == self._caller


def _open_streams(request: Request) -> Counter[str]:
    state = request.app.state
    if not hasattr(state, "open_streams"):
        state.open_streams = Counter[str]()
    return state.open_streams
