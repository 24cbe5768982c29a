"""The collector's files are right, and a typo in each part of one is found."""

import copy
from pathlib import Path
from typing import Any

import pytest

from aam.configuration.collector import check_collector
from aam.configuration.documents import read_mapping
from aam.configuration.registry import check_files
from core.settings import ROOT

FILES = sorted((ROOT / "deploy/observability").glob("collector*.yaml"))
PATH = Path("deploy/observability/collector.yaml")


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(read_mapping(ROOT / PATH))


def told(document: dict[str, Any]) -> list[str]:
    return [str(finding) for finding in check_collector(PATH, document)]


def test_the_files_are_right() -> None:
    assert len(FILES) == 2
    assert list(check_files(FILES)) == []


TYPOS: list[tuple[str, Any, str]] = [
    ("recievers", {}, "did you mean 'receivers'"),
    ("receivers.otpl", {"protocols": {}}, "did you mean 'otlp'"),
    ("receivers.otlp.protocols.htttp", {}, "did you mean 'http'"),
    ("receivers.otlp.protocols.http.endpoint", "everywhere", "receivers.otlp.protocols.http.endpoint"),
    ("processors.memory_limiter.check_intervall", "1s", "did you mean 'check_interval'"),
    ("processors.memory_limiter.limit_percentage", 150, "less than or equal to 100"),
    ("processors.batch.timeout", "5 seconds", "processors.batch.timeout"),
    ("processors.redaction.allow_all_keys", True, "processors.redaction.allow_all_keys"),
    ("processors.redaction.allowed_keys", ["aam.corelation_id"], "did you mean 'aam.correlation_id'"),
    ("processors.redaction.allowed_keys", ["http.route"], "would take out aam.batch.size"),
    ("exporters.awsxray.regoin", "x", "did you mean 'region'"),
    ("exporters.awsxray.indexed_attributes", ["aam.request"], "did you mean 'aam.request_id'"),
    ("exporters.debug", {"verbosity": "basic"}, "is part of no pipeline"),
    ("service.extensions", ["health_chek"], "did you mean 'health_check'"),
    ("service.pipelines.traces.exporters", ["awsxry"], "did you mean 'awsxray'"),
    ("service.pipelines.traces.processors", ["batch", "redaction", "memory_limiter"], "in this order"),
    ("service.pipelines.traces.processors", ["memory_limiter", "batch"], "in this order"),
    ("service.pipelines.trace", {}, "did you mean 'traces'"),
]


@pytest.mark.parametrize(("place", "value", "message"), TYPOS, ids=[f"{place}-{value}" for place, value, _ in TYPOS])
def test_a_typo_is_found(document: dict[str, Any], place: str, value: Any, message: str) -> None:
    *folders, last = place.split(".")
    inner = document
    for folder in folders:
        inner = inner[folder]
    inner[last] = value
    assert any(message in finding for finding in told(document)), told(document)
