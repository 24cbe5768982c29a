"""A Prometheus of one's own on this machine: its configuration, its start and its end."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import yaml

from aam.observability.answers import SCRAPE_S
from core.errors import ArtefactRefused, Unavailable
from core.settings import ROOT

ALERTS = ROOT / "deploy" / "observability" / "alerts.yaml"
READY_WITHIN_S = 30.0
KEPT = "15d"
MISSING = (
    "There is no Prometheus on this machine. Debian: apt install prometheus; macOS: brew install prometheus; or set "
    "AAM_PROMETHEUS_URL to one that runs elsewhere."
)


def discovery_file() -> Path:
    """Where Ray writes which endpoints there are; it is Ray's own choice of a temporary folder."""
    folder = os.environ.get("RAY_TMPDIR")
    if folder is None and sys.platform == "linux":
        folder = os.environ.get("TMPDIR")
    if folder is None:
        folder = "/tmp" if sys.platform in ("linux", "darwin") else tempfile.gettempdir()
    return Path(folder) / "ray" / "prom_metrics_service_discovery.json"


def configuration(discovery: Path, scrape_s: int = SCRAPE_S) -> str:
    """What Prometheus reads, as YAML."""
    found = {"files": [str(discovery)], "refresh_interval": f"{2 * scrape_s}s"}
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": f"{scrape_s}s", "evaluation_interval": "15s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "ray", "file_sd_configs": [found]}],
        },
        sort_keys=False,
    )


@contextmanager
def running_prometheus(folder: Path, port: int, discovery: Path, scrape_s: int = SCRAPE_S) -> Generator[str]:
    """Start it on the loopback interface with its data in the folder; gives its address, and stops it at the end.

    Raises `ArtefactRefused` where there is no Prometheus, and `Unavailable` where it does not get ready.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise ArtefactRefused(MISSING)
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "prometheus.yml"
    settings.write_text(configuration(discovery, scrape_s), encoding="utf-8")
    command = [
        program,
        f"--config.file={settings.resolve()}",
        f"--storage.tsdb.path={(folder / 'data').resolve()}",
        f"--storage.tsdb.retention.time={KEPT}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("ab") as log:
        # In a session of its own: Ctrl-C is for this process, which stops the other in its own time.
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(process, url, folder / "log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Unavailable(f"Prometheus ended at its start; {log} says why.")
        if is_ready(url):
            return
        time.sleep(0.1)
    raise Unavailable(f"Prometheus is not ready after {READY_WITHIN_S:.0f} s; {log} says why.")


def is_ready(url: str) -> bool:
    """Whether a Prometheus answers there."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/-/ready", timeout=3) as answer:
            return answer.status == 200
    except OSError:
        return False
