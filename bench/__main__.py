"""`make bench`: submit-to-decision in four topologies, in one run, as a table of ratios."""

import asyncio
import platform
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

from bench import stages
from bench.load import Figures, Send, measure, sample_messages
from bench.topologies import as_microservices, in_one_process, on_ray

RESULTS = Path(__file__).resolve().parent / "results"
SECONDS = 15.0
WARM_UP_S = 5.0
CLIENTS = (1, 32)

TOPOLOGIES: dict[str, tuple[str, Callable[[], AbstractAsyncContextManager[Send]]]] = {
    "a": ("one process, plain calls (the ceiling)", in_one_process),
    "b": ("the graph as `make run` starts it", lambda: on_ray(fast_proxy=True)),
    "c": ("the graph with Serve's default proxy", lambda: on_ray(fast_proxy=False)),
    "d": ("four FastAPI processes over HTTP", lambda: as_microservices(gather=False)),
    "e": ("as d, with concurrent requests gathered", lambda: as_microservices(gather=True)),
}


async def main(chosen: str) -> None:
    """Measure the chosen topologies and write the report."""
    measured: dict[str, dict[int, Figures]] = {}
    for letter in chosen:
        name, start = TOPOLOGIES[letter]
        print(f"({letter}) {name}", flush=True)
        measured[letter] = await _measure(start)
    report = _report(measured, await stages.table())
    print(report)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M}.md"
    path.write_text(report)
    print(f"written to {path.relative_to(RESULTS.parent.parent)}")


async def _measure(start: Callable[[], AbstractAsyncContextManager[Send]]) -> dict[int, Figures]:
    async with start() as send:
        await measure(send, sample_messages(5000, seed=3), clients=max(CLIENTS), seconds=WARM_UP_S)
        figures: dict[int, Figures] = {}
        for clients in CLIENTS:
            figures[clients] = await measure(send, sample_messages(20000), clients=clients, seconds=SECONDS)
            print(f"    {clients:>2} clients: {figures[clients].requests_per_s:7.1f}/s", flush=True)
        return figures


def _report(measured: dict[str, dict[int, Figures]], stage_table: str) -> str:
    lines = [
        "# Submit to decision",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}; {SECONDS:.0f} s for"
        " each figure after a warm-up; the load comes from the same machine. Compare the ratios, not the times.",
        "",
        "| | topology | clients | requests/s | p50 ms | p99 ms | requests/s, against (b) | p50, against (a) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for letter, by_clients in measured.items():
        for clients, figures in by_clients.items():
            lines.append(_row(letter, clients, figures, measured))
    lines += ["", *_ratios(measured), "", "# Where the time goes", "", stage_table, ""]
    return "\n".join(lines)


def _row(letter: str, clients: int, figures: Figures, measured: dict[str, dict[int, Figures]]) -> str:
    rate = _ratio(figures.requests_per_s, measured.get("b", {}).get(clients), "requests_per_s")
    p50 = _ratio(figures.p50_ms, measured.get("a", {}).get(clients), "p50_ms")
    return (
        f"| {letter} | {TOPOLOGIES[letter][0]} | {clients} | {figures.requests_per_s:.1f} | {figures.p50_ms:.1f} |"
        f" {figures.p99_ms:.1f} | {rate} | {p50} |"
    )


def _ratio(value: float, base: Figures | None, name: str) -> str:
    return "" if base is None else f"{value / getattr(base, name):.2f}"


def _ratios(measured: dict[str, dict[int, Figures]]) -> list[str]:
    """The ratios that the design aims at, met or not."""
    if not {"a", "b", "c", "d"} <= measured.keys():
        return []
    many, one = max(CLIENTS), min(CLIENTS)
    rate = {letter: by_clients[many].requests_per_s for letter, by_clients in measured.items()}
    aims = [
        (f"(b) ÷ (c), requests/s at {many} clients", rate["b"] / rate["c"], "≥ 3", rate["b"] / rate["c"] >= 3),
        (f"(b) ÷ (d), requests/s at {many} clients", rate["b"] / rate["d"], "≥ 2", rate["b"] / rate["d"] >= 2),
        (f"(b) ÷ (a), requests/s at {many} clients", rate["b"] / rate["a"], "≥ 0.5", rate["b"] / rate["a"] >= 0.5),
    ]
    p50 = measured["b"][one].p50_ms / measured["a"][one].p50_ms
    aims.append((f"(b) ÷ (a), p50 at {one} client", p50, "≤ 2.5", p50 <= 2.5))
    table = ["| ratio | measured | aim | |", "| --- | --- | --- | --- |"]
    return table + [
        f"| {name} | {value:.2f} | {aim} | {'met' if met else 'missed'} |" for name, value, aim, met in aims
    ]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "".join(TOPOLOGIES)))
