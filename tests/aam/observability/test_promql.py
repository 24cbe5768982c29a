"""An expression is read as Prometheus reads it, and what could only answer nothing is refused."""

import pytest

from aam.observability.promql import read
from aam.observability.promql_tokens import PromqlError


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("sum by (category) (rate(ray_aam_requests_total[5m]))", {"category"}),
        ("sum(rate(ray_aam_requests_total[5m])) by (urgency)", {"urgency"}),
        ('max by (system) (ray_aam_circuit_state{system=~"a.*"}) == 2', {"system"}),
        (
            "histogram_quantile(0.9, sum by (le, stage) (rate(ray_aam_stage_seconds_bucket[$__rate_interval])))",
            {"stage"},
        ),
        ("sum without (replica, job, instance, application) (ray_aam_queue_depth)", {"deployment"}),
        ("ray_aam_dead_letters offset 1h > bool 3", {"deployment", "replica", "application", "job", "instance"}),
        ("-(1 + 2) * sum (ray_aam_queue_depth) or sum (ray_aam_dead_letters)", set[str]()),
        ("sum by (ip) (ray_node_mem_used) / on (ip) sum by (ip, IsHeadNode) (ray_node_mem_total)", {"ip"}),
        ("1.5e3", set[str]()),
        ('absent(up{job="ray"})', set[str]()),
    ],
)
def test_what_is_sound_is_read(expression: str, labels: set[str]) -> None:
    assert read(expression).labels == labels


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("rate(ray_aam_request_total[5m])", "did you mean 'ray_aam_requests_total'"),
        ('ray_aam_requests_total{urgancy="Low"}', "did you mean 'urgency'"),
        ("sum by (categry) (ray_aam_requests_total)", "did you mean 'category'"),
        ("rate(ray_aam_queue_depth[5m])", "takes a counter"),
        ("rate(ray_aam_requests_total)", "takes a range"),
        ("sum (ray_aam_requests_total[5m])", "takes a vector"),
        ("ray_aam_requests_total[5m]", "gives a range"),
        ("ray_aam_stage_seconds", "unknown metric"),
        ("histogram_quantile(0.9, sum by (stage) (rate(ray_aam_stage_seconds_bucket[5m])))", "needs the label le"),
        ("sum by (system) (ray_aam_circuit_state) / sum (ray_aam_queue_depth)", "never meet"),
        ("rte(ray_aam_requests_total[5m])", "did you mean 'rate'"),
        ("sum (ray_aam_queue_depth", "expected"),
        ("sum (ray_aam_queue_depth))", "expected"),
        ("sum (ray_aam_queue_depth) & 1", "does not read on"),
        ("", "expected"),
    ],
)
def test_what_could_only_answer_nothing_is_refused(expression: str, message: str) -> None:
    with pytest.raises(PromqlError, match=message):
        read(expression)
