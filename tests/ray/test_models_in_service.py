"""Models changed on real Ray by `serve_config.yaml` alone: no call is dropped, and no replica starts anew."""

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bench.running_graph import READY_WITHIN_S, Graph
from core.labels import Role
from core.settings import Settings
from deployments.request_management.cohort import cohort_of
from tests.artefact_copies import another_version, copy_artefacts

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = """
import signal, sys, time
from aam.cluster import local_cluster, prepare_environment
prepare_environment()
try:
    with local_cluster(http_port=int(sys.argv[1]), dashboard_port=int(sys.argv[2])):
        # Ray has put a handler of its own in place.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        while True:
            time.sleep(3600)
except KeyboardInterrupt:
    pass
"""
SWITCH_WITHIN_S = 60.0


class Production(Graph):
    """The graph as `serve deploy serve_config.yaml` starts and changes it."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", CLUSTER, str(self.http_port), str(self.dashboard_port)]

    def wait_until_healthy(self) -> None:
        self.deploy({})
        super().wait_until_healthy()

    def deploy(self, models: dict[str, Any]) -> None:
        """Deploy the file with these models."""
        config = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
        # The cluster has its own ports.
        del config["http_options"], config["proxy_location"]
        for deployment in config["applications"][0]["deployments"]:
            # One replica each, at shares that fit on two cores.
            deployment["autoscaling_config"]["min_replicas"] = 1
            deployment["ray_actor_options"] = {"num_cpus": 0.4}
        (ai,) = [each for each in config["applications"][0]["deployments"] if each["name"] == "AIProcessing"]
        ai["user_config"] = models
        end = time.monotonic() + READY_WITHIN_S
        while not self._put(config):
            assert time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(1)

    def _put(self, config: dict[str, Any]) -> bool:
        """As `serve deploy` does it; False while the dashboard is not up yet."""
        url = f"http://127.0.0.1:{self.dashboard_port}/api/serve/applications/"
        try:
            answer = httpx.put(url, json=config, headers={"Authorization": f"Bearer {self.ray_token}"}, timeout=30)
        except httpx.TransportError:
            return False
        assert answer.status_code < 400 or answer.status_code >= 500, answer.text
        return answer.status_code == 200


class Traffic:
    """Keeps asking, and remembers every answer with its status and version."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._done = threading.Event()
        self.answers: list[tuple[int, str]] = []
        self._pool = ThreadPoolExecutor(4)

    def __enter__(self) -> "Traffic":
        for _ in range(4):
            self._pool.submit(self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._pool.shutdown(wait=True)

    def _ask(self) -> None:
        with self._graph.client(Role.STAFF, "sam") as client:
            while not self._done.is_set():
                try:
                    answer = client.post("/classify", json={"message_text": "the kitchen tap drips"})
                    found = (answer.status_code, answer.json().get("model_version", answer.text))
                except httpx.HTTPError as problem:
                    found = (0, repr(problem))
                self.answers.append(found)

    def wait_for(self, version: str) -> None:
        """Return when the last answers are of this version alone."""
        end = time.monotonic() + SWITCH_WITHIN_S
        while time.monotonic() < end:
            time.sleep(0.2)
            last = self.answers[-20:]
            if len(last) == 20 and all(version in found for _, found in last):
                return
        pytest.fail(f"{version} never answered: {self.answers[-5:]}")


@pytest.fixture(scope="module")
def own_settings(built_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("models-in-service")
    settings = copy_artefacts(built_settings, folder / "artefacts")
    return settings.model_copy(update={"state_dir": folder / "state"})


@pytest.fixture(scope="module")
def production(own_settings: Settings) -> Iterator[Production]:
    running = Production(own_settings, own_settings.state_dir.parent / "log")
    try:
        running.start()
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()


def health_of(client: httpx.Client) -> dict[str, str]:
    return client.get("/health").json()["services"]["ai_processing"]


def until_health(client: httpx.Client, status: str) -> str:
    end = time.monotonic() + SWITCH_WITHIN_S
    while time.monotonic() < end:
        health = health_of(client)
        if health["status"] == status:
            return health["detail"]
        time.sleep(0.2)
    pytest.fail(f"never {status}: {health_of(client)}")


def test_models_change_under_load(production: Production, own_settings: Settings) -> None:
    artefacts = own_settings.artefacts_dir
    second = another_version(artefacts, "text")
    another_version(artefacts, "risk")
    booster = next((artefacts / "risk-2").glob("*.ubj"))
    booster.write_bytes(booster.read_bytes() + b"\n")
    before = [replica.pid for replica in production.replicas("AIProcessing")]
    assert len(before) == 1
    with production.client(Role.STAFF, "sam") as staff, Traffic(production) as traffic:
        first = staff.post("/classify", json={"message_text": "x"}).json()["model_version"].split("+")[0]
        traffic.wait_for(first)
        production.deploy({"text": f"text-2#{second}"})
        traffic.wait_for(second)
        production.deploy({"text": "text-2", "risk": "risk-2"})
        assert booster.name in until_health(staff, "degraded")
        production.deploy({"text": "text", "shadow": {"text": "text-2"}})
        traffic.wait_for(first)
        until_health(staff, "healthy")
        time.sleep(2)
        assert "category 100.0% of" in health_of(staff)["detail"]
    assert len(traffic.answers) > 100
    assert [found for found in traffic.answers if found[0] != 200] == []
    versions = [found for _, found in traffic.answers]
    assert {version.split("+")[0] for version in versions} == {first, f"text-{second}"}
    assert [replica.pid for replica in production.replicas("AIProcessing")] == before

    production.deploy({"canary": {"text": "text-2", "percent": 50}})
    with production.client(Role.STAFF, "sam") as staff:
        end = time.monotonic() + SWITCH_WITHIN_S
        while "canary" not in health_of(staff)["detail"]:
            assert time.monotonic() < end
            time.sleep(0.2)
    for number in range(6):
        resident = f"RES_A_{number}"
        with production.client(Role.RESIDENT, resident) as client:
            for _ in range(2):
                answer = client.post("/requests", json={"message_text": "my tap drips"}, headers={"Prefer": "wait=20"})
                version = answer.json()["classification"]["model_version"]
                assert (second in version) == (cohort_of(resident) < 5000)
    assert [replica.pid for replica in production.replicas("AIProcessing")] == before
