"""The plan that the graph replaces: the same service classes behind four FastAPI processes that call each other.

`python -m bench.microservices SERVICE --port P [--ai URL --decision URL --execution URL] [--gather]`
"""

import argparse
import pickle
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import uvicorn
from fastapi import FastAPI, Request, Response

from bench.handles import HttpHandle
from bench.one_process import request_management
from core.messages import AssessItem, ResolveItem
from core.settings import Settings, load_settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.execution.deployment import open_service
from deployments.request_management.api.application import build_api
from deployments.request_management.handles import AIProcessingHandle, DecisionSimulationHandle
from deployments.request_management.service import RequestManagementService


def serve_calls(make: Callable[[Settings], Any], settings: Settings) -> FastAPI:
    """A service whose methods are called by POST, arguments and results pickled."""
    held: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        held["service"] = make(settings)
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/call/{method}")
    async def call(method: str, request: Request) -> Response:
        args, kwargs = pickle.loads(await request.body())
        result = getattr(held["service"], method)(*args, **kwargs)
        if hasattr(result, "__await__"):
            result = await result
        return Response(pickle.dumps(result), media_type="application/octet-stream")

    return app


def started_execution(settings: Settings) -> Any:
    """Execution with its consumer running."""
    service = open_service(settings)
    service.start()
    return service


def serve_ingress(settings: Settings, urls: dict[str, str], gather: bool) -> FastAPI:
    """The public API, whose three peers are behind HTTP."""
    held: list[RequestManagementService] = []
    stack = AsyncExitStack()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        if not gather:
            _one_call_for_each_request()
        async with stack:
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)))
            ai, decision, execution = (HttpHandle(session, urls[name]) for name in ("ai", "decision", "execution"))
            service = request_management(settings, ai, decision, execution)
            held.append(await stack.enter_async_context(service))
            yield

    app = build_api(lambda: held[0], settings)
    app.router.lifespan_context = lifespan
    return app


def _one_call_for_each_request() -> None:
    """As the plan had it: no gathering of concurrent requests into one call."""

    async def assess(self: Any, item: AssessItem) -> Any:
        return (await self._handle.assess.remote([item]))[0]

    async def resolve(self: Any, item: ResolveItem) -> Any:
        return (await self._handle.resolve.remote([item]))[0]

    AIProcessingHandle.assess = assess
    DecisionSimulationHandle.resolve = resolve


def main() -> None:
    """Serve one of the four until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("service", choices=["ai", "decision", "execution", "ingress"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--gather", action="store_true")
    for name in ("ai", "decision", "execution"):
        parser.add_argument(f"--{name}", default="")
    options = parser.parse_args()
    settings = load_settings()
    apps: dict[str, Callable[[], FastAPI]] = {
        "ai": lambda: serve_calls(AIProcessing, settings),
        "decision": lambda: serve_calls(DecisionSimulation, settings),
        "execution": lambda: serve_calls(started_execution, settings),
        "ingress": lambda: serve_ingress(settings, vars(options), options.gather),
    }
    uvicorn.run(apps[options.service](), host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
