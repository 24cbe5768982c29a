"""Checks what `deploy/kuberay` makes: each object strictly, and the RayService against `serve_config.yaml`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from aam.configuration.documents import read_mapping
from aam.configuration.environment import check_names
from aam.configuration.findings import Finding, Unreadable, unknown, within
from aam.configuration.kinds import ConfigurationKind
from aam.configuration.kuberay_groups import capacity, check_groups
from aam.configuration.kuberay_keys import check_keys
from aam.configuration.kuberay_pods import check_container, check_pod, mapping, mappings
from aam.configuration.kuberay_schema import check_schema, schema_file
from aam.configuration.kuberay_serve import placed
from aam.configuration.kubernetes_objects import check_object, check_pod_template
from aam.configuration.kustomize import render
from aam.configuration.schema_walk import Complaint
from aam.configuration.serve_config import check_document
from core.settings import ROOT

RAY = "ray.io/"


def check(path: Path, document: object = None) -> list[Finding]:
    """What is wrong with a kustomization and with all that it makes; `document` is not needed, the file is read."""
    made = render(path)
    found = list(made.findings)
    if not found:
        found += check_objects(path, made.objects)
    return found


def check_objects(path: Path, objects: list[dict[str, Any]]) -> Iterator[Finding]:
    """What is wrong with objects that belong together."""
    variables = {_name(each): mapping(each.get("data")) for each in objects if each.get("kind") == "ConfigMap"}
    for each in objects:
        place = f"{each.get('kind')} {_name(each)}"
        if each.get("kind") == "ConfigMap":
            yield from check_names(path, f"{place}.data", mapping(each.get("data")))
        if str(each.get("apiVersion")).startswith(RAY):
            yield from _ray_service(path, each, variables)
        else:
            yield from (_told(path, place, each) for each in check_object(each))


def _ray_service(
    path: Path, service: Mapping[str, Any], variables: Mapping[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    place = f"RayService {_name(service)}"
    yield from (_told(path, place, each) for each in _shape(service))
    cluster = mapping(mapping(service.get("spec")).get("rayClusterConfig"))
    yield from (_told(path, place, each) for each in _cluster(cluster, variables, "spec.rayClusterConfig"))
    yield from _serve_config(path, place, service, cluster)


def _shape(service: Mapping[str, Any]) -> Iterator[Complaint]:
    """By the operator's schema where it is there, else by the keys that it had; the pods by Kubernetes' own."""
    if service.get("apiVersion") != "ray.io/v1" or service.get("kind") != "RayService":
        known = "ray.io/v1 RayService"
        yield Complaint("", unknown(f"{service.get('apiVersion')} {service.get('kind')}", [known], "kind"))
        return
    file = schema_file()
    if file:
        yield from check_schema(service, file)
    else:
        yield from check_keys(service)
    cluster = mapping(mapping(service.get("spec")).get("rayClusterConfig"))
    here = "spec.rayClusterConfig"
    yield from check_pod_template(
        mapping(mapping(cluster.get("headGroupSpec")).get("template")), f"{here}.headGroupSpec.template"
    )
    for number, group in enumerate(mappings(cluster.get("workerGroupSpecs"))):
        at = within(within(within(here, "workerGroupSpecs"), number), "template")
        yield from check_pod_template(mapping(group.get("template")), at)


def _cluster(cluster: Mapping[str, Any], variables: Mapping[str, Mapping[str, Any]], place: str) -> Iterator[Complaint]:
    head, scaler = mapping(cluster.get("headGroupSpec")), mapping(cluster.get("autoscalerOptions"))
    for at, given, wanted in (
        ("headGroupSpec.rayStartParams.num-cpus", mapping(head.get("rayStartParams")).get("num-cpus"), "0"),
        ("autoscalerOptions.version", scaler.get("version"), "v2"),
        ("enableInTreeAutoscaling", cluster.get("enableInTreeAutoscaling"), True),
        ("authOptions.mode", mapping(cluster.get("authOptions")).get("mode"), "token"),
        ("gcsFaultToleranceOptions.backend", mapping(cluster.get("gcsFaultToleranceOptions")).get("backend"), "redis"),
        ("rayVersion", cluster.get("rayVersion"), _ray_version()),
    ):
        if given != wanted:
            yield Complaint(within(place, at), f"is {given!r}; it must be {wanted!r}")
    yield from check_container(scaler, within(place, "autoscalerOptions"))
    at = within(place, "headGroupSpec.template.spec")
    yield from check_pod(mapping(mapping(head.get("template")).get("spec")), variables, at, calls_kubernetes=True)
    for number, group in enumerate(mappings(cluster.get("workerGroupSpecs"))):
        at = f"{within(within(place, 'workerGroupSpecs'), number)}.template.spec"
        yield from check_pod(mapping(mapping(group.get("template")).get("spec")), variables, at, calls_kubernetes=False)


def _serve_config(path: Path, place: str, service: Mapping[str, Any], cluster: Mapping[str, Any]) -> Iterator[Finding]:
    at = f"{place}.spec.serveConfigV2"
    try:
        held: object = yaml.safe_load(str(mapping(service.get("spec")).get("serveConfigV2")))
        original = read_mapping(ROOT / "serve_config.yaml")
    except yaml.YAMLError as problem:
        yield Finding(path, at, f"is no valid YAML: {problem}")
        return
    except Unreadable as problem:
        yield problem.finding
        return
    if held != placed(original):
        message = "is not what serve_config.yaml says; run `python -m aam config kuberay`"
        yield Finding(path, at, f"{message}{_difference(held, placed(original))}")
        return
    yield from check_document(path, mapping(held), capacity(cluster), at)
    yield from (_told(path, place, each) for each in check_groups(cluster, mapping(held), "spec.rayClusterConfig"))


def _difference(held: Any, wanted: Any, place: str = "") -> str:
    """The first place where two documents are not the same."""
    if isinstance(held, dict) and isinstance(wanted, dict):
        left, right = mapping(cast(object, held)), mapping(cast(object, wanted))
        pairs = [(key, left.get(key), right.get(key)) for key in (*right, *(key for key in left if key not in right))]
    elif (
        isinstance(held, list)
        and isinstance(wanted, list)
        and len(cast(list[Any], held)) == len(cast(list[Any], wanted))
    ):
        both = zip(cast(list[Any], held), cast(list[Any], wanted), strict=True)
        pairs = [(number, *pair) for number, pair in enumerate(both)]
    else:
        return f" ({place} is {held!r} and should be {wanted!r})" if place else ""
    for key, left_value, right_value in pairs:
        if left_value != right_value:
            return _difference(left_value, right_value, within(place, key))
    return ""


def _ray_version() -> str:
    from importlib.metadata import version

    return version("ray")


def _name(each: Mapping[str, Any]) -> str:
    return str(mapping(each.get("metadata")).get("name"))


def _told(path: Path, place: str, complaint: Complaint) -> Finding:
    return Finding(path, within(place, complaint.place) if complaint.place else place, complaint.message)


KINDS = (
    ConfigurationKind(
        "kustomizations of KubeRay",
        ("deploy/kuberay/base/kustomization.yaml", "deploy/kuberay/overlays/*/kustomization.yaml"),
        read_mapping,
        check,
        required=True,
    ),
)
