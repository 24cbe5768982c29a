"""The packages of the image: what serving needs of this environment's, each wheel by its hash."""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.errors import Unavailable
from core.settings import ROOT

LOCK = Path("deploy", "requirements.txt")
LEFT_OUT = frozenset({"nvidia-nccl-cu12"})
"""Of xgboost, which loads it for training on several GPUs alone."""
_HEAD = """\
# Written by `python -m aam image lock` from pyproject.toml and constraints.txt: what serving needs, for Python 3.11 on
# x86_64 Linux, each wheel by its hash. Training's packages are not among them.
"""


@dataclass(frozen=True)
class Wheel:
    """One package as pip resolved it."""

    name: str
    version: str
    digest: str
    requires: Sequence[str]


def runtime_dependencies(root: Path = ROOT) -> list[str]:
    """What pyproject.toml lists for serving."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]


def write_lock(root: Path = ROOT) -> Path:
    """Resolve anew and write the file. Raises `Unavailable` where pip can't resolve."""
    dependencies = runtime_dependencies(root)
    wheels = resolve(dependencies, root / "constraints.txt")
    (root / LOCK).write_text(lock_text(needed(dependencies, wheels)), encoding="utf-8")
    return root / LOCK


def resolve(dependencies: Sequence[str], constraints: Path) -> list[Wheel]:
    """What pip would install into an empty environment; nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary", ":all:", "--report", str(report), "--constraint", str(constraints)]
        done = subprocess.run([*command, *dependencies], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"pip can't resolve the image's packages: {done.stderr.strip()[-500:]}")
        return [_wheel(each) for each in json.loads(report.read_text())["install"]]


def needed(dependencies: Sequence[str], wheels: Iterable[Wheel]) -> list[Wheel]:
    """Those that the dependencies lead to, with the extras that are asked for."""
    known: Mapping[str, Wheel] = {canonicalize_name(each.name): each for each in wheels}
    reached: dict[str, set[str]] = {}
    waiting = [Requirement(each) for each in dependencies]
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        extras = {"", *asked.extras}
        if name in LEFT_OUT or name not in known or extras <= reached.get(name, set()):
            continue
        reached.setdefault(name, set()).update(extras)
        inner = [Requirement(each) for each in known[name].requires]
        waiting += [each for each in inner if _applies(each, reached[name])]
    return [known[name] for name in sorted(reached)]


def lock_text(wheels: Iterable[Wheel]) -> str:
    """The file."""
    return _HEAD + "".join(f"{each.name}=={each.version} \\\n    --hash=sha256:{each.digest}\n" for each in wheels)


def read_lock(path: Path) -> dict[str, str]:
    """Canonical names and versions of a locked file."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", path.read_text(), re.MULTILINE)
    return {str(canonicalize_name(name)): version for name, version in pins}


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def _wheel(entry: Mapping[str, Any]) -> Wheel:
    about = entry["metadata"]
    digest = entry["download_info"]["archive_info"]["hashes"]["sha256"]
    # A build of one index, such as torch's +cpu, is the same version elsewhere.
    return Wheel(about["name"], about["version"].partition("+")[0], digest, about.get("requires_dist", ()))
