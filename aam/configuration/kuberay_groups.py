"""The groups of workers against `serve_config.yaml`: every replica finds a pod, and every pod has room."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aam.configuration.findings import within
from aam.configuration.kuberay_pods import mapping, mappings
from aam.configuration.kuberay_serve import PLACES
from aam.configuration.node_capacity import Capacity, NodeGroup
from aam.configuration.schema_walk import Complaint

GIB = 2**30
RAY_OVERHEAD = GIB
"""What Ray's own processes, its proxy and its objects are given at least, beside the replicas."""
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def capacity(cluster: Mapping[str, Any]) -> Capacity:
    """What the groups offer; the head takes no replicas."""
    groups = tuple(_node_group(group) for group in mappings(cluster.get("workerGroupSpecs")))
    return Capacity(groups, sum(group.most for group in groups))


def check_groups(cluster: Mapping[str, Any], serve_config: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    """Every deployment against the groups that have its resource, and every pod's memory against what Ray is told."""
    groups = list(enumerate(mappings(cluster.get("workerGroupSpecs"))))
    here = within(place, "workerGroupSpecs")
    for number, group in groups:
        yield from _room(group, within(here, number))
    deployments = [
        each for app in mappings(serve_config.get("applications")) for each in mappings(app.get("deployments"))
    ]
    for deployment in deployments:
        yield from _deployment(deployment, [group for _, group in groups], here)


def _deployment(deployment: Mapping[str, Any], groups: list[Mapping[str, Any]], place: str) -> Iterator[Complaint]:
    name, resource = deployment.get("name"), PLACES.get(str(deployment.get("name")))
    of_group = [group for group in groups if resource in _resources(group)]
    if resource is None or not of_group:
        yield Complaint(place, f"no group has the resource of {name}; give one rayStartParams.resources")
        return
    scaling, options = mapping(deployment.get("autoscaling_config")), mapping(deployment.get("ray_actor_options"))
    for bound, count in (("min_replicas", "minReplicas"), ("max_replicas", "maxReplicas")):
        there = sum(_whole(group.get(count)) * _resources(group)[resource] for group in of_group)
        if there < float(scaling.get(bound) or 0):
            yield Complaint(
                place, f"{name}: {bound} is {scaling.get(bound)}, the groups' {count} hold {there:g}; raise it"
            )
    for group in of_group:
        node, each = _node_group(group), _resources(group)[resource]
        cpus, memory = each * float(options.get("num_cpus") or 0), each * float(options.get("memory") or 0)
        if cpus > node.cpus or memory > node.memory_bytes:
            message = f"{each:g} replicas of {name} take {cpus:g} CPUs and {memory / GIB:g} GiB, Ray is told of "
            yield Complaint(
                f"{place}.{node.name}", f"{message}{node.cpus:g} and {node.memory_bytes / GIB:g}; raise them"
            )


def _room(group: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    node = _node_group(group)
    containers = mappings(mapping(mapping(group.get("template")).get("spec")).get("containers"))
    first = containers[0] if containers else mapping(None)
    requests = mapping(mapping(first.get("resources")).get("requests"))
    memory, cpus = quantity(requests.get("memory")), quantity(requests.get("cpu"))
    if memory < node.memory_bytes + RAY_OVERHEAD:
        message = f"the pod has {memory / GIB:g} GiB and its replicas may take {node.memory_bytes / GIB:g}"
        yield Complaint(place, f"{message}; leave 1 GiB or more for Ray itself")
    if cpus < node.cpus:
        yield Complaint(place, f"the pod has {cpus:g} CPUs and Ray is told of {node.cpus:g}; raise the request")


def _node_group(group: Mapping[str, Any]) -> NodeGroup:
    start = mapping(group.get("rayStartParams"))
    cpus, memory, gpus = (quantity(start.get(name)) for name in ("num-cpus", "memory", "num-gpus"))
    least, most = _whole(group.get("minReplicas")), _whole(group.get("maxReplicas"))
    return NodeGroup(str(group.get("groupName")), cpus, memory, gpus, least, most)


def _resources(group: Mapping[str, Any]) -> Mapping[str, float]:
    """Of `ray start --resources`, which the operator passes through a shell: JSON within JSON's quotes."""
    text = mapping(group.get("rayStartParams")).get("resources")
    try:
        inner: object = json.loads(json.loads(text)) if isinstance(text, str) else None
    except ValueError:
        return {}
    return {key: float(value) for key, value in mapping(inner).items() if isinstance(value, int | float)}


def quantity(value: object) -> float:
    """Kubernetes' way of writing a number, such as `1250m` or `3584Mi`; 0 for what is none."""
    text = str(value)
    for unit, factor in (*_UNITS.items(), ("m", 0.001)):
        if text.endswith(unit):
            return quantity(text.removesuffix(unit)) * factor
    try:
        return float(text)
    except ValueError:
        return 0.0


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
