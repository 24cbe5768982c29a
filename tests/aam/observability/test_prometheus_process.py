"""A Prometheus of one's own finds what Ray names, asks it, and says it to the dashboards."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from aam.cluster import free_port
from aam.observability.answers import ask_panel
from aam.observability.catalogue import DASHBOARDS
from aam.observability.panels import Panel
from aam.observability.product import PRODUCT
from aam.observability.prometheus_api import PrometheusApi, Window
from aam.observability.prometheus_process import (
    ALERTS,
    configuration,
    discovery_file,
    is_ready,
    running_prometheus,
)
from core.errors import ArtefactRefused, Unavailable

LABELS = 'deployment="RequestManagement",application="aam"'
FIRST = (
    f'ray_aam_requests_total{{category="Billing",urgency="Low",intent="x",status="Answered",replica="a",{LABELS}}} 5\n'
)
LATER = (
    f'ray_aam_requests_total{{category="Billing",urgency="High",intent="x",status="Answered",replica="b",{LABELS}}} 2\n'
)


@pytest.fixture
def node() -> Iterator[tuple[str, list[str]]]:
    """An endpoint like a Ray node's, and the lines that it says."""
    lines = ["# TYPE ray_aam_requests_total counter\n", FIRST]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = "".join(lines).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", lines
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def running(node: tuple[str, list[str]], tmp_path: Path) -> Iterator[str]:
    if shutil.which("prometheus") is None:
        pytest.skip("there is no prometheus; Debian's and Homebrew's packages of that name bring it")
    discovery = tmp_path / "discovery.json"
    discovery.write_text(json.dumps([{"labels": {"job": "ray"}, "targets": [node[0]]}]))
    with running_prometheus(tmp_path / "prometheus", free_port(), discovery, scrape_s=1) as url:
        yield url


async def test_what_a_node_says_is_drawn_and_first_values_count(running: str, node: tuple[str, list[str]]) -> None:
    panel = next(each for each in PRODUCT.panels() if each.title == "By category")
    async with httpx.AsyncClient() as client:
        api = PrometheusApi(client, running)
        assert await _shown(api, panel, 5.0) == {"Billing": 5.0}
        node[1].append(LATER)
        assert await _shown(api, panel, 7.0) == {"Billing": 7.0}
        assert [each.values[0][1] for each in await api.now('up{job="ray"}', time.time())] == [1.0]
        # The server has read the rules: what it has no series for is about to be told.
        assert "NothingServes" in [each.name for each in await _alerts(api)]


async def test_every_series_of_the_dashboards_is_asked_in_a_way_that_it_understands(running: str) -> None:
    window = Window(time.time() - 60, time.time(), 30)
    async with httpx.AsyncClient() as client:
        api = PrometheusApi(client, running)
        answers = [await ask_panel(api, panel, window) for board in DASHBOARDS for panel in board.panels()]
    assert [answer.problem for answer in answers if answer.problem] == []
    assert len(answers) > 40


async def _shown(api: PrometheusApi, panel: Panel, wanted: float) -> dict[str, float]:
    """What is drawn last, once the wanted value has arrived or ten seconds have passed."""
    end, values = time.monotonic() + 10, dict[str, float]()
    while time.monotonic() < end and wanted not in values.values():
        await asyncio.sleep(0.3)
        answer = await ask_panel(api, panel, Window(time.time() - 10, time.time(), 1))
        values = {line.name: line.values[-1][1] for line in answer.lines}
    return values


async def _alerts(api: PrometheusApi) -> list[object]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if found := await api.alerts():
            return list(found)
        await asyncio.sleep(0.5)
    return []


def test_its_configuration_has_rays_list_of_nodes_and_the_rules() -> None:
    document = yaml.safe_load(configuration(Path("/somewhere/nodes.json")))
    assert document["rule_files"] == [str(ALERTS)]
    assert ALERTS.is_file()
    assert document["scrape_configs"][0]["file_sd_configs"][0]["files"] == ["/somewhere/nodes.json"]


def test_rays_list_is_where_ray_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._common.utils import get_default_ray_temp_dir
    from ray._private.ray_constants import PROMETHEUS_SERVICE_DISCOVERY_FILE

    for name, value in (("RAY_TMPDIR", "/a"), ("TMPDIR", "/b"), (None, None)):
        monkeypatch.delenv("RAY_TMPDIR", raising=False)
        monkeypatch.delenv("TMPDIR", raising=False)
        if name and value:
            monkeypatch.setenv(name, value)
        assert discovery_file() == Path(get_default_ray_temp_dir()) / PROMETHEUS_SERVICE_DISCOVERY_FILE


def test_without_prometheus_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArtefactRefused, match=r"apt install prometheus.*brew install prometheus.*AAM_PROMETHEUS_URL"):
        running_prometheus(tmp_path, free_port(), tmp_path / "none.json").__enter__()


def test_one_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    folder = tmp_path / "state"
    with pytest.raises(Unavailable, match="ended at its start"):
        running_prometheus(folder, free_port(), tmp_path / "none.json").__enter__()
    assert "broken" in (folder / "log").read_text()


def test_nobody_is_not_ready() -> None:
    assert not is_ready("http://127.0.0.1:9")
