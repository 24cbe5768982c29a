"""`aam observe` serves the dashboards on this machine, and leaves nothing running behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from aam.cluster import free_port
from aam.observability.prometheus_process import is_ready
from tests.prometheus_server import prometheus_server

READY_WITHIN_S = 60.0


def command(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    given = [sys.executable, "-m", "aam", "observe", *arguments]
    whole = {**os.environ, **environment}
    return subprocess.Popen(given, env=whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_prometheus_and_ends_with_it(number: signal.Signals, tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("there is no prometheus; Debian's and Homebrew's packages of that name bring it")
    http, prometheus = free_port(), free_port()
    ports = ("--http-port", str(http), "--prometheus-port", str(prometheus))
    process = command(*ports, AAM_STATE_DIR=str(tmp_path), RAY_TMPDIR=str(tmp_path))
    try:
        assert _answers(f"http://127.0.0.1:{http}/platform")
        assert is_ready(f"http://127.0.0.1:{prometheus}")
    finally:
        process.send_signal(number)
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"http://127.0.0.1:{http}/" in told
    assert "start `make run` beside this" in told
    assert "Traceback" not in told
    assert not is_ready(f"http://127.0.0.1:{prometheus}")


def test_it_draws_pictures_of_the_prometheus_that_is_named(tmp_path: Path) -> None:
    with prometheus_server() as server:
        process = command("--picture", str(tmp_path / "pictures"), AAM_PROMETHEUS_URL=server.url)
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    names = ["models.png", "platform.png", "product.png"]
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == names


def test_a_prometheus_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    process = command("--picture", str(tmp_path), AAM_PROMETHEUS_URL="http://127.0.0.1:9")
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.startswith("aam: Prometheus does not answer at http://127.0.0.1:9")
    assert len(told.splitlines()) == 1


def _answers(url: str) -> bool:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        try:
            return httpx.get(url, timeout=30).status_code == 200
        except httpx.HTTPError:
            time.sleep(0.2)
    return False
