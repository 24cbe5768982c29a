"""Ray's and Serve's metrics are those of the installed wheel: held to the calls in its source that make them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import ray

from aam.observability.ray_metrics import NODE, RAY_METRICS, REPLICA
from core.metrics import Metric

WHEEL = Path(ray.__file__).parent
SOURCES = ("serve/_private", "dashboard/modules/reporter/reporter_agent.py")
KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}


@cache
def written() -> dict[str, tuple[str, frozenset[str], Path]]:
    """The kind, labels and file of each metric that the wheel makes, by name."""
    found: dict[str, tuple[str, frozenset[str], Path]] = {}
    for source in SOURCES:
        place = WHEEL / source
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            names = _tuples(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and (kind := KINDS.get(_called(node))) and (name := _name(node)):
                    found[name] = (kind, frozenset(_labels(node, names)), file)
    return found


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _name(node: ast.Call) -> str | None:
    given = [*node.args[:1], *(each.value for each in node.keywords if each.arg == "name")]
    match given:
        case [ast.Constant(value=str(name)), *_]:
            return name
        case [ast.JoinedStr(values=parts), *_]:
            # Serve makes one for each protocol.
            return "".join(part.value if isinstance(part, ast.Constant) else "http" for part in parts)
        case _:
            return None


def _tuples(tree: ast.AST) -> dict[str, ast.expr]:
    return {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _labels(node: ast.Call, names: dict[str, ast.expr]) -> Iterator[str]:
    for keyword in node.keywords:
        if keyword.arg in ("tag_keys", "tags"):
            given = names.get(keyword.value.id, keyword.value) if isinstance(keyword.value, ast.Name) else keyword.value
            # Without the setting for many labels, which is off by default.
            given = given.orelse if isinstance(given, ast.IfExp) else given
            yield from (each.value for each in ast.walk(given) if isinstance(each, ast.Constant))


@pytest.mark.parametrize("metric", RAY_METRICS, ids=lambda metric: metric.name)
def test_the_wheel_writes_it_with_these_labels(metric: Metric) -> None:
    kind, labels, file = written()[metric.name]
    assert metric.kind == kind
    if metric.name.startswith("node_"):
        assert set(metric.labels) == set(NODE)
        source = file.read_text(encoding="utf-8")
        assert 'node_tags = {"ip": ip, "RayNodeType": ray_node_type, "IsHeadNode": is_head_node}' in source
        return
    # Serve adds its own to what a replica writes, in serve/metrics.py and, for its own, in _private/replica.py.
    in_replica = file.name == "replica.py"
    assert set(metric.labels) == labels | (set(REPLICA) if in_replica else set[str]())


def test_what_serve_adds_in_a_replica_is_still_that() -> None:
    source = (WHEEL / "serve" / "metrics.py").read_text(encoding="utf-8")
    assert tuple(f'"{label}"' in source for label in REPLICA) == (True, True, True)
