"""`aam observe`: the dashboards of a running graph on this machine, with Prometheus and nothing else."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from aam.cluster import require_free_port
from core.settings import load_settings

NAME = "observe"
HELP = "show the metrics of `aam run` on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--http-port", type=int, default=8090)
    parser.add_argument("--prometheus-port", type=int, default=9090)
    parser.add_argument("--picture", type=Path, metavar="DIR", help="write each dashboard as a PNG there, and end")
    parser.add_argument("--hours", type=float, default=1.0, help="how much of the past a picture shows")


def run(options: argparse.Namespace) -> int:
    """Show them until Ctrl-C, or write pictures."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # In place of the usual ways to die, which would leave Prometheus behind.
        signal.signal(number, _stop)
    with _prometheus(options.prometheus_port) as url:
        if options.picture:
            asyncio.run(_draw(url, options.picture, options.hours))
        else:
            require_free_port(options.http_port, "http")
            asyncio.run(_serve(url, options.http_port))
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    # A second Ctrl-C must not break off the stopping.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(0)


@contextmanager
def _prometheus(port: int) -> Generator[str]:
    """The one that was named, or that runs on this port, or a new one."""
    from aam.observability.prometheus_process import discovery_file, is_ready, running_prometheus

    settings, local = load_settings(), f"http://127.0.0.1:{port}"
    if settings.prometheus_url or is_ready(local):
        yield settings.prometheus_url or local
        return
    discovery = discovery_file()
    if not discovery.is_file():
        print(f"Ray has not written {discovery} yet; start `make run` beside this.")
    require_free_port(port, "prometheus")
    with running_prometheus(settings.state_dir / "prometheus", port, discovery) as url:
        yield url


async def _draw(url: str, folder: Path, hours: float) -> None:
    import httpx

    from aam.observability.answers import ask, window_until
    from aam.observability.catalogue import DASHBOARDS
    from aam.observability.pictures import write_picture
    from aam.observability.prometheus_api import PrometheusApi

    folder.mkdir(parents=True, exist_ok=True)
    window = window_until(time.time(), hours)
    async with httpx.AsyncClient() as client:
        api = PrometheusApi(client, url)
        for board in DASHBOARDS:
            path = folder / f"{board.uid.removeprefix('aam-')}.png"
            write_picture(path, board, await ask(api, board, window), window)
            print(f"{path} is written")


async def _serve(url: str, port: int) -> None:
    import httpx
    import uvicorn

    from aam.observability.local_view import build_view

    print(f"Dashboards  http://127.0.0.1:{port}/\nPrometheus  {url}\n\nCtrl-C stops what was started here.", flush=True)
    async with httpx.AsyncClient() as client:
        config = uvicorn.Config(build_view(client, url), host="127.0.0.1", port=port, log_level="warning")
        await uvicorn.Server(config).serve()
