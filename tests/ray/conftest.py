"""The graph as `make run` starts it, on ports and a state folder of its own; one cluster for all tests here."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from aam.cluster import free_port
from adapters.tokens import LocalTokens
from core.labels import Role
from core.settings import Settings

READY_WITHIN_S = 180.0


@dataclass
class Graph:
    """A running `python -m aam run`."""

    settings: Settings
    log: Path
    http_port: int = field(default_factory=free_port)
    dashboard_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What is started."""
        ports = ["--http-port", str(self.http_port), "--dashboard-port", str(self.dashboard_port)]
        return [sys.executable, "-m", "aam", "run", *ports]

    def start(self) -> None:
        environment = {
            **os.environ,
            "AAM_STATE_DIR": str(self.settings.state_dir),
            "AAM_ARTEFACTS_DIR": str(self.settings.artefacts_dir),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), env=environment, stdout=log, stderr=log)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        end = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            try:
                if httpx.get(f"{self.url}/health", timeout=5).json()["status"] == "healthy":
                    return
            except (httpx.HTTPError, ValueError, KeyError):
                pass
            time.sleep(0.3)
        pytest.fail(f"not healthy in {READY_WITHIN_S} s: {self.log.read_text()[-3000:]}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/api/v1"

    def family(self) -> list[psutil.Process]:
        """The process and everything that it started."""
        assert self.process is not None
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The replica processes of one deployment."""
        return [one for one in self.family() if f"ServeReplica:aam:{deployment}" in " ".join(_command_line(one))]

    def kill(self) -> None:
        """As a power cut: everything at once, nothing asked."""
        family = self.family()
        for one in family:
            _kill_if_alive(one)
        assert self.process is not None
        self.process.wait(30)
        psutil.wait_procs(family, timeout=30)

    def stop(self) -> list[psutil.Process]:
        """As Ctrl-C; returns what is left alive."""
        assert self.process is not None
        family = self.family()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        return psutil.wait_procs(family, timeout=20)[1]

    def client(self, role: Role, sub: str) -> httpx.Client:
        token = LocalTokens(self.settings.local_key).issue(role, sub)
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _kill_if_alive(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.fixture(scope="session")
def graph(built_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    folder = tmp_path_factory.mktemp("graph")
    settings = built_settings.model_copy(update={"state_dir": folder / "state"})
    running = Graph(settings, folder / "log")
    try:
        running.start()
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()


@pytest.fixture
def resident(graph: Graph) -> Iterator[httpx.Client]:
    with graph.client(Role.RESIDENT, "RES_A_101") as client:
        yield client


@pytest.fixture
def staff(graph: Graph) -> Iterator[httpx.Client]:
    with graph.client(Role.STAFF, "sam") as client:
        yield client
