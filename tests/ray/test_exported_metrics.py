"""On real Ray: after a few requests the node's Prometheus endpoint shows what they must have emitted."""

import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from bench.running_graph import Graph
from core import metrics as the
from core.labels import Role
from core.metrics import SERVE_LABELS, Metric, exported_name

WITHIN_S = 90.0
"""Ray hands values on every ten seconds, and the first ones later."""
DRIVEN: dict[str, tuple[Metric, ...]] = {
    "RequestManagement": (
        the.REQUESTS,
        the.STATUS_CHANGES,
        the.TARGETS,
        the.STAGES,
        the.DECISIONS,
        the.AUTOMATION,
        the.REFUSALS,
        the.DUE_WORK_LAG,
    ),
    "AIProcessing": (the.MODEL_MESSAGES, the.CONFIDENCE, the.LABELS, the.MODELS_REFUSED, the.STAGES),
    "DecisionSimulation": (the.GATES, the.STAGES),
    "Execution": (
        the.QUEUE_DEPTH,
        the.QUEUE_AGE,
        the.DEAD_LETTERS,
        the.EXECUTIONS,
        the.NOTICES,
        the.OUTSIDE_CALLS,
        the.OUTSIDE_TIME,
        the.CIRCUITS,
        the.STAGES,
    ),
}
"""What the driven path must emit, by the deployment that does."""


def families_of(graph: Graph) -> dict[str, Family]:
    """The metrics of this software, by the name that a query uses."""
    found: dict[str, Family] = {}
    for page in graph.metrics_pages():
        for family in text_string_to_metric_families(page):
            # The parser takes `_total` off a counter's name; its samples have it.
            name = family.name + ("_total" if family.type == "counter" else "")
            if name.startswith("ray_aam_"):
                found[name] = family
    return found


def missing(families: dict[str, Family]) -> set[tuple[str, str]]:
    """What is not there yet: the deployment and the exported name."""
    return {
        (deployment, exported_name(metric))
        for deployment, metrics in DRIVEN.items()
        for metric in metrics
        if not any(
            sample.labels.get("deployment") == deployment
            for sample in getattr(families.get(exported_name(metric)), "samples", ())
        )
    }


@pytest.fixture
def resident(graph: Graph) -> Iterator[httpx.Client]:
    # Somebody of these tests alone: a third message about the same thing goes to staff.
    with graph.client(Role.RESIDENT, "RES_A_102") as client:
        yield client


def drive(resident: httpx.Client) -> None:
    wait = {"Prefer": "wait=30"}
    for message in (
        "water is pouring through my bathroom ceiling and the light is flickering",
        "what time does the gym close?",
    ):
        assert resident.post("/requests", json={"message_text": message}, headers=wait).status_code == 201
    parcel = resident.post(
        "/requests", json={"message_text": "my parcel shows delivered but it is not in the locker"}, headers=wait
    ).json()
    chosen = {"option_id": parcel["options"][0]["option_id"]}
    assert resident.post(f"/requests/{parcel['request_id']}/select-option", json=chosen).status_code == 200
    assert resident.get("/requests/REQ_none").status_code == 404


def test_the_nodes_endpoint_shows_what_the_requests_emitted(graph: Graph, resident: httpx.Client) -> None:
    drive(resident)
    end, families = time.monotonic() + WITHIN_S, dict[str, Family]()
    while missing(families) and time.monotonic() < end:
        time.sleep(2)
        families = families_of(graph)
    assert missing(families) == set()
    for metric in {metric for metrics in DRIVEN.values() for metric in metrics}:
        family = families[exported_name(metric)]
        assert family.type == metric.kind, metric.name
        for sample in family.samples:
            # It was set by a replica of the graph, which Serve's own labels name.
            assert {*metric.labels, *SERVE_LABELS} <= set(sample.labels), (metric.name, sample.labels)
    refusals = families[exported_name(the.REFUSALS)].samples
    assert any(sample.labels["problem"] == "not_found" and sample.value >= 1 for sample in refusals)


def test_a_gauge_stays_as_long_as_its_replica_lives(graph: Graph, resident: httpx.Client) -> None:
    """The agent forgets values that no process repeats, and this one is given once, when the models are loaded."""
    assert resident.get("/me/notification-preferences").status_code == 200
    name, end = exported_name(the.MODELS_REFUSED), time.monotonic() + WITHIN_S
    while name not in families_of(graph) and time.monotonic() < end:
        time.sleep(2)
    time.sleep(45)
    assert [sample.value for sample in families_of(graph)[name].samples] == [0.0]
