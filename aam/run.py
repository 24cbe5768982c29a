"""`aam run`: the whole graph on this machine, on the embedded default, until Ctrl-C."""

import argparse
import json
import signal
import sys
import threading
import time
import urllib.request
from datetime import timedelta
from types import FrameType

from aam import artefacts
from aam.cluster import local_cluster, prepare_environment, require_free_port
from core.errors import Unavailable
from core.labels import Role
from core.settings import Settings, load_settings, require_safe

READY_WITHIN_S = 180.0


NAME = "run"
HELP = "start the whole graph on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("--http-port", type=int, default=8000)
    parser.add_argument("--dashboard-port", type=int, default=8265)
    parser.add_argument("--default-proxy", action="store_true", help="use Serve's default proxy in place of HAProxy")


class _Stopped(Exception):
    """Somebody asked this process to stop."""


def run(options: argparse.Namespace) -> int:
    """Start, tell where everything is, and wait."""
    require_free_port(options.http_port, "http")
    require_free_port(options.dashboard_port, "dashboard")
    settings = load_settings()
    require_safe(settings)
    print("Artefacts")
    artefacts.build_all(settings.artefacts_dir, _say)
    prepare_environment(fast_proxy=not options.default_proxy)
    _listen_for_stop()
    try:
        _say("Starting Ray")
        with local_cluster(http_port=options.http_port, dashboard_port=options.dashboard_port):
            # Ray has put a handler of its own in place, which would abort this process.
            _listen_for_stop()
            _serve(options.http_port)
            _say(_greeting(settings, options))
            while True:
                time.sleep(3600)
    except _Stopped:
        _say("Stopped.")
    return 0


def _listen_for_stop() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    # A second Ctrl-C must not break off the stopping.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    _say("\nStopping ...")
    raise _Stopped


def _serve(http_port: int) -> None:
    from ray import serve

    from graph import BuildArguments, build

    _say("Starting the services")
    failures: list[Exception] = []

    def deploy() -> None:
        try:
            serve.run(  # pyright: ignore[reportUnknownMemberType] - Ray is typed in part only
                build(BuildArguments()), name="aam", route_prefix="/"
            )
        except Exception as error:
            failures.append(error)

    threading.Thread(target=deploy, daemon=True).start()
    began, shown = time.monotonic(), ""
    while not _is_healthy(http_port):
        if failures:
            raise failures[0]
        if time.monotonic() - began > READY_WITHIN_S:
            raise Unavailable(f"The services are not healthy after {READY_WITHIN_S:.0f} s: {shown}")
        state = _progress()
        if state and state != shown:
            _say(f"  {time.monotonic() - began:5.1f} s  {state}")
            shown = state
        time.sleep(0.5)
    _say(f"  {time.monotonic() - began:5.1f} s  healthy")


def _is_healthy(http_port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/api/v1/health", timeout=3) as answer:
            return json.load(answer)["status"] == "healthy"
    except (OSError, ValueError, KeyError):
        return False


def _progress() -> str:
    from ray import serve

    application = serve.status().applications.get("aam")
    if application is None:
        return ""
    return "  ".join(f"{name} {status.status.value.lower()}" for name, status in application.deployments.items())


def _greeting(settings: Settings, options: argparse.Namespace) -> str:
    base = f"http://127.0.0.1:{options.http_port}"
    lines = [
        "",
        f"Pages      {base}/",
        f"API        {base}/api/v1",
        f"Docs       {base}/docs",
        f"Dashboard  http://127.0.0.1:{options.dashboard_port}",
        f"State      {settings.state_dir}",
    ]
    if settings.auth_mode == "local":
        lines += _samples(settings, base)
    return "\n".join([*lines, "", "Ctrl-C stops everything that was started here."])


def _samples(settings: Settings, base: str) -> list[str]:
    from adapters.tokens import LocalTokens

    tokens = LocalTokens(settings.local_key)
    resident = tokens.issue(Role.RESIDENT, "RES_A_101", valid_for=timedelta(days=1))
    staff = tokens.issue(Role.STAFF, "staff-1", valid_for=timedelta(days=1))
    body = json.dumps({"message_text": "My parcel shows delivered yesterday but it is not in the locker"})
    return [
        "",
        f"export RESIDENT={resident}",
        f"export STAFF={staff}",
        "",
        f'curl -s {base}/api/v1/requests -H "Authorization: Bearer {resident}" \\',
        f"  -H 'Content-Type: application/json' -d '{body}'",
    ]


def _say(text: str) -> None:
    print(text, file=sys.stdout, flush=True)
