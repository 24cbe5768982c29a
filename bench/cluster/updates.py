"""Each deployment's replicas are replaced under load; what clients notice is counted."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from bench.cluster.nodes import ClusterGraph, names_of
from bench.cluster.shape import with_new_replicas
from core.labels import Role

WRITERS, READERS = 3, 3
QUIET_S = 15.0
UPDATED_WITHIN_S = 240.0
AFTER_S = 5.0


@dataclass
class Seen:
    """What clients that never repeat a call saw."""

    answers: Counter[str] = field(default_factory=Counter[str])
    """By status, or by the error's name."""
    ended: list[float] = field(default_factory=list[float])
    """When each answer came, in seconds of the monotonic clock."""
    longest_s: float = 0.0
    """The slowest call."""

    @property
    def failed(self) -> int:
        """Calls with any answer but the wanted one."""
        return sum(count for name, count in self.answers.items() if name not in ("200", "201", "202"))

    @property
    def stall_s(self) -> float:
        """The longest time in which no call of any client was answered."""
        return max((after - before for before, after in itertools.pairwise(sorted(self.ended))), default=0.0)


@dataclass(frozen=True)
class Updated:
    """One update."""

    deployment: str
    took_s: float
    replaced: int
    seen: Seen


class Load:
    """Residents who submit and wait, and staff who read, without a pause and without a second try."""

    def __init__(self, graph: ClusterGraph) -> None:
        self._graph = graph
        self._number = itertools.count()
        self.seen = Seen()

    async def run(self) -> None:
        """Until it is cancelled."""
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(self._write(session, f"RES_A_{101 + number}"))
            for _ in range(READERS):
                group.create_task(self._read(session))

    async def _write(self, session: aiohttp.ClientSession, resident: str) -> None:
        headers = self._graph.headers(Role.RESIDENT, resident) | {"Prefer": "wait=20"}
        while True:
            body = {"message_text": f"The tap in my kitchen drips all night (no. {next(self._number)})"}
            await self._call(session, "POST", "/requests", headers, body)

    async def _read(self, session: aiohttp.ClientSession) -> None:
        headers = self._graph.headers(Role.STAFF, "sam")
        while True:
            await self._call(session, "GET", "/requests?limit=5", headers, None)
            await asyncio.sleep(0.05)

    async def _call(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, str] | None,
    ) -> None:
        seen, began = self.seen, time.monotonic()
        try:
            async with session.request(method, f"{self._graph.url}{path}", json=body, headers=headers) as answer:
                text = await answer.text()
                name = str(answer.status)
                if answer.status >= 400:
                    print(f"    {method} {path}: {name} {text[:200]}", flush=True)
        except (aiohttp.ClientError, TimeoutError) as error:
            name = type(error).__name__
            print(f"    {method} {path}: {error!r}", flush=True)
        seen.answers[name] += 1
        seen.ended.append(time.monotonic())
        seen.longest_s = max(seen.longest_s, time.monotonic() - began)
        if not name.startswith("2"):
            await asyncio.sleep(0.2)


async def update_each(graph: ClusterGraph) -> tuple[Seen, list[Updated]]:
    """What is seen without an update, and with that of each deployment, one after another."""
    load = Load(graph)
    task = asyncio.create_task(load.run())
    try:
        # The first calls open models and pages; what they take is no stall.
        await asyncio.sleep(AFTER_S)
        quiet = load.seen = Seen()
        await asyncio.sleep(QUIET_S)
        updated: list[Updated] = []
        for name in names_of(graph.config):
            updated.append(await _update(graph, load, name))
            one = updated[-1]
            print(f"  {name}: {one.took_s:.0f} s, {dict(one.seen.answers)}, stall {one.seen.stall_s:.2f} s", flush=True)
        return quiet, updated
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _update(graph: ClusterGraph, load: Load, name: str) -> Updated:
    before = await asyncio.to_thread(graph.replica_ids, name)
    load.seen = seen = Seen()
    began = time.monotonic()
    await asyncio.to_thread(graph.deploy, with_new_replicas(graph.config, name))
    end = began + UPDATED_WITHIN_S
    while before & await asyncio.to_thread(graph.replica_ids, name):
        if time.monotonic() > end:
            raise AssertionError(f"{name} still has old replicas after {UPDATED_WITHIN_S:.0f} s")
        await asyncio.sleep(0.5)
    await asyncio.to_thread(graph.wait_until_deployed)
    took_s = time.monotonic() - began
    await asyncio.sleep(AFTER_S)
    return Updated(name, took_s, len(before), seen)


def table(quiet: Seen, found: Sequence[Updated]) -> str:
    """As Markdown."""
    lines = [
        "| updated | took, s | calls | failed | worst stall, s | slowest call, s |",
        "| --- | --- | --- | --- | --- | --- |",
        _row("nothing", QUIET_S, quiet),
        *(_row(f"{each.deployment}, {each.replaced} replicas", each.took_s, each.seen) for each in found),
    ]
    return "\n".join(lines)


def _row(what: str, took_s: float, seen: Seen) -> str:
    figures = f"{seen.answers.total()} | {seen.failed} | {seen.stall_s:.2f} | {seen.longest_s:.2f}"
    return f"| {what} | {took_s:.0f} | {figures} |"
