"""The dashboards ask for what exists, show everything that is measured, and are the files that Grafana gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from aam.observability.catalogue import DASHBOARDS, asked_series, problems
from aam.observability.grafana import FOLDER, as_json, file_name
from aam.observability.panels import Dashboard, Panel, Query, Row
from aam.observability.ray_metrics import RAY_METRICS
from aam.observability.series import known_series
from core.metrics import CATALOGUE

NAMES = [file_name(board) for board in DASHBOARDS]


def test_every_expression_asks_for_what_exists() -> None:
    assert list(problems()) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query("sum (ray_aam_request_total)", "all"), "did you mean 'ray_aam_requests_total'"),
        (Query("sum by (gate) (ray_aam_gates_total)", "{{gat}}"), "the label gat "),
        (Query("sum by (gate) (ray_aam_gates_total)", "all"), "the label gate "),
    ],
)
def test_what_is_wrong_is_found(query: Query, expected: str) -> None:
    board = Dashboard("x", "X", "", (Row("R", (Panel("P", "", "short", (query,)),)),))
    found = list(problems([board]))
    assert found
    assert all(each.startswith("X, P: ") for each in found)
    assert any(expected in each for each in found)


def test_everything_that_is_measured_is_shown() -> None:
    shown = {known_series()[name].metric for name in asked_series()}
    assert [metric.name for metric in (*CATALOGUE, *RAY_METRICS) if metric not in shown] == []


@pytest.mark.parametrize("board", DASHBOARDS, ids=NAMES)
def test_a_file_is_what_the_code_writes(board: Dashboard) -> None:
    path = FOLDER / file_name(board)
    assert path.read_text(encoding="utf-8") == as_json(board), "run `python -m aam observability write`"


def test_there_are_no_other_files() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_panels_lie_beside_each_other(name: str) -> None:
    document = _document(FOLDER / name)
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in document["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_asks_the_chosen_source_and_says_what_it_shows(name: str) -> None:
    document = _document(FOLDER / name)
    assert [each["name"] for each in document["templating"]["list"]] == ["datasource"]
    for panel in document["panels"]:
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            assert {each["datasource"]["uid"] for each in panel["targets"]} == {"${datasource}"}


def _document(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
