"""Finds a Chromium for the tests of the pages, and fetches one where there is none.

`python -m tests.chromium` prints where it is. Looked for in this order: `AAM_CHROMIUM`, a browser of this machine, one
that Playwright fetched before. Where there is none, Playwright's is fetched into the user's cache; where that can't be
had or lacks libraries, and the process is root's on a system with apt, the distribution's package is installed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FETCH_LIMIT_S = 600


def find_chromium() -> str | None:
    """The path of a Chromium that starts, or None."""
    given = os.environ.get("AAM_CHROMIUM")
    candidates = [given, *(shutil.which(name) for name in NAMES), _fetched()]
    return next((path for path in candidates if path and _starts(path)), None)


def _fetched() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _starts(path: str) -> bool:
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _fetch() -> None:
    _run([sys.executable, "-m", "playwright", "install", "chromium"])


def _install() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _run(["apt-get", "update"])
        _run(["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"])


def _run(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, timeout=FETCH_LIMIT_S, check=False, stdout=sys.stderr, env=environment)
    except (OSError, subprocess.TimeoutExpired) as problem:
        sys.stderr.write(f"{' '.join(command)}: {problem}\n")


def ensure_chromium() -> str | None:
    """As `find_chromium`, after fetching one where that is needed."""
    for get in (None, _fetch, _install):
        if get is not None:
            get()
        found = find_chromium()
        if found is not None:
            return found
    return None


if __name__ == "__main__":
    chromium = ensure_chromium()
    sys.stdout.write(f"{chromium or 'No Chromium can be had: the tests of pages in a browser will be skipped.'}\n")
