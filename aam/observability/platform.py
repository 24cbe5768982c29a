"""What it runs on: calls, replicas, stages, queues, outside systems and nodes."""

from aam.observability import ray_metrics as r
from aam.observability.expressions import highest, quantile, rate, rate_quantile, selected, summed, total
from aam.observability.panels import INTERVAL, Dashboard, Panel, Query, Row
from core import metrics as m

LONG = ".*/(events|export)"
"""Routes whose answers are meant to last: timelines, and what a resident's data is taken out by."""
TARGET_MS = 1000.0
"""All but one call in twenty are answered within it."""
_HALF_AND_MOST = ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))


def _errors() -> str:
    every = f"sum (rate({selected(r.HTTP_REQUESTS)}[{INTERVAL}]))"
    failed = f'sum (rate({selected(r.HTTP_REQUESTS)}{{status_code=~"5..",status_code!="503"}}[{INTERVAL}]))'
    return f"({failed} or 0 * {every}) / ({every} > 0)"


_CALLS = Row(
    "Calls",
    (
        Panel(
            "Calls a second, by answer",
            "429 and 503 are backpressure, other 5xx are faults.",
            "ops",
            (Query(rate(r.HTTP_REQUESTS, "status_code"), "{{status_code}}"),),
            "stacked",
        ),
        Panel(
            "Share of calls that failed",
            "5xx other than 503, which turns a call away for load; above 1 % somebody is called.",
            "percentunit",
            (Query(_errors(), "failed"),),
            limit=0.01,
        ),
        Panel(
            "How long a call takes",
            "At the ingress, without timelines and exports, which are meant to last.",
            "ms",
            tuple(Query(rate_quantile(r.HTTP_LATENCY, at, without=LONG), name) for at, name in _HALF_AND_MOST),
            limit=TARGET_MS,
        ),
    ),
)

_DEPLOYMENTS = Row(
    "Deployments",
    (
        Panel(
            "Healthy replicas",
            "Below the number that there should be for minutes, replicas can't start: no room, or a fault at start.",
            "short",
            (Query(summed(r.HEALTHY, "deployment"), "{{deployment}}"),),
        ),
        Panel(
            "Replicas that there should be",
            "As the autoscaler has it.",
            "short",
            (Query(highest(r.TARGET_REPLICAS, "deployment"), "{{deployment}}"),),
        ),
        Panel(
            "Failed health checks",
            "A second.",
            "ops",
            (Query(rate(r.HEALTH_FAILURES, "deployment"), "{{deployment}}"),),
        ),
        Panel(
            "Calls a second",
            "Carried out.",
            "ops",
            (Query(rate(r.DEPLOYMENT_REQUESTS, "deployment"), "{{deployment}}"),),
        ),
        Panel(
            "Exceptions a second",
            "Calls that ended with one.",
            "ops",
            (Query(rate(r.DEPLOYMENT_ERRORS, "deployment", "exception_type"), "{{deployment}} {{exception_type}}"),),
        ),
        Panel(
            "How long a replica takes, 95 %",
            "Of a call, its waiting before it left out.",
            "ms",
            (Query(rate_quantile(r.DEPLOYMENT_LATENCY, 0.95, "deployment"), "{{deployment}}"),),
        ),
        Panel(
            "Calls that wait for a replica",
            "Above none for long, more replicas are needed than there may be.",
            "short",
            (Query(summed(r.QUEUED, "deployment"), "{{deployment}}"),),
        ),
        Panel(
            "Calls in work", "Of all replicas.", "short", (Query(summed(r.ONGOING, "deployment"), "{{deployment}}"),)
        ),
        Panel(
            "Busiest replica",
            "Share of its places (max_ongoing_requests) in use; near 100 for long, calls begin to wait.",
            "percent",
            (Query(highest(r.UTILIZATION, "deployment"), "{{deployment}}"),),
            top=100.0,
        ),
    ),
)

_STAGES = Row(
    "Stages, 95 % over a quarter of an hour",
    tuple(
        Panel(
            title,
            what,
            "s",
            (Query(quantile(m.STAGES, 0.95, "stage", window="15m", service=service), "{{stage}}"),),
            width=6,
        )
        for service, title, what in (
            ("request_management", "RequestManagement", "From receipt to judgement, and each step of it."),
            ("ai_processing", "AIProcessing", "Of a batch of messages."),
            ("decision_simulation", "DecisionSimulation", "From the knowledge base to the options."),
            ("execution", "Execution", "In the queue, and carried out."),
        )
    ),
)

_QUEUES = Row(
    "Queue and due work",
    (
        Panel(
            "Commands that wait", "To be carried out.", "short", (Query(highest(m.QUEUE_DEPTH), "commands"),), width=6
        ),
        Panel(
            "Oldest command",
            "How long it has waited.",
            "s",
            (Query(highest(m.QUEUE_AGE), "age"),),
            width=6,
            limit=120.0,
        ),
        Panel(
            "Dead letters",
            "Each waits for a person: see the runbook on dead letters.",
            "short",
            (Query(highest(m.DEAD_LETTERS), "dead letters"),),
            width=6,
        ),
        Panel(
            "Due work's lag",
            "How late the oldest due item is.",
            "s",
            (Query(highest(m.DUE_WORK_LAG), "lag"),),
            width=6,
            limit=60.0,
        ),
    ),
)

_OUTSIDE = Row(
    "Outside systems",
    (
        Panel(
            "Calls an hour",
            "By system, and what came of them.",
            "short",
            (Query(total(m.OUTSIDE_CALLS, "system", "outcome"), "{{system}} {{outcome}}"),),
            "stacked",
        ),
        Panel(
            "How long a call takes, 95 %",
            "Over an hour.",
            "s",
            (Query(quantile(m.OUTSIDE_TIME, 0.95, "system"), "{{system}}"),),
        ),
        Panel(
            "Circuits",
            "0 where calls pass, 1 where one is tried, 2 where none passes.",
            "short",
            (Query(highest(m.CIRCUITS, "system"), "{{system}}"),),
            top=2.0,
        ),
    ),
)

_NODES = Row(
    "Nodes",
    (
        Panel(
            "CPU",
            "Busy share of each node.",
            "percent",
            (Query(highest(r.NODE_CPU, "ip"), "{{ip}}"),),
            top=100.0,
        ),
        Panel(
            "Memory",
            "Used share of each node; at 95 % Ray begins to end processes.",
            "percentunit",
            (Query(f"{highest(r.NODE_MEMORY_USED, 'ip')} / {highest(r.NODE_MEMORY_TOTAL, 'ip')}", "{{ip}}"),),
            top=1.0,
            limit=0.95,
        ),
        Panel(
            "Nodes and their endpoints",
            "Each node has one endpoint of metrics, the head two more; one that does not answer is down.",
            "short",
            (
                Query(f"count ({highest(r.NODE_CPU, 'ip')})", "nodes"),
                Query('count (up{job="ray"})', "endpoints"),
                Query('sum (up{job="ray"})', "endpoints that answer"),
            ),
        ),
    ),
)

PLATFORM = Dashboard(
    "aam-platform",
    "Platform",
    "What it runs on.",
    (_CALLS, _DEPLOYMENTS, _STAGES, _QUEUES, _OUTSIDE, _NODES),
)
