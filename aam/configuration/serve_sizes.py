"""Checks the sizes of deployments: bounds that contradict each other, and what fits on no node."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from aam.configuration.environment import settings_or_defaults
from aam.configuration.findings import within
from aam.configuration.node_capacity import Capacity
from aam.configuration.schema_walk import Complaint

GIB = 2**30
LEAST_MEMORY = 64 * 2**20
"""In bytes; a Python process of a replica takes more before it loads anything."""
INGRESS = "RequestManagement"


def check_sizes(deployment: Mapping[str, Any], capacity: Capacity | None, place: str) -> Iterator[Complaint]:
    """One deployment by itself."""
    yield from _resources(deployment, capacity, within(place, "ray_actor_options"))
    yield from _bounds(deployment, within(place, "autoscaling_config"))
    yield from _queue(deployment, place)


def check_resources(deployment: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    """Resources of one's own: no node of a `cluster.yaml` has any, while those of Kubernetes may."""
    for name in _given(deployment, "ray_actor_options", "resources"):
        here = within(place, f"ray_actor_options.resources.{name}")
        yield Complaint(here, "no node offers it, so no replica could start; take it out")


def check_cluster(deployments: Sequence[Mapping[str, Any]], capacity: Capacity, place: str) -> Iterator[Complaint]:
    """All deployments together at their lower bounds, on the nodes that are always there."""
    cpus = sum(_least(each) * (_option(each, "num_cpus") or 0.0) for each in deployments)
    memory = sum(_least(each) * (_option(each, "memory") or 0.0) for each in deployments)
    if cpus > capacity.least_cpus:
        yield Complaint(
            place,
            f"the lower bounds need {cpus:g} CPUs and the cluster's least nodes have {capacity.least_cpus:g}; raise "
            "min_workers in cluster.yaml or lower min_replicas",
        )
    if memory > capacity.least_memory:
        yield Complaint(
            place,
            f"the lower bounds need {memory / GIB:.1f} GiB and the cluster's least nodes have "
            f"{capacity.least_memory / GIB:.1f}; raise min_workers in cluster.yaml or lower min_replicas",
        )
    yield from _upper(deployments, capacity, place)


def _upper(deployments: Sequence[Mapping[str, Any]], capacity: Capacity, place: str) -> Iterator[Complaint]:
    for option, unit, size, offered in (
        ("num_cpus", "CPUs", 1, capacity.most_cpus),
        ("memory", "GiB", GIB, capacity.most_memory),
    ):
        most = sum((_bound(each, "max_replicas") or 0.0) * (_option(each, option) or 0.0) for each in deployments)
        if most > offered:
            message = f"the upper bounds need {most / size:g} {unit} and all nodes have {offered / size:g}"
            yield Complaint(place, f"{message}; raise max_workers in cluster.yaml or lower max_replicas")


def _resources(deployment: Mapping[str, Any], capacity: Capacity | None, place: str) -> Iterator[Complaint]:
    for name, unit, node in (("num_cpus", "CPUs", "cpus"), ("memory", "bytes", "memory_bytes")):
        wanted, here = _option(deployment, name), within(place, name)
        if wanted is None:
            yield Complaint(here, f"is missing; say how many {unit} one replica takes")
        elif name == "memory" and 0 < wanted < LEAST_MEMORY:
            yield Complaint(here, f"{wanted:g} is in bytes, and no replica starts in so few; 1 GiB is {GIB}")
        elif wanted <= 0:
            yield Complaint(here, f"{wanted:g} {unit} would let Ray place any number on a node; give more than 0")
        elif capacity and wanted > capacity.largest(node):
            yield Complaint(here, f"{wanted:g} {unit} fit on no node of cluster.yaml ({capacity.largest(node):g})")
    gpus = _option(deployment, "num_gpus") or 0.0
    if capacity and gpus > capacity.largest("gpus"):
        yield Complaint(within(place, "num_gpus"), f"{gpus:g} GPUs fit on no node of cluster.yaml; allow GPU workers")
    yield from _together(deployment, capacity, gpus, place)
    most, needed = _bound(deployment, "max_replicas"), _option(deployment, "num_cpus") or 0.0
    if capacity and most is not None and most * needed > capacity.most_cpus:
        upper = within(place.rpartition(".")[0], "autoscaling_config.max_replicas")
        yield Complaint(
            upper, f"{most:g} replicas need {most * needed:g} CPUs and all nodes have {capacity.most_cpus:g}"
        )


def _together(deployment: Mapping[str, Any], capacity: Capacity | None, gpus: float, place: str) -> Iterator[Complaint]:
    cpus, memory = _option(deployment, "num_cpus") or 0.0, _option(deployment, "memory") or 0.0
    fit_alone = capacity and cpus <= capacity.largest("cpus") and memory <= capacity.largest("memory_bytes")
    if capacity and fit_alone and gpus <= capacity.largest("gpus") and not capacity.fits(cpus, memory, gpus):
        message = f"{cpus:g} CPUs, {memory / GIB:g} GiB and {gpus:g} GPUs are together on no node of cluster.yaml"
        yield Complaint(place, f"{message}; ask for less, or add a type of node that has them")


def _bounds(deployment: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    least, most, initial = (_bound(deployment, f"{name}_replicas") for name in ("min", "max", "initial"))
    if least is None or most is None:
        yield Complaint(place, "needs min_replicas and max_replicas; Ray's defaults are 1 and 1")
        return
    if least > most:
        yield Complaint(
            within(place, "min_replicas"), f"{least:g} is above max_replicas ({most:g}); swap or raise them"
        )
    if least < 1:
        yield Complaint(within(place, "min_replicas"), "at 0 the first call waits for a start; give 1 or more")
    if initial is not None and not least <= initial <= most:
        message = f"{initial:g} is outside min_replicas and max_replicas ({least:g} to {most:g})"
        yield Complaint(within(place, "initial_replicas"), message)
    target, ongoing = _bound(deployment, "target_ongoing_requests"), _number(deployment.get("max_ongoing_requests"))
    if target is not None and ongoing is not None and target > ongoing:
        message = f"{target:g} is above max_ongoing_requests ({ongoing:g}) and is never reached; lower it"
        yield Complaint(within(place, "target_ongoing_requests"), message)


def _queue(deployment: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    queued, here = _number(deployment.get("max_queued_requests")), within(place, "max_queued_requests")
    if queued is None or queued < 1:
        yield Complaint(here, "must be finite; without a limit, callers wait until they time out")
    if not deployment.get("backpressure_config"):
        yield Complaint(within(place, "backpressure_config"), "is missing; say status_code and retry_after_s")
    ongoing, here = _number(deployment.get("max_ongoing_requests")), within(place, "max_ongoing_requests")
    if ongoing is None:
        yield Complaint(here, "is missing; Ray's default is 5")
    elif deployment.get("name") == INGRESS:
        settings = settings_or_defaults()
        own = settings.concurrent_calls + settings.concurrent_streams
        if ongoing < own:
            yield Complaint(here, f"{ongoing:g} is below the {own} calls and streams that the ingress itself admits")


def _least(deployment: Mapping[str, Any]) -> float:
    return _bound(deployment, "min_replicas") or 0.0


def _bound(deployment: Mapping[str, Any], name: str) -> float | None:
    return _within(deployment, "autoscaling_config", name)


def _option(deployment: Mapping[str, Any], name: str) -> float | None:
    return _within(deployment, "ray_actor_options", name)


def _within(deployment: Mapping[str, Any], holder: str, name: str) -> float | None:
    found = deployment.get(holder)
    return _number(cast(Mapping[str, Any], found).get(name)) if isinstance(found, Mapping) else None


def _given(deployment: Mapping[str, Any], holder: str, name: str) -> Mapping[str, Any]:
    """A mapping within a mapping; empty where it is none."""
    outer = deployment.get(holder)
    found = cast(Mapping[str, Any], outer).get(name) if isinstance(outer, Mapping) else None
    return cast(Mapping[str, Any], found) if isinstance(found, Mapping) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
