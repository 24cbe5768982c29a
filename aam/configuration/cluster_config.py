"""Checks `cluster.yaml` of Ray's cluster launcher: its schema held strictly, EC2's own shapes, and what is safe."""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import jsonschema
import ray.autoscaler
from jsonschema.exceptions import ValidationError

from aam.configuration.cluster_nodes import check_nodes, mapping
from aam.configuration.cluster_start import check_image, check_start
from aam.configuration.documents import read_mapping
from aam.configuration.findings import Finding, unknown, within
from aam.configuration.kinds import ConfigurationKind
from aam.configuration.schema_walk import Complaint

PROVIDER_KEYS = ("aws_credentials", "key_pair")
"""What the launcher reads on AWS beside the schema's."""
OF_OTHER_CLOUDS = (
    "availability_zone",
    "head_ip",
    "worker_ips",
    "namespace",
    "location",
    "resource_group",
    "tags",
    "subscription_id",
    "project_id",
    "msi_identity_id",
    "msi_identity_principal_id",
    "subnet_id",
    "autoscaler_service_account",
    "autoscaler_role",
    "autoscaler_role_binding",
    "module",
    "gcp_credentials",
)


def check(path: Path, document: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with a cluster's file; gaps (`${NAME}`) stand for texts."""
    complaints = list(_schema(document))
    complaints += _as_ray_prepares(document) if not complaints else []
    complaints += check_nodes(document)
    complaints += check_image(document, path.parent / "constraints.txt")
    complaints += check_start(document)
    complaints += _network(document)
    return [Finding(path, each.place, each.message) for each in complaints]


def strict_schema() -> dict[str, Any]:
    """Ray's own schema, with no object that takes any key which it does not name."""
    text = (Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text(encoding="utf-8")
    schema = cast(dict[str, Any], json.loads(text))
    provider = schema["properties"]["provider"]
    for name in OF_OTHER_CLOUDS:
        provider["properties"].pop(name, None)
    provider["properties"].update({name: {} for name in PROVIDER_KEYS})
    _close(schema)
    return schema


def _close(schema: object) -> None:
    if isinstance(schema, dict):
        inner = cast(dict[str, Any], schema)
        if isinstance(inner.get("properties"), dict) and inner.get("type") == "object":
            inner["additionalProperties"] = False
        for value in inner.values():
            _close(value)
    elif isinstance(schema, list):
        for value in cast(list[object], schema):
            _close(value)


def _keys_that_are_no_text(value: object, place: str) -> Iterator[Complaint]:
    if isinstance(value, dict):
        for key, inner in cast(dict[object, object], value).items():
            if isinstance(key, str):
                yield from _keys_that_are_no_text(inner, within(place, key))
            else:
                yield Complaint(place, f"has the key {key!r}, which is no text; put it in quotes")
    elif isinstance(value, list):
        for number, inner in enumerate(cast(list[object], value)):
            yield from _keys_that_are_no_text(inner, within(place, number))


def _schema(document: Mapping[str, Any]) -> Iterator[Complaint]:
    if wrong := list(_keys_that_are_no_text(document, "")):
        # A schema's patterns can't be held to such keys.
        yield from wrong
        return
    validator = jsonschema.Draft7Validator(strict_schema())
    for error in cast(Iterator[ValidationError], validator.iter_errors(document)):  # pyright: ignore[reportUnknownMemberType]
        place = ""
        for key in error.absolute_path:
            place = within(place, key)
        yield from _complaints(error, place)


def _complaints(error: ValidationError, place: str) -> Iterator[Complaint]:
    if error.validator != "additionalProperties":
        yield Complaint(place, f"{error.message}; see Ray's cluster configuration")
        return
    known = cast(Mapping[str, Any], cast(Any, error.schema)["properties"])
    for key in cast(Mapping[str, Any], error.instance):
        if key not in known:
            yield Complaint(within(place, key), unknown(key, known))


def _as_ray_prepares(document: Mapping[str, Any]) -> Iterator[Complaint]:
    """Ray's own checks, after the defaults that it adds."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    try:
        validate_config(cast(Any, prepare_config)(copy.deepcopy(dict(document))))
    except (ValueError, KeyError, RuntimeError, AssertionError, ValidationError) as problem:
        message = problem.message if isinstance(problem, ValidationError) else str(problem)
        yield Complaint("", f"Ray refuses it: {message}")


def _network(document: Mapping[str, Any]) -> Iterator[Complaint]:
    provider = mapping(document.get("provider"))
    if provider.get("type") == "aws" and provider.get("use_internal_ips") is not True:
        yield Complaint("provider.use_internal_ips", "must be true, or nodes get public addresses")


KINDS = (ConfigurationKind("cluster of Ray on EC2", ("cluster*.yaml",), read_mapping, check, required=True),)
