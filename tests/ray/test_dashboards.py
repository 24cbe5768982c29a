"""What the dashboards and alerts ask for is really said by a running graph's endpoints, or excused with a reason."""

import re
import time

import pytest
import yaml

from aam.observability.catalogue import asked_series
from aam.observability.prometheus_process import discovery_file
from aam.observability.promql import read
from aam.observability.series import known_series
from bench.running_graph import Graph
from core.labels import Role
from core.settings import ROOT

SAID_WITHIN_S = 90.0
"""Replicas hand values over every ten seconds, and Serve's controller at its own pace."""
MESSAGES = (
    "My sink drips",
    "When is the gym open?",
    "Water is pouring through my bathroom ceiling and the light is flickering",
)
"""A problem, a question, and an emergency, by which work is ordered and somebody is called."""
EXCUSED = {
    "up": "Prometheus writes it",
    "ray_serve_deployment_error_counter_total": "no replica raises here",
    "ray_serve_health_check_failures_total": "no replica fails a check here",
    "ray_aam_sla_targets_total": "no target ends within this test",
    "ray_aam_selections_total": "nobody takes an option here",
    "ray_aam_corrections_total": "staff correct nothing here",
    "ray_aam_due_work_total": "nothing gets due here",
    "ray_aam_model_drift": "it takes a hundred messages",
    "ray_aam_second_opinions_total": "there is no language model here",
    "ray_aam_shadow_labels_total": "there is no shadow here",
    "ray_aam_shadow_risk_difference_bucket": "there is no shadow here",
    "ray_aam_shadow_skipped_total": "there is no shadow here",
    "ray_aam_language_model_calls_total": "there is no language model here",
    "ray_aam_language_model_seconds_bucket": "there is no language model here",
    "ray_aam_language_model_tokens_total": "there is no language model here",
    "ray_aam_language_model_cost_usd_total": "there is no language model here",
}
"""Which series a healthy graph with a few requests may leave out, and why."""
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="')


def asked() -> set[str]:
    """Every series of a panel or a rule."""
    groups = yaml.safe_load((ROOT / "deploy" / "observability" / "alerts.yaml").read_text())["groups"]
    rules = {name for group in groups for rule in group["rules"] for name in read(rule["expr"]).asked}
    return rules | asked_series()


@pytest.fixture(scope="module")
def said(graph: Graph) -> dict[str, set[str]]:
    """The labels of each series that the endpoints say, after some requests, once all that is wanted has come."""
    with graph.client(Role.RESIDENT, "RES_A_103") as caller:
        for text in MESSAGES:
            caller.post("/requests", json={"message_text": text}).raise_for_status()
        # One that is refused.
        assert caller.get("/requests/none").status_code == 404
    end, wanted = time.monotonic() + SAID_WITHIN_S, asked() - set(EXCUSED)
    found: dict[str, set[str]] = {}
    while time.monotonic() < end and not wanted <= set(found):
        time.sleep(2)
        found = _read(graph)
    return found


def _read(graph: Graph) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for text in graph.metrics_pages():
        for name, labels in _SAMPLE.findall(text):
            found.setdefault(name, set()).update(_LABEL.findall(labels))
    return found


def test_every_series_of_a_panel_or_a_rule_is_said_or_excused(said: dict[str, set[str]]) -> None:
    missing = sorted(asked() - set(EXCUSED) - set(said))
    assert missing == [], f"of {len(said)} series, such as {sorted(said)[:5]}"


def test_each_has_the_labels_that_the_catalogue_says(said: dict[str, set[str]]) -> None:
    scraped = {"job", "instance"}
    wrong = {
        name: sorted(known_series()[name].labels - scraped - said[name])
        for name in sorted(asked() & set(said))
        if not known_series()[name].labels - scraped <= said[name]
    }
    assert wrong == {}


def test_an_excuse_is_for_what_is_asked() -> None:
    assert sorted(set(EXCUSED) - asked()) == []


def test_the_file_that_the_local_view_reads_names_the_same_endpoints(graph: Graph) -> None:
    groups = yaml.safe_load(discovery_file().read_text())
    assert {target for group in groups for target in group["targets"]} == set(graph.metrics_endpoints())
