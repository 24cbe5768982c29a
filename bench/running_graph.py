"""The graph as `make run` starts it, on ports and a state folder of its own, to be watched and killed from outside."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import psutil

from aam.cluster import free_port
from adapters.tokens import LocalTokens
from core.labels import Role
from core.settings import Settings

READY_WITHIN_S = 180.0
DEPLOYMENTS = ("RequestManagement", "AIProcessing", "DecisionSimulation", "Execution")


class GraphFailed(AssertionError):
    """The graph ended, or did not get healthy in time."""


@dataclass
class Graph:
    """A running `python -m aam run`."""

    settings: Settings
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is set beside the folders."""
    http_port: int = field(default_factory=free_port)
    dashboard_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    ray_token: str = field(default_factory=lambda: secrets.token_hex(32))
    """What Ray's own dashboard and interfaces are opened with."""

    def command(self) -> list[str]:
        """What is started."""
        ports = ["--http-port", str(self.http_port), "--dashboard-port", str(self.dashboard_port)]
        return [sys.executable, "-m", "aam", "run", *ports]

    def start(self) -> None:
        """Start it and wait until it is healthy. Raises `GraphFailed`."""
        environment = {
            **os.environ,
            **self.environment,
            "RAY_AUTH_TOKEN": self.ray_token,
            "AAM_STATE_DIR": str(self.settings.state_dir),
            "AAM_ARTEFACTS_DIR": str(self.settings.artefacts_dir),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), env=environment, stdout=log, stderr=log)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """Raises `GraphFailed`."""
        end = time.monotonic() + READY_WITHIN_S
        while not self.is_healthy():
            if self.started.poll() is not None:
                raise GraphFailed(f"the graph ended: {self._log_end()}")
            if time.monotonic() > end:
                raise GraphFailed(f"not healthy in {READY_WITHIN_S} s: {self._log_end()}")
            time.sleep(0.3)

    def is_healthy(self) -> bool:
        """Whether all four services say so at this moment."""
        try:
            return httpx.get(f"{self.url}/health", timeout=5).json()["status"] == "healthy"
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    @property
    def started(self) -> subprocess.Popen[bytes]:
        """The process. Raises `GraphFailed` where it was never started."""
        if self.process is None:
            raise GraphFailed("the graph was not started")
        return self.process

    @property
    def url(self) -> str:
        """Where the interface is."""
        return f"http://127.0.0.1:{self.http_port}/api/v1"

    def family(self) -> list[psutil.Process]:
        """The process and everything that it started."""
        first = psutil.Process(self.started.pid)
        return [first, *first.children(recursive=True)]

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The replica processes of one deployment."""
        return [one for one in self.family() if f"ServeReplica:aam:{deployment}" in " ".join(_command_line(one))]

    def kill_replicas(self, deployment: str) -> set[int]:
        """Kill every replica of one deployment at once, and say which they were."""
        replicas = self.replicas(deployment)
        for replica in replicas:
            _kill_if_alive(replica)
        return {replica.pid for replica in replicas}

    def kill(self) -> None:
        """As a power cut: everything at once, nothing asked."""
        family = self.family()
        for one in family:
            _kill_if_alive(one)
        self.started.wait(30)
        psutil.wait_procs(family, timeout=30)

    def stop(self) -> list[psutil.Process]:
        """As Ctrl-C; returns what is left alive."""
        family = self.family()
        self.started.send_signal(signal.SIGINT)
        self.started.wait(60)
        return psutil.wait_procs(family, timeout=20)[1]

    def headers(self, role: Role, sub: str) -> dict[str, str]:
        """What a caller sends to be known."""
        token = LocalTokens(self.settings.local_key).issue(role, sub, valid_for=timedelta(days=1))
        return {"Authorization": f"Bearer {token}"}

    def metrics_endpoints(self) -> list[str]:
        """Where the nodes show their metrics, as `host:port`."""
        url, token = f"http://127.0.0.1:{self.dashboard_port}/api/prometheus/sd", f"Bearer {self.ray_token}"
        groups = httpx.get(url, headers={"Authorization": token}, timeout=10).raise_for_status().json()
        return [str(target) for group in groups for target in group["targets"]]

    def metrics_pages(self) -> Iterator[str]:
        """What the endpoints show in Prometheus' text form; one that does not listen yet is left out."""
        for target in self.metrics_endpoints():
            with contextlib.suppress(httpx.ConnectError):
                yield httpx.get(f"http://{target}/metrics", timeout=10).raise_for_status().text

    def client(self, role: Role, sub: str) -> httpx.Client:
        """A caller."""
        return httpx.Client(base_url=self.url, headers=self.headers(role, sub), timeout=60)

    def _log_end(self) -> str:
        return self.log.read_text()[-3000:]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _kill_if_alive(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
