"""The Compose file is sound, and a misspelled key or an open port is found."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from aam.configuration.compose import FILE, check
from aam.observability.grafana import FOLDER
from core.settings import ROOT


def test_what_is_in_the_tree_is_sound() -> None:
    assert [str(each) for each in check(ROOT / FILE)] == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("network_mode:", "networkmode:", "networkmode"),
        ("services:", "service:", "service"),
        ("prom/prometheus:v3.5.0", "prom/prometheus:latest", "is not pinned"),
        ('"127.0.0.1:16686:16686"', '"16686:16686"', "is open to other machines"),
        ("--web.listen-address=127.0.0.1", "--web.listen-address=0.0.0.0", "listens on every address"),
        ("./alerts.yaml:", "./alert.yaml:", "./alert.yaml is not there"),
        ("cap_drop: [ALL]", "cap_drop: ALL", "ALL"),
    ],
)
def test_what_is_wrong_is_found(old: str, new: str, expected: str, tmp_path: Path) -> None:
    text = (ROOT / FILE).read_text()
    assert old in text
    path = tmp_path / "compose.yaml"
    path.write_text(text.replace(old, new, 1))
    findings = [str(each) for each in check(path)]
    assert any(expected in each for each in findings), findings


def test_grafana_is_given_the_dashboards_and_the_source_that_they_ask() -> None:
    services = yaml.safe_load((ROOT / FILE).read_text())["services"]
    folder = (ROOT / FILE).parent
    provider = yaml.safe_load((folder / "grafana" / "dashboards.yaml").read_text())["providers"][0]
    assert f"./{FOLDER.name}:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
    sources = yaml.safe_load((folder / "grafana" / "datasources.yaml").read_text())["datasources"]
    (prometheus,) = [each for each in sources if each["type"] == "prometheus"]
    address = next(each for each in services["prometheus"]["command"] if "listen-address" in each).split("=")[1]
    assert prometheus["url"] == f"http://{address}"
    asked = json.loads((FOLDER / "product.json").read_text())["templating"]["list"][0]["query"]
    assert asked == prometheus["type"]


def test_prometheus_takes_its_configuration() -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("there is no promtool; Debian's package prometheus and Homebrew's prometheus bring it")
    file = (ROOT / FILE).parent / "prometheus.yaml"
    done = subprocess.run([program, "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 rules found" in done.stdout
