"""One fault run from its first message to its figures."""

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.running_graph import Graph
from bench.soak import faults, later
from bench.soak.checks import Findings, check_due_actions, check_world
from bench.soak.conversation import Clients, Tally
from bench.soak.faults import Faults, Kill
from bench.soak.residents import Life, messages
from bench.soak.world import World, oldest_due_s, read_world, unsettled
from core.settings import Settings

SETTLED_WITHIN_S = 300.0
LAG_EVERY_S = 0.5
UNLIMITED = "1000000/minute"


@dataclass
class Lag:
    """How long due work waited, without and with a kill being felt."""

    quiet_s: list[float] = field(default_factory=lambda: [0.0])
    recovering_s: list[float] = field(default_factory=lambda: [0.0])


@dataclass
class Report:
    """What a run gave."""

    seed: int
    requests: int
    tally: Tally
    kills: list[Kill]
    lag: Lag
    load_s: float
    settled_s: float
    world: World
    findings: Findings
    late_kills: list[float] = field(default_factory=list[float])
    due_actions: Counter[str] = field(default_factory=Counter[str])
    late_world: World | None = None
    late_findings: Findings = field(default_factory=Findings)

    @property
    def all_findings(self) -> tuple[Findings, Findings]:
        """Of the load, and of what came later."""
        return self.findings, self.late_findings


def new_graph(settings: Settings, folder: Path) -> Graph:
    """A graph on a state folder of its own, without limits of rate: all callers come from one address."""
    fresh = settings.model_copy(update={"state_dir": folder / "state"})
    limits = {"AAM_RATE_LIMIT_RESIDENT": UNLIMITED, "AAM_RATE_LIMIT_ADDRESS": UNLIMITED}
    return Graph(fresh, folder / "graph.log", limits)


async def put_to_the_test(
    graph: Graph, *, requests: int, planned: Sequence[str], seed: int, concurrency: int = 8
) -> Report:
    """Send messages and kill what is planned meanwhile, wait until all is done, stop the graph, and check.

    The graph must be running.
    """
    tally, lag = Tally(), Lag()
    clients = Clients(graph, tally, random.Random(seed))
    life = Life(clients, random.Random(seed + 1))
    killing = Faults(graph, random.Random(seed + 2), planned, lambda: len(tally.acknowledged), requests)
    watch = asyncio.create_task(_watch(graph.settings, lag, killing))
    began = time.monotonic()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(killing.run())
            texts = messages(requests, random.Random(seed))
            group.create_task(life.submit_all(texts, concurrency, killing.may_send))
        await life.finish()
        load_s = time.monotonic() - began
        await _settle(graph.settings)
        settled_s = time.monotonic() - began - load_s
    finally:
        watch.cancel()
        await clients.close()
    await asyncio.to_thread(graph.stop)
    world = await read_world(graph.settings)
    findings = check_world(world, tally.acknowledged, tally.texts)
    findings.wrong.extend(tally.unexpected)
    return Report(seed, requests, tally, killing.kills, lag, load_s, settled_s, world, findings)


async def live_on(report: Report, settings: Settings, kills: int) -> None:
    """Let the weeks pass in which timers fire, with kills, and add what came of it to the report."""
    report.late_kills = await asyncio.to_thread(later.run_killed, settings, kills, random.Random(report.seed + 3))
    after = await read_world(settings)
    report.late_findings, report.due_actions = check_due_actions(report.world, after)
    for kind, found in vars(check_world(after, report.tally.acknowledged, report.tally.texts)).items():
        getattr(report.late_findings, kind).extend(found)
    report.late_world = after


async def _watch(settings: Settings, lag: Lag, killing: Faults) -> None:
    while True:
        samples = lag.recovering_s if killing.recovering else lag.quiet_s
        samples.append(await asyncio.to_thread(oldest_due_s, settings))
        await asyncio.sleep(LAG_EVERY_S)


async def _settle(settings: Settings) -> None:
    end = time.monotonic() + SETTLED_WITHIN_S
    while (left := await unsettled(settings)) and time.monotonic() < end:
        await asyncio.sleep(0.5)
    if left:
        print(f"  not settled after {SETTLED_WITHIN_S:.0f} s: {left}", flush=True)


def table(report: Report) -> str:
    """The figures as Markdown."""
    tally, took = report.tally, [kill.recovered_s for kill in report.kills] or [0.0]
    by_kind = {kind: [kill.recovered_s for kill in report.kills if kill.what == kind] for kind in _kinds(report)}
    lost = sum(len(findings.lost) for findings in report.all_findings)
    doubled = sum(len(findings.doubled) for findings in report.all_findings)
    wrong = sum(len(findings.wrong) for findings in report.all_findings)
    rows = [
        ("seed", report.seed),
        ("submitted", len(tally.texts)),
        ("acknowledged", len(tally.acknowledged)),
        ("calls answered", _shown(tally.calls)),
        ("calls repeated", f"{tally.retries.total()}: {_shown(tally.retries)}"),
        ("load, settling", f"{report.load_s:.0f} s, {report.settled_s:.0f} s"),
        ("kills", len(report.kills)),
        *((f"back after a kill of {kind}, s", _spread(found)) for kind, found in by_kind.items()),
        ("back after a kill, s", f"p50 {statistics.median(took):.1f}, max {max(took):.1f}"),
        (
            "due work waited at most",
            f"{max(report.lag.quiet_s):.1f} s; {max(report.lag.recovering_s):.1f} s until back after a kill",
        ),
        ("statuses", _shown(report.world.statuses)),
        ("executions, jobs, messages", _outside(report.world)),
    ]
    if report.late_world is not None:
        rows += [
            ("kills of the sweeper later", len(report.late_kills)),
            ("due actions later, each once", f"{report.due_actions.total()}: {_shown(report.due_actions)}"),
            ("statuses later", _shown(report.late_world.statuses)),
            ("executions, jobs, messages later", _outside(report.late_world)),
        ]
    rows += [("lost", lost), ("doubled", doubled), ("wrong", wrong)]
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    broken = [f"- {kind}: {each}" for one in report.all_findings for kind, found in vars(one).items() for each in found]
    return "\n".join([*lines, "", *broken[:60]])


def _kinds(report: Report) -> list[str]:
    return sorted({kill.what for kill in report.kills}, key=lambda kind: (kind == faults.EVERYTHING, kind))


def _spread(found: Sequence[float]) -> str:
    return ", ".join(f"{seconds:.1f}" for seconds in found)


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _outside(world: World) -> str:
    return f"{len(world.executions)}, {len(world.work_orders)}, {len(world.notifications)}"
