"""How many replicas each deployment has as time goes by, and a picture of it."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vl_convert

from bench.cluster.nodes import ClusterGraph

EVERY_S = 0.5


@dataclass(frozen=True)
class Spell:
    """A time in which one deployment was pressed, in seconds since the first look."""

    deployment: str
    began_s: float
    ended_s: float


@dataclass
class Watch:
    """Looks at the cluster until it is cancelled."""

    graph: ClusterGraph
    began: float = field(default_factory=time.monotonic)
    looks: list[tuple[float, dict[str, int]]] = field(default_factory=list[tuple[float, dict[str, int]]])
    spells: list[Spell] = field(default_factory=list[Spell])

    def now_s(self) -> float:
        """Seconds since the first look."""
        return time.monotonic() - self.began

    async def run(self) -> None:
        """Look twice a second."""
        while True:
            running = await asyncio.to_thread(self.graph.running)
            self.looks.append((self.now_s(), running))
            await asyncio.sleep(EVERY_S)

    def latest(self, deployment: str) -> int:
        """Replicas at the last look."""
        return self.looks[-1][1].get(deployment, 0) if self.looks else 0

    def most(self, deployment: str, spell: Spell, until_s: float) -> int:
        """The most replicas that a deployment had from a spell's begin to a moment."""
        seen = [counts.get(deployment, 0) for at, counts in self.looks if spell.began_s <= at <= until_s]
        return max(seen, default=0)


def picture(watch: Watch, names: Sequence[str]) -> str:
    """SVG: a step line for each deployment, with the times in which it was pressed behind it."""
    points = [
        {"deployment": name, "s": round(at, 1), "replicas": counts.get(name, 0)}
        for at, counts in watch.looks
        for name in names
    ]
    spells = [{"deployment": each.deployment, "s": each.began_s, "end": each.ended_s} for each in watch.spells]
    x = {"field": "s", "type": "quantitative", "title": "seconds"}
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "isValid(datum.end)"}],
            "mark": {"type": "rect", "color": "#f3d9b1"},
            "encoding": {"x": x, "x2": {"field": "end"}},
        },
        {
            "transform": [{"filter": "isValid(datum.replicas)"}],
            "mark": {"type": "line", "interpolate": "step-after", "color": "#1b5e8a"},
            "encoding": {
                "x": x,
                "y": {
                    "field": "replicas",
                    "type": "quantitative",
                    "title": "running",
                    "scale": {"domainMin": 0},
                    "axis": {"tickMinStep": 1, "format": "d"},
                },
            },
        },
    ]
    chart = {
        "data": {"values": [*spells, *points]},
        "facet": {"row": {"field": "deployment", "type": "nominal", "sort": list(names), "title": None}},
        "spec": {"width": 760, "height": 90, "layer": layers},
        "config": {"background": "white"},
    }
    return vl_convert.vegalite_to_svg(json.dumps(chart))


def write_pictures(svg: str, folder: Path, name: str) -> None:
    """As SVG and as PNG."""
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=1.5))
