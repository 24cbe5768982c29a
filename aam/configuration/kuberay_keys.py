"""The keys of a RayService that the operator knows, for where its own schema is not at hand; a test compares them."""

from collections.abc import Iterator, Mapping
from typing import Any

from aam.configuration.findings import unknown, within
from aam.configuration.kuberay_pods import mapping, mappings
from aam.configuration.schema_walk import Complaint

# fmt: off
SERVICE = frozenset({
    "deploymentUnhealthySecondThreshold", "excludeHeadPodFromServeSvc", "managedBy", "rayClusterConfig",
    "rayClusterDeletionDelaySeconds", "serveConfigV2", "serveService", "serviceUnhealthySecondThreshold", "suspend",
    "upgradeStrategy",
})
CLUSTER = frozenset({
    "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions", "headGroupSpec",
    "headServiceAnnotations", "historyServerOptions", "managedBy", "networkPolicy", "rayVersion", "suspend",
    "tlsOptions", "upgradeStrategy", "workerGroupSpecs",
})
HEAD = frozenset({
    "enableIngress", "headService", "ingressOptions", "labels", "rayStartParams", "resources", "serviceType",
    "template",
})
GROUP = frozenset({
    "groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts", "priority",
    "rayStartParams", "replicas", "resources", "scaleStrategy", "suspend", "template",
})
# fmt: on


def check_keys(service: Mapping[str, Any]) -> Iterator[Complaint]:
    """Keys that the operator does not know; those of the pods are Kubernetes' own."""
    spec = mapping(service.get("spec"))
    cluster = mapping(spec.get("rayClusterConfig"))
    here = "spec.rayClusterConfig"
    head = mapping(cluster.get("headGroupSpec"))
    holders = [("spec", spec, SERVICE), (here, cluster, CLUSTER), (within(here, "headGroupSpec"), head, HEAD)]
    for number, group in enumerate(mappings(cluster.get("workerGroupSpecs"))):
        holders.append((within(within(here, "workerGroupSpecs"), number), group, GROUP))
    for at, holder, keys in holders:
        yield from (Complaint(within(at, key), unknown(key, keys)) for key in holder if key not in keys)
