"""What a cluster's nodes offer, so that sizes that fit on none of them are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast


@dataclass(frozen=True)
class NodeGroup:
    """Nodes of one kind, with what Ray may place on each."""

    name: str
    cpus: float
    memory_bytes: float
    gpus: float
    least: int
    """How many there always are."""
    most: int
    """How many there can be."""


@dataclass(frozen=True)
class Capacity:
    """All groups of a cluster."""

    groups: Sequence[NodeGroup]
    most: int
    """Nodes beside the head, of all groups together."""

    @classmethod
    def of_cluster(cls, cluster: Mapping[str, Any]) -> Self:
        """From a `cluster.yaml` that was read; what is no number counts as 0, for its own check tells of that."""
        head = cluster.get("head_node_type")
        given = cluster.get("available_node_types")
        types = cast(Mapping[str, Any], given if isinstance(given, Mapping) else {})
        groups = tuple(_group(name, kind, is_head=name == head) for name, kind in types.items())
        return cls(groups, int(_number(cluster.get("max_workers"))) + 1)

    @property
    def least_cpus(self) -> float:
        """Always there."""
        return sum(group.cpus * group.least for group in self.groups)

    @property
    def least_memory(self) -> float:
        """Always there, in bytes."""
        return sum(group.memory_bytes * group.least for group in self.groups)

    @property
    def most_cpus(self) -> float:
        """At the upper bounds; of groups that share the cluster's bound, the largest nodes count."""
        return self._most("cpus")

    @property
    def most_memory(self) -> float:
        """As `most_cpus`, in bytes."""
        return self._most("memory_bytes")

    def fits(self, cpus: float, memory_bytes: float, gpus: float) -> bool:
        """Whether there can be a node that has room for all of this together."""
        return any(
            group.most and group.cpus >= cpus and group.memory_bytes >= memory_bytes and group.gpus >= gpus
            for group in self.groups
        )

    def largest(self, resource: str) -> float:
        """The most of `cpus`, `memory_bytes` or `gpus` on one node that there can be."""
        return max((getattr(group, resource) for group in self.groups if group.most), default=0.0)

    def _most(self, resource: str) -> float:
        left, total = self.most, 0.0
        for group in sorted(self.groups, key=lambda group: getattr(group, resource), reverse=True):
            taken = min(left, group.most)
            total, left = total + taken * getattr(group, resource), left - taken
        return total


def _group(name: str, kind: object, *, is_head: bool) -> NodeGroup:
    described = cast(Mapping[str, Any], kind if isinstance(kind, Mapping) else {})
    offered = described.get("resources")
    resources = cast(Mapping[str, Any], offered if isinstance(offered, Mapping) else {})
    least, most = (int(_number(described.get(name))) for name in ("min_workers", "max_workers"))
    return NodeGroup(
        name,
        _number(resources.get("CPU")),
        _number(resources.get("memory")),
        _number(resources.get("GPU")),
        1 if is_head else least,
        1 if is_head else most,
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
