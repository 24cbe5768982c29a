"""The operator's schema of a RayService, made strict: no key more than it names, at any level."""

import copy
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

from aam.configuration.findings import unknown, within
from aam.configuration.schema_walk import Complaint
from core.settings import ROOT

FILE = Path("kuberay", "ray.io_rayservices.yaml")
VERSION = "v1"
_DROPPED = ("default", "description", "format")
_PLAIN_METADATA = ("name", "namespace", "labels", "annotations")
"""The operator's schema leaves an object's own metadata open; the API server knows more keys, of which none is ours."""


def schema_file() -> Path | None:
    """The operator's definition below `AAM_SHARED_DATA`, or in a folder beside this tree; None where there is none."""
    given = os.environ.get("AAM_SHARED_DATA")
    folders = [Path(given)] if given else [ROOT.parent / "shared" / "data"]
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)


@cache
def strict_schema(file: Path) -> dict[str, Any]:
    """A JSON schema of `ray.io/v1` RayService in which every object that lists its keys has no other."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    definition = yaml.load(file.read_bytes(), loader)
    versions = {each["name"]: each for each in definition["spec"]["versions"]}
    schema = _closed(versions[VERSION]["schema"]["openAPIV3Schema"])
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    schema["properties"]["metadata"] = _metadata()
    for template in _pod_templates(schema):
        template["properties"]["metadata"] = _metadata(required=())
    return schema


def check_schema(document: Mapping[str, Any], file: Path) -> Iterator[Complaint]:
    """What the operator's schema refuses; needs jsonschema."""
    errors = _validator(file).iter_errors(document)
    for error in sorted(errors, key=lambda each: [str(part) for part in each.absolute_path]):
        place = ""
        for part in error.absolute_path:
            place = within(place, part)
        if error.validator == "additionalProperties":
            known = error.schema["properties"]
            yield from (
                Complaint(within(place, key), unknown(key, known)) for key in error.instance if key not in known
            )
        else:
            yield Complaint(place, f"{_shortened(error.message)}; give what the operator's schema takes")


@cache
def _validator(file: Path) -> Any:
    from jsonschema import Draft202012Validator

    return cast(Any, Draft202012Validator(strict_schema(file)))


def _closed(schema: Any) -> Any:
    """A copy in which what lists its properties takes no others."""
    if isinstance(schema, list):
        return [_closed(each) for each in cast(list[Any], schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast(dict[str, Any], schema)
    closed = {key: _closed(value) for key, value in given.items() if key != "properties" and key not in _DROPPED}
    if "properties" in given:
        closed["properties"] = {name: _closed(value) for name, value in given["properties"].items()}
        closed.setdefault("additionalProperties", bool(given.get("x-kubernetes-preserve-unknown-fields")))
    return closed


def _metadata(required: tuple[str, ...] = ("name",)) -> dict[str, Any]:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    kinds = {name: texts if name in ("labels", "annotations") else {"type": "string"} for name in _PLAIN_METADATA}
    return {
        "type": "object",
        "properties": copy.deepcopy(kinds),
        "additionalProperties": False,
        "required": list(required),
    }


def _pod_templates(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    cluster = schema["properties"]["spec"]["properties"]["rayClusterConfig"]["properties"]
    yield cluster["headGroupSpec"]["properties"]["template"]
    yield cluster["workerGroupSpecs"]["items"]["properties"]["template"]


def _shortened(message: str) -> str:
    return message if len(message) < 200 else f"{message[:200]}…"
