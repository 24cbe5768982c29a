"""Checks Compose files: by the specification's schema, pinned images, the loopback interface, and mounts that exist."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

from aam.configuration.documents import read_mapping
from aam.configuration.findings import Finding, Unreadable, within
from aam.configuration.kinds import ConfigurationKind
from aam.configuration.kuberay_pods import mapping
from core.settings import ROOT

FILE = "deploy/observability/compose.yaml"
MISSING = "can't be checked without check-jsonschema; `pip install -c constraints.txt check-jsonschema` brings it"
_PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+")
_ANYWHERE = re.compile(r"0\.0\.0\.0|\[::\]")


def check(path: Path, document: Mapping[str, Any] | None = None) -> list[Finding]:
    """What is wrong with a Compose file; `document` is what `read_mapping` made of it."""
    try:
        composed = read_mapping(path) if document is None else document
    except Unreadable as problem:
        return [problem.finding]
    found = [*_schema(path, composed)]
    for name, service in mapping(composed.get("services")).items():
        place = f"services.{name}"
        found += [Finding(path, within(place, key), text) for key, text in _service(mapping(service))]
    return found


@cache
def _validator() -> Any:
    from jsonschema.validators import validator_for

    file = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    return cast(Any, validator_for(schema))(schema)


def _schema(path: Path, document: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        validator = _validator()
    except ImportError:
        yield Finding(path, "", MISSING)
        return
    for error in validator.iter_errors(document):
        place = ""
        for part in error.absolute_path:
            place = within(place, part)
        yield Finding(path, place, f"{error.message[:200]}; give what the Compose specification takes")


def _service(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    image = str(service.get("image", ""))
    if not _PINNED.fullmatch(image):
        yield "image", f"{image or 'nothing'} is not pinned; give a version of three numbers"
    for port in service.get("ports") or ():
        if not str(port).startswith("127.0.0.1:"):
            yield "ports", f"{port} is open to other machines; begin it with 127.0.0.1:"
    if _ANYWHERE.search(json.dumps(service.get("command") or "")):
        yield "command", "listens on every address; give 127.0.0.1"
    for mount in service.get("volumes") or ():
        source = str(mount).split(":", 1)[0]
        if source.startswith("./") and not (ROOT / FILE).parent.joinpath(source).exists():
            yield "volumes", f"{source} is not there; write it, or mount another"


KINDS = (ConfigurationKind("local observability", (FILE,), read_mapping, check, required=True),)
