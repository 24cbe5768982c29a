"""A local server that speaks Gemini's REST protocol and answers as it is told, well or badly."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Json = dict[str, Any]
USAGE: Json = {"promptTokenCount": 1500, "candidatesTokenCount": 60, "totalTokenCount": 1560}
LABELS: Json = {
    "category": "Billing",
    "urgency": "Medium",
    "intent": "solve_problem",
    "trade": None,
    "confidence": 0.9,
    "issues": [],
}


@dataclass(frozen=True)
class Reply:
    """What the server answers to one call."""

    body: Json | str
    status: int = 200
    after_s: float = 0.0
    drop: bool = False
    """Cut the connection instead of answering."""


def said(text: str, *, finish: str | None = "STOP", usage: Json | None = USAGE, **more: Any) -> Reply:
    """A finished candidate with this text."""
    candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    body: Json = {"candidates": [candidate], "modelVersion": "gemini-local", "responseId": "r-1"}
    return Reply({**body, "usageMetadata": usage} if usage is not None else body, **more)


def labels(**changes: Any) -> Reply:
    """A classification in the wanted form, with changes."""
    return said(json.dumps({**LABELS, **changes}))


def blocked(reason: str = "SAFETY") -> Reply:
    """The prompt is refused; there is no candidate."""
    return Reply({"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 1500}})


def cut_off(finish: str) -> Reply:
    """A candidate without content that was stopped for this reason."""
    return Reply({"candidates": [{"finishReason": finish, "index": 0}], "usageMetadata": USAGE})


def error(code: int, status: str, message: str = "no", *, retry_s: float | None = None) -> Reply:
    """An error object of Google's APIs, with `google.rpc.RetryInfo` where it asks for a pause."""
    problem: Json = {"code": code, "message": message, "status": status}
    if retry_s is not None:
        quota = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "PerMinute"}]}
        pause = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_s:g}s"}
        problem["details"] = [quota, pause]
    return Reply({"error": problem}, status=code)


@dataclass(frozen=True)
class Call:
    """What came in."""

    model: str
    headers: Mapping[str, str]
    body: Json

    @property
    def content(self) -> Json:
        """The user turn, which is a JSON object."""
        return json.loads(self.body["contents"][0]["parts"][0]["text"])

    @property
    def instruction(self) -> str:
        """The system instruction."""
        return self.body["systemInstruction"]["parts"][0]["text"]


@dataclass
class GeminiServer:
    """Gives its replies in turn, the last again and again."""

    replies: list[Reply | Callable[[Call], Reply]] = field(default_factory=lambda: [labels()])
    calls: list[Call] = field(default_factory=list)
    server: TestServer | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        assert self.server is not None
        return str(self.server.make_url("")).rstrip("/")

    def script(self, *replies: Reply | Callable[[Call], Reply]) -> None:
        """Answer with these from now on."""
        self.replies = list(replies)

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        app = web.Application()
        app.router.add_post("/v1beta/models/{model}:generateContent", self._generate)
        self.server = TestServer(app)
        await self.server.start_server()

    async def stop(self) -> None:
        """Close."""
        assert self.server is not None
        await self.server.close()

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.match_info["model"], dict(request.headers), await request.json())
        self.calls.append(call)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        reply = reply(call) if callable(reply) else reply
        await asyncio.sleep(reply.after_s)
        if reply.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(reply.body, str):
            return web.Response(text=reply.body, status=reply.status, content_type="text/html")
        return web.json_response(reply.body, status=reply.status)
