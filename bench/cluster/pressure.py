"""Four loads, each of which presses one deployment and leaves the other three nearly alone."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from bench.cluster.nodes import ClusterGraph
from core.labels import Role
from tests.outside.billing_server import SECRET, BillingServer
from tests.outside.faults import Fault
from tests.outside.faulty_server import Call

STREAMS = 170
"""Open timelines: more than two replicas of RequestManagement are meant to hold (64 each), fewer than four refuse."""
CALLERS, SEARCHERS = 24, 48
ORDERS, ORDERED_OF = 500, 20
"""Commands, and requests that they are about; those of one request are carried out one after another."""
SECRET_VARIABLE = "CLUSTER_SECRET"
MESSAGE = "The kitchen tap drips since Monday, the cabinet below is damp, and the hallway light flickers all evening."
SEARCH = {"query": "how long may a repair of the heating take"}


class SlowLockers(BillingServer):
    """Looks for parcels, two seconds each, for as long as it is told to be slow."""

    is_slow = True

    def fault_for(self, call: Call) -> Fault | None:
        return Fault.SLOW if self.is_slow and call.method == "POST" else None


@contextmanager
def slow_lockers(folder: Path) -> Generator[tuple[SlowLockers, dict[str, str]]]:
    """The outside system, and the variables by which the graph knows it."""
    mapping = {"path": "/credits", "body": {"account": "parameters.resident_id"}, "external_id": "id", "is_done": True}
    with SlowLockers() as server:
        server.slow_s = 2.0
        system = {
            "kind": "webhook",
            "name": "lockers",
            "url": server.url,
            "network": "private",
            "secret_variable": SECRET_VARIABLE,
            "policy": {"timeout_s": 8, "attempts": 1, "concurrency": 4},
            "actions": {"trace_parcel": mapping},
        }
        path = folder / "systems.yaml"
        path.write_text(yaml.safe_dump({"systems": [system], "routes": {"trace_parcel": "lockers"}}))
        yield server, {"AAM_SYSTEMS_FILE": str(path), SECRET_VARIABLE: SECRET}


@dataclass(frozen=True)
class Pressure:
    """A load for as long as the context is open."""

    deployment: str
    what: str
    press: Callable[[], contextlib.AbstractAsyncContextManager[None]]


class Presser:
    """Makes the four loads over HTTP, as clients would."""

    def __init__(self, graph: ClusterGraph, session: aiohttp.ClientSession, lockers: SlowLockers) -> None:
        self._graph = graph
        self._session = session
        self._lockers = lockers
        self._staff = graph.headers(Role.STAFF, "sam")
        self.refused: dict[str, int] = {}
        """Answers other than the wanted ones, by status."""

    def pressures(self) -> tuple[Pressure, ...]:
        """One for each deployment."""
        return (
            Pressure("RequestManagement", f"{STREAMS} open timelines", self._timelines),
            Pressure("AIProcessing", f"{CALLERS} callers of POST /explain", self._explanations),
            Pressure("DecisionSimulation", f"{SEARCHERS} callers of POST /rag/retrieve", self._searches),
            Pressure("Execution", f"{ORDERS} commands for an outside system that takes 2 s", self._commands),
        )

    async def submit(self, text: str, wait_s: int = 20) -> dict[str, Any]:
        """One request of a resident."""
        headers = self._graph.headers(Role.RESIDENT, "RES_A_101") | {"Prefer": f"wait={wait_s}"}
        url = f"{self._graph.url}/requests"
        async with self._session.post(url, json={"message_text": text}, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()

    @asynccontextmanager
    async def _timelines(self) -> AsyncGenerator[None]:
        request_id = (await self.submit("The hallway light outside my door flickers all evening"))["request_id"]
        url = f"{self._graph.url}/requests/{request_id}/events"
        number = itertools.count()

        async def read() -> None:
            # One person may have a few open timelines only.
            headers = self._graph.headers(Role.STAFF, f"staff-{next(number)}") | {"Accept": "text/event-stream"}
            async with self._session.get(url, headers=headers) as answer:
                if not self._is_wanted(answer.status):
                    await asyncio.sleep(0.5)
                async for _ in answer.content:
                    pass

        async with self._repeated(STREAMS, read):
            yield

    @asynccontextmanager
    async def _explanations(self) -> AsyncGenerator[None]:
        async with self._repeated(CALLERS, lambda: self._post("/explain", {"message_text": MESSAGE})):
            yield

    @asynccontextmanager
    async def _searches(self) -> AsyncGenerator[None]:
        async with self._repeated(SEARCHERS, lambda: self._post("/rag/retrieve", SEARCH)):
            yield

    @asynccontextmanager
    async def _commands(self) -> AsyncGenerator[None]:
        self._lockers.is_slow = True
        text = "My parcel shows delivered yesterday but it is not in the locker"
        requests = [await self.submit(f"{text} ({number})") for number in range(ORDERED_OF)]
        ids = iter([requests[number % ORDERED_OF]["request_id"] for number in range(ORDERS)])

        async def order_rest() -> None:
            for request_id in ids:
                parameters = {"resident_id": "RES_A_101", "description": "A parcel that is not in the locker."}
                body = {"request_id": request_id, "action": "trace_parcel", "parameters": parameters}
                await self._post("/execute", body)

        await asyncio.gather(*(order_rest() for _ in range(8)))
        try:
            yield
        finally:
            self._lockers.is_slow = False

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        async with self._session.post(f"{self._graph.url}{path}", json=body, headers=self._staff) as answer:
            await answer.read()
            if not self._is_wanted(answer.status):
                await asyncio.sleep(0.5)

    def _is_wanted(self, status: int) -> bool:
        if status in (200, 202):
            return True
        self.refused[str(status)] = self.refused.get(str(status), 0) + 1
        return False

    @asynccontextmanager
    async def _repeated(self, times: int, call: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
        """So many at once, each again as soon as it is over."""

        async def again() -> None:
            while True:
                try:
                    await call()
                except (aiohttp.ClientError, TimeoutError) as error:
                    name = type(error).__name__
                    self.refused[name] = self.refused.get(name, 0) + 1
                    await asyncio.sleep(0.5)

        tasks = [asyncio.create_task(again()) for _ in range(times)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
