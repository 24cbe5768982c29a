"""Checks what a cluster's nodes run with `ray start`: the variables, the dashboard's address, the version."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from aam.configuration.findings import within
from aam.configuration.gaps import GAP
from aam.configuration.schema_walk import Complaint

COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")
BEFORE_RAY: Mapping[str, str | None] = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN_PATH": None,
    "RAY_USE_TLS": "1",
    "RAY_TLS_CA_CERT": None,
    "RAY_TLS_SERVER_CERT": None,
    "RAY_TLS_SERVER_KEY": None,
}
"""What every node needs when Ray starts, and with which value, if any will not do."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PINNED_IMAGE = re.compile(rf"\S+@sha256:[0-9a-f]{{64}}|{GAP.pattern}")
_VERSION = re.compile(r"ray\.__version__ == '([^']+)'")


def check_start(document: Mapping[str, Any]) -> Iterator[Complaint]:
    """The start commands of head and workers."""
    for name in COMMANDS:
        commands = document.get(name)
        lines = [str(line) for line in cast(list[object], commands)] if isinstance(commands, list) else []
        starts = [(within(name, number), line) for number, line in enumerate(lines) if "ray start" in line]
        if not starts:
            yield Complaint(name, "has no `ray start`; without it Ray's default would listen on all addresses")
        for place, line in starts:
            yield from _variables(line, place)
            yield from _dashboard(line, place, is_head=name.startswith("head"))


def check_image(document: Mapping[str, Any], constraints: Path) -> Iterator[Complaint]:
    """The image is pinned, and each node makes sure that it holds the version of Ray that was tested."""
    docker = document.get("docker")
    image = cast(Mapping[str, Any], docker).get("image") if isinstance(docker, Mapping) else None
    if not isinstance(image, str) or not _PINNED_IMAGE.fullmatch(image):
        yield Complaint("docker.image", "is not pinned; give repository@sha256:... or a ${NAME}")
    wanted = _pin(constraints)
    given = document.get("setup_commands")
    commands = cast(list[object], given) if isinstance(given, list) else []
    versions = [found[1] for line in commands if (found := _VERSION.search(str(line)))]
    if wanted and versions != [wanted]:
        shown = versions[0] if versions else "none"
        message = f"asserts Ray {shown}, and constraints.txt pins {wanted}; assert ray.__version__ == '{wanted}' once"
        yield Complaint("setup_commands", message)


def _pin(constraints: Path) -> str | None:
    found = re.search(r"^ray==(\S+)$", constraints.read_text(), re.MULTILINE) if constraints.exists() else None
    return found[1] if found else None


def _variables(line: str, place: str) -> Iterator[Complaint]:
    before = line.partition("ray start")[0]
    for name, wanted in BEFORE_RAY.items():
        found = re.search(rf"\b{name}=(\S+)", before)
        if found is None:
            yield Complaint(place, f"sets no {name} before `ray start`, in the same command; export it there")
        elif wanted is not None and found[1] != wanted:
            yield Complaint(place, f"{name} is {found[1]}; it must be {wanted}")
    if "export" not in before:
        yield Complaint(place, "exports nothing before `ray start`; each command has a shell of its own")


def _dashboard(line: str, place: str, *, is_head: bool) -> Iterator[Complaint]:
    found = re.search(r"--dashboard-host[= ](\S+)", line)
    if found and found[1] not in _LOOPBACK:
        yield Complaint(place, f"--dashboard-host={found[1]} shows the job interface to others; give 127.0.0.1")
    if is_head and not found:
        yield Complaint(place, "says no --dashboard-host; give 127.0.0.1")
    if is_head and "RAY_enable_autoscaler_v2=1" not in line:
        yield Complaint(place, "needs RAY_enable_autoscaler_v2=1: the older autoscaler knows no priority of spot")
