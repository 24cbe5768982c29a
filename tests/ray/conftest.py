"""The graph as `make run` starts it, on ports and a state folder of its own; one cluster for all tests here.

`test_graph.py` ends with the stop of it, so a module that uses it has a name before that one's.
"""

from collections.abc import Iterator

import httpx
import pytest

from bench.running_graph import Graph
from core.labels import Role
from core.settings import Settings


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
