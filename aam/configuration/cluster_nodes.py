"""Checks a cluster's node types: shapes, bounds, who may be interrupted, and what each node may do."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from aam.configuration.ec2_shapes import check_run_instances, regions
from aam.configuration.findings import unknown, within
from aam.configuration.gaps import GAP
from aam.configuration.schema_walk import Complaint

Node = Mapping[str, Any]
RESOURCES = ("CPU", "GPU", "memory", "object_store_memory")
"""What a node may offer: no replica asks for anything else."""
_AMI = re.compile(rf"ami-[0-9a-f]{{8,17}}|{GAP.pattern}")


def check_nodes(document: Node) -> Iterator[Complaint]:
    """Every node type, and all of them together."""
    types, head = mapping(document.get("available_node_types")), str(document.get("head_node_type"))
    place = "available_node_types"
    if types and head not in types:
        yield Complaint("head_node_type", unknown(head, types, "node type"))
    region = str(mapping(document.get("provider")).get("region"))
    if region not in regions():
        yield Complaint("provider.region", unknown(region, regions(), "region"))
    for name, kind in types.items():
        here, described = within(place, name), mapping(kind)
        yield from _node_config(mapping(described.get("node_config")), within(here, "node_config"))
        for resource in mapping(described.get("resources")):
            if resource not in RESOURCES:
                yield Complaint(within(here, f"resources.{resource}"), unknown(resource, RESOURCES, "resource"))
        yield from _head(described, here) if name == head else _worker(described, here)
    workers = {name: mapping(kind) for name, kind in types.items() if name != head}
    yield from _together(document, workers, place)


def _node_config(node: Node, place: str) -> Iterator[Complaint]:
    yield from check_run_instances(node, place)
    for name in ("InstanceType", "ImageId", "IamInstanceProfile", "SubnetIds", "SecurityGroupIds", "KeyName"):
        if name == "SubnetIds" and "NetworkInterfaces" in node:
            continue
        if not node.get(name):
            yield Complaint(within(place, name), "is missing; Ray would choose or make one of its own")
    image = node.get("ImageId")
    if isinstance(image, str) and not _AMI.fullmatch(image):
        yield Complaint(within(place, "ImageId"), f"{image!r} is not pinned; give an ami-... or a ${{NAME}}")
    if mapping(node.get("MetadataOptions")).get("HttpTokens") != "required":
        here = within(place, "MetadataOptions.HttpTokens")
        yield Complaint(here, "must be required, or a forged request can read the node's credentials")
    subnets = node.get("SubnetIds")
    if subnets and not (
        isinstance(subnets, list) and all(isinstance(each, str) for each in _entries(node, "SubnetIds"))
    ):
        yield Complaint(within(place, "SubnetIds"), "must be a list of subnets' ids; write [subnet-...]")
    yield from _addresses(node, place)
    yield from _disks(node, place)


def _addresses(node: Node, place: str) -> Iterator[Complaint]:
    for number, interface in enumerate(_entries(node, "NetworkInterfaces")):
        if mapping(interface).get("AssociatePublicIpAddress") is not False:
            here = within(within(within(place, "NetworkInterfaces"), number), "AssociatePublicIpAddress")
            yield Complaint(here, "must be false: nodes have no public address")


def _disks(node: Node, place: str) -> Iterator[Complaint]:
    for number, disk in enumerate(_entries(node, "BlockDeviceMappings")):
        if mapping(mapping(disk).get("Ebs")).get("Encrypted") is not True:
            here = within(within(within(place, "BlockDeviceMappings"), number), "Ebs.Encrypted")
            yield Complaint(here, "must be true: residents' messages may be in a log or a cache on it")


def _head(described: Node, place: str) -> Iterator[Complaint]:
    if mapping(described.get("resources")).get("CPU") != 0:
        yield Complaint(within(place, "resources.CPU"), "must be 0, so that no replica is placed on the head")
    if _is_spot(described):
        here = within(place, "node_config.InstanceMarketOptions")
        yield Complaint(here, "take it out: where a spot head is taken away, the cluster is lost")


def _worker(described: Node, place: str) -> Iterator[Complaint]:
    least, most = described.get("min_workers"), described.get("max_workers")
    for name, bound in (("min_workers", least), ("max_workers", most)):
        if bound is None:
            yield Complaint(within(place, name), "is missing; without it the cluster's own bound holds")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield Complaint(within(place, "min_workers"), f"{least} is above max_workers ({most}); swap or raise them")
    for name in ("CPU", "memory"):
        if not mapping(described.get("resources")).get(name):
            yield Complaint(within(place, f"resources.{name}"), "is missing; say what Ray may place on such a node")
    if _is_spot(described) and least:
        yield Complaint(within(place, "min_workers"), "must be 0 for spot, or the least that serves may be taken away")


def _together(document: Node, workers: Mapping[str, Node], place: str) -> Iterator[Complaint]:
    bound, least = document.get("max_workers"), sum(_bound(each, "min_workers") for each in workers.values())
    if not isinstance(bound, int):
        yield Complaint("max_workers", "is missing; Ray's default is 2")
    elif least > bound:
        yield Complaint("max_workers", f"{bound} is below the sum of all min_workers ({least}); raise it")
    for name, described in workers.items():
        if _is_spot(described) and not _has_fall_back(described, workers):
            message = "is spot without a fall-back; add an on-demand type of the same resources and a lower priority"
            yield Complaint(within(place, name), message)


def _has_fall_back(spot: Node, workers: Mapping[str, Node]) -> bool:
    return any(
        not _is_spot(each)
        and each.get("resources") == spot.get("resources")
        and _bound(each, "max_workers") > _bound(each, "min_workers")
        and _bound(each, "priority") < _bound(spot, "priority")
        for each in workers.values()
    )


def _is_spot(described: Node) -> bool:
    options = mapping(mapping(described.get("node_config")).get("InstanceMarketOptions"))
    return options.get("MarketType") == "spot"


def _entries(node: Node, name: str) -> list[object]:
    found = node.get(name)
    return cast(list[object], found) if isinstance(found, list) else []


def _bound(described: Node, name: str) -> int:
    """A whole number; 0 for what is none, of which Ray's schema tells."""
    found = described.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def mapping(value: object) -> Node:
    """The value where it is a mapping; an empty one otherwise."""
    return cast(Node, value) if isinstance(value, Mapping) else {}
