"""`make soak`: 500 requests while replicas and the whole application are killed 10 times, then the weeks after."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from pathlib import Path

from aam.artefacts import build_all
from bench.running_graph import Graph
from bench.soak import faults
from bench.soak.run import Report, live_on, new_graph, put_to_the_test, table
from core.settings import load_settings


def main() -> int:
    """Exit status 0 where nothing was lost, doubled or wrong."""
    options = _options()
    settings = load_settings()
    build_all(settings.artefacts_dir)
    folder = Path(tempfile.mkdtemp(prefix="aam-soak-"))
    print(f"state in {folder}; it stays there unless all is well", flush=True)
    report = asyncio.run(_run(options, new_graph(settings, folder)))
    print(table(report))
    if any(report.all_findings):
        return 1
    shutil.rmtree(folder)
    return 0


async def _run(options: argparse.Namespace, graph: Graph) -> Report:
    planned = faults.plan(options.kills, random.Random(options.seed))
    print(f"seed {options.seed}: {', '.join(planned)}", flush=True)
    await asyncio.to_thread(graph.start)
    try:
        report = await put_to_the_test(graph, requests=options.requests, planned=planned, seed=options.seed)
    finally:
        if graph.process is not None and graph.process.poll() is None:
            graph.stop()
    print(f"  the load is over after {report.load_s:.0f} s; now the weeks after", flush=True)
    await live_on(report, graph.settings, options.late_kills)
    return report


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10, help="of replicas and of the whole application")
    parser.add_argument("--late-kills", type=int, default=10, help="of the sweeper while timers fire")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
