"""Dashboards as Grafana's files, made with Grafana's own SDK; it is needed to write them and never to run anything."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    GridPos,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from aam.observability.catalogue import DASHBOARDS
from aam.observability.panels import Dashboard, Panel
from core.settings import ROOT

FOLDER = ROOT / "deploy" / "observability" / "dashboards"
HEIGHT = 8
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


def file_name(board: Dashboard) -> str:
    """Such as `product.json`."""
    return f"{board.uid.removeprefix('aam-')}.json"


def write_files(folder: Path = FOLDER) -> list[Path]:
    """Write every dashboard anew; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for board in DASHBOARDS:
        path = folder / file_name(board)
        path.write_text(as_json(board), encoding="utf-8")
        written.append(path)
    return written


def as_json(board: Dashboard) -> str:
    """A dashboard's file."""
    document = JSONEncoder(sort_keys=True, indent=2).encode(_built(board))
    return json.dumps(_numbered(json.loads(document)), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _numbered(document: dict[str, Any]) -> Mapping[str, Any]:
    """With panel ids by their order, since the SDK gives none."""
    for number, panel in enumerate(document["panels"], 1):
        panel["id"] = number
    return document


def _built(board: Dashboard) -> Any:
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["aam"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .timezone("browser")
        .refresh("30s")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .link(dashboard.DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags(["aam"]).keep_time(True))
    )
    top = 0
    for row in board.rows:
        built.with_row(dashboard.Row(row.title).grid_pos(GridPos(h=1, w=24, x=0, y=top)))
        top += 1
        left = 0
        for panel in row.panels:
            if left + panel.width > 24:
                left, top = 0, top + HEIGHT
            built.with_panel(_panel(panel, GridPos(h=HEIGHT, w=panel.width, x=left, y=top)))
            left += panel.width
        top += HEIGHT
    return built.build()


def _panel(panel: Panel, place: GridPos) -> stat.Panel | timeseries.Panel:
    drawn = _number(panel) if panel.shape == "number" else _lines(panel)
    drawn.title(panel.title).description(panel.description).datasource(_SOURCE).grid_pos(place).unit(panel.unit)
    drawn.min(0).no_value("nothing yet")
    if panel.top is not None:
        drawn.max(panel.top)
    drawn.thresholds(_thresholds(panel))
    for number, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).datasource(_SOURCE)
        asked.ref_id(chr(ord("A") + number)).format(PromQueryFormat.TIME_SERIES)
        drawn.with_target(asked.instant() if panel.shape == "number" else asked.range())
    return drawn


def _number(panel: Panel) -> stat.Panel:
    last = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    return stat.Panel().reduce_options(last).graph_mode(BigValueGraphMode.NONE)


def _lines(panel: Panel) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    drawn = timeseries.Panel().legend(legend).tooltip(tooltip).line_width(1)
    if panel.shape == "stacked":
        drawn.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(40)
    if panel.limit is not None:
        drawn.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    return drawn


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [Threshold(value=None, color="green")]
    if panel.limit is not None:
        steps.append(Threshold(value=panel.limit, color="red"))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
