"""Metrics that Ray and Serve write themselves, as far as dashboards and alerts use them.

A test holds each to the installed wheel's own source: its name, its kind and its labels.
"""

from collections.abc import Sequence

from core.metrics import SERVE_LABELS as REPLICA
from core.metrics import Kind, Metric

CALLER = ("deployment", "application", "handle", "actor_id")
NODE = ("ip", "RayNodeType", "IsHeadNode")


def _metric(name: str, kind: Kind, labels: tuple[str, ...], description: str) -> Metric:
    return Metric(name, kind, description, labels)


HTTP_REQUESTS = _metric(
    "serve_num_http_requests",
    "counter",
    ("route", "method", "application", "status_code"),
    "Calls that were answered, as the ingress saw them.",
)
HTTP_LATENCY = _metric(
    "serve_http_request_latency_ms",
    "histogram",
    ("method", "route", "application", "status_code"),
    "How long a call took, as the ingress saw it.",
)
DEPLOYMENT_REQUESTS = _metric(
    "serve_deployment_request_counter", "counter", ("route", *REPLICA), "Calls that a replica has carried out."
)
DEPLOYMENT_ERRORS = _metric(
    "serve_deployment_error_counter",
    "counter",
    ("route", "exception_type", *REPLICA),
    "Calls that ended with an exception in a replica.",
)
DEPLOYMENT_LATENCY = _metric(
    "serve_deployment_processing_latency_ms", "histogram", ("route", *REPLICA), "How long a replica took for a call."
)
QUEUED = _metric("serve_deployment_queued_queries", "gauge", CALLER, "Calls that wait for a replica.")
ONGOING = _metric("serve_replica_processing_queries", "gauge", REPLICA, "Calls that a replica is busy with.")
HEALTHY = _metric(
    "serve_deployment_replica_healthy", "gauge", ("deployment", "application"), "Replicas that pass their checks."
)
TARGET_REPLICAS = _metric(
    "serve_autoscaling_target_replicas", "gauge", ("deployment", "application"), "Replicas that there should be."
)
HEALTH_FAILURES = _metric(
    "serve_health_check_failures_total", "counter", ("deployment", "application"), "Checks that replicas failed."
)
UTILIZATION = _metric(
    "serve_replica_utilization_percent", "gauge", REPLICA, "Share of its places that a replica had in use, in percent."
)

NODE_CPU = _metric("node_cpu_utilization", "gauge", NODE, "Busy share of a node's CPUs, in percent.")
NODE_MEMORY_USED = _metric("node_mem_used", "gauge", NODE, "Bytes.")
NODE_MEMORY_TOTAL = _metric("node_mem_total", "gauge", NODE, "Bytes.")

RAY_METRICS: Sequence[Metric] = tuple(value for value in dict(globals()).values() if isinstance(value, Metric))
