"""`serve_config.yaml` as a RayService holds it: its text, with each deployment placed on its own group of workers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from aam.configuration.documents import read_mapping
from core.settings import ROOT

PATCH = Path("deploy", "kuberay", "base", "serve_config_patch.yaml")
PLACES: Mapping[str, str] = {
    "RequestManagement": "request-management",
    "AIProcessing": "ai-processing",
    "DecisionSimulation": "decision-simulation",
    "Execution": "execution",
}
"""The resource of which each replica takes one; only the workers of its group have it."""
_HEAD = """\
# Written by `python -m aam config kuberay` from serve_config.yaml, with the resources that place each deployment on its
# group of workers. Change that file, and write this one anew; `aam config check` compares them.
"""


def placed(serve_config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which each deployment asks for its group's resource."""
    copied = json.loads(json.dumps(serve_config))
    for application in copied.get("applications", []):
        for deployment in application.get("deployments", []):
            place = PLACES.get(deployment.get("name"))
            if place:
                deployment.setdefault("ray_actor_options", {})["resources"] = {place: 1}
    return copied


def patch_text(serve_config: Mapping[str, Any]) -> str:
    """The patch that puts it into the RayService."""
    text = yaml.safe_dump(placed(serve_config), sort_keys=False, width=120)
    body = "".join(f"    {line}\n" for line in text.splitlines())
    return f"{_HEAD}- op: replace\n  path: /spec/serveConfigV2\n  value: |\n{body}"


def write_patch(root: Path = ROOT) -> Path:
    """Write the patch anew. Raises `Unreadable` where serve_config.yaml is none."""
    file = root / PATCH
    file.write_text(patch_text(read_mapping(root / "serve_config.yaml")), encoding="utf-8")
    return file
