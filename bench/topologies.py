"""The four ways to run the same functions, each started fresh on a state folder of its own and ended afterwards."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from aam.cluster import free_port
from bench.load import Send, http_sender
from bench.one_process import one_process
from core.identity import Principal
from core.labels import Role
from core.request import RequestId
from core.settings import Settings, load_settings
from deployments.request_management.intake import new_request_id
from deployments.request_management.pipeline import is_waiting
from deployments.request_management.schemas import Submission

STAFF = Principal("bench", Role.STAFF)
READY_WITHIN_S = 180.0


@asynccontextmanager
async def in_one_process() -> AsyncGenerator[Send]:
    """(a) Plain calls: no HTTP, no hop."""
    with tempfile.TemporaryDirectory(prefix="aam-bench-") as folder:
        settings = load_settings().model_copy(update={"state_dir": Path(folder)})
        async with one_process(settings) as service:

            async def send(message: str, resident: str) -> None:
                submission = Submission(message_text=message, resident_id=resident)
                identifier: RequestId = new_request_id(service.clock())
                record = await service.intake.submit(STAFF, submission, identifier, "bench", 30.0)
                if is_waiting(record):
                    raise RuntimeError("not decided")

            yield send


@asynccontextmanager
async def on_ray(*, fast_proxy: bool) -> AsyncGenerator[Send]:
    """(b) as `make run` starts it, and (c) with Serve's default proxy."""
    port, dashboard = free_port(), free_port()
    command = [sys.executable, "-m", "aam", "run", "--http-port", str(port), "--dashboard-port", str(dashboard)]
    with _state() as (settings, environment):
        extra = [] if fast_proxy else ["--default-proxy"]
        with _process([*command, *extra], environment):
            await _until_healthy(port)
            async with _sender(settings, port) as send:
                yield send


@asynccontextmanager
async def as_microservices(*, gather: bool) -> AsyncGenerator[Send]:
    """(d) Four FastAPI processes that call each other over HTTP; with `gather`, concurrent requests in one call."""
    ports = {name: free_port() for name in ("ai", "decision", "execution", "ingress")}
    with _state() as (settings, environment):
        commands: list[list[str]] = []
        for name in ("ai", "decision", "execution"):
            commands.append([sys.executable, "-m", "bench.microservices", name, "--port", str(ports[name])])
        ingress = [sys.executable, "-m", "bench.microservices", "ingress", "--port", str(ports["ingress"])]
        for name in ("ai", "decision", "execution"):
            ingress += [f"--{name}", f"http://127.0.0.1:{ports[name]}"]
        commands.append([*ingress, "--gather"] if gather else ingress)
        with _processes(commands, environment):
            await _until_healthy(ports["ingress"])
            async with _sender(settings, ports["ingress"]) as send:
                yield send


@contextmanager
def _state() -> Generator[tuple[Settings, dict[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="aam-bench-") as folder:
        settings = load_settings()
        environment = {
            **os.environ,
            "AAM_STATE_DIR": folder,
            "AAM_ARTEFACTS_DIR": str(settings.artefacts_dir),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        yield settings.model_copy(update={"state_dir": Path(folder)}), environment


@asynccontextmanager
async def _sender(settings: Settings, port: int) -> AsyncGenerator[Send]:
    from adapters.tokens import LocalTokens

    token = LocalTokens(settings.local_key).issue(Role.STAFF, "bench")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield http_sender(session, f"http://127.0.0.1:{port}", token)


@contextmanager
def _processes(commands: list[list[str]], environment: dict[str, str]) -> Generator[None]:
    if not commands:
        yield
        return
    with _process(commands[0], environment), _processes(commands[1:], environment):
        yield


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Generator[None]:
    """A process that is asked to end afterwards, and made to if it does not."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _until_healthy(port: int) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        if await asyncio.to_thread(_is_healthy, port):
            return
        await asyncio.sleep(0.5)
    raise RuntimeError(f"nothing healthy on port {port} after {READY_WITHIN_S:.0f} s")


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health", timeout=3) as answer:
            return answer.status == 200
    except OSError:
        return False
