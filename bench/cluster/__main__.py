"""`make cluster`: scale and update, or lose nodes; what was seen is written to `var/reports`."""

import argparse
import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import aiohttp
import httpx

from aam.artefacts import build_all
from bench.cluster import scaling, updates
from bench.cluster.nodes import ClusterGraph, cluster_of_nodes
from bench.cluster.pressure import Presser, SlowLockers, slow_lockers
from bench.cluster.replicas import Watch, picture, write_pictures
from bench.cluster.shape import lower_bounds
from bench.soak import faults
from bench.soak.run import put_to_the_test
from bench.soak.run import table as table_of_losses
from core.settings import ROOT, load_settings

PARTS = ("guard", "scale", "update")
NODES_LOST = 2


def main() -> int:
    """Exit status 0 where all is as it should be."""
    options = _options()
    if "RAY_AUTH_TOKEN" not in os.environ:
        # Ray reads both when it is imported, which has happened by now.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        os.execv(sys.executable, [sys.executable, "-m", "bench.cluster", *sys.argv[1:]])
    settings = load_settings()
    build_all(settings.artefacts_dir)
    reports = ROOT / "var" / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="aam-cluster-"))
    with slow_lockers(folder) as (lockers, environment), cluster_of_nodes(settings, folder, **environment) as graph:
        print(f"deployed: {graph.running()}", flush=True)
        parts, failures = _run(graph, lockers, options, reports)
    (reports / ("nodes_lost.md" if options.loss else "cluster.md")).write_text(
        "\n\n".join(parts) + "\n", encoding="utf-8"
    )
    print("\n\n".join(parts))
    print("\n".join(failures))
    if not failures:
        shutil.rmtree(folder)
    return bool(failures)


def _run(
    graph: ClusterGraph, lockers: SlowLockers, options: argparse.Namespace, reports: Path
) -> tuple[list[str], list[str]]:
    parts, failures = ["# The graph on several nodes of one machine"], list[str]()
    if options.loss:
        text, broken = _lose_nodes(graph, options)
        return [*parts, "## Nodes that die under load", text], broken
    if "guard" in options.parts:
        text, open_doors = guard(graph)
        parts.append(text)
        failures += open_doors
    if "scale" in options.parts:
        found = asyncio.run(_scale(graph, lockers, reports))
        parts += ["## Scaling", scaling.table(found)]
        failures += [f"{one.deployment} did not scale out and in" for one in found if not one.is_good]
    if "update" in options.parts:
        quiet, updated = asyncio.run(updates.update_each(graph))
        parts += ["## Updates under load", updates.table(quiet, updated)]
        failures += [
            f"{one.seen.failed} calls failed in {one.deployment}'s update" for one in updated if one.seen.failed
        ]
    return parts, failures


def guard(graph: ClusterGraph) -> tuple[str, list[str]]:
    """What the dashboard and the job interface say to whoever has no token, and what they should not say."""
    lines, wrong = ["## Without a token", "", "| call | answer |", "| --- | --- |"], list[str]()
    for method, path in (
        ("GET", "/api/jobs/"),
        ("POST", "/api/jobs/"),
        ("GET", "/api/serve/applications/"),
        ("PUT", "/api/serve/applications/"),
        ("GET", "/nodes?view=summary"),
        ("GET", "/api/v0/actors"),
    ):
        body = {"entrypoint": "true"} if method != "GET" else None
        status = httpx.request(method, f"{graph.dashboard_url}{path}", json=body, timeout=20).status_code
        lines.append(f"| {method} {path} | {status} |")
        if status not in (401, 403):
            wrong.append(f"{method} {path} is answered {status} without a token")
    return "\n".join(lines), wrong


async def _scale(graph: ClusterGraph, lockers: SlowLockers, reports: Path) -> list[scaling.Scaled]:
    watch = Watch(graph)
    task = asyncio.create_task(watch.run())
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=90)
    least = lower_bounds(graph.config)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            presser = Presser(graph, session, lockers)
            found = await scaling.scale(watch, presser.pressures(), least)
            print(f"  refused meanwhile: {presser.refused}", flush=True)
    finally:
        task.cancel()
    write_pictures(picture(watch, list(least)), reports, "replicas")
    return found


def _lose_nodes(graph: ClusterGraph, options: argparse.Namespace) -> tuple[str, list[str]]:
    planned = [faults.EVERYTHING] * NODES_LOST
    report = asyncio.run(put_to_the_test(graph, requests=options.requests, planned=planned, seed=options.seed))
    broken = [f"{kind}: {each}" for kind, found in vars(report.findings).items() for each in found]
    return table_of_losses(report).replace("everything", "a node"), broken


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--loss", action="store_true", help="have nodes die, and nothing else: all is counted then")
    parser.add_argument("--requests", type=int, default=120, help="submitted while nodes die")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
