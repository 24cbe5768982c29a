"""A comparison as text, as CSV and as a picture."""

import csv
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.errors import Invalid
from core.what_if import ComparedFigure, Comparison, Interval
from deployments.decision_simulation.what_if.chart import SHOWN, TITLES

COLUMNS = ("figure", "resource", "unit", "present", "changed", "difference", "low", "high")


def table(comparison: Comparison) -> Iterator[str]:
    """The lines of the text."""
    what = {"period": "the period", "backlog": "the backlog of", "synthetic": "SYNTHETIC arrivals of"}
    days = f"{comparison.begin:%Y-%m-%d} to {comparison.end:%Y-%m-%d}"
    yield f"Replayed {what[comparison.source]} {days}: {comparison.counted:g} requests, {comparison.skipped} left out"
    yield (
        f"Replications {comparison.replications}{'' if comparison.complete else ' (stopped early)'}, "
        f"seed {comparison.seed}, knowledge base {comparison.kb_version}, "
        f"{comparison.switched} with another option than now"
    )
    yield from _changes(comparison)
    yield ""
    rows = [_row(figure) for figure in comparison.figures]
    widths = [max(len(row[column]) for row in [_HEAD, *rows]) for column in range(len(_HEAD))]
    for row in [_HEAD, *rows]:
        yield "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
    yield ""
    yield "* the 95 % interval of the difference leaves out zero"
    yield from (f"Note: {note}" for note in comparison.notes)


def write_csv(comparison: Comparison, file: Path) -> None:
    """One line for each figure."""
    with file.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(COLUMNS)
        for figure in comparison.figures:
            difference = figure.difference
            numbers = (figure.present.mean, figure.changed.mean, difference.mean, difference.low, difference.high)
            writer.writerow([figure.name, figure.resource or "all", figure.unit, *numbers])


def draw(comparison: Comparison, file: Path) -> None:
    """The differences with their intervals, a panel for each figure. Raises as `require_picture`."""
    require_picture(file)
    from matplotlib.figure import Figure

    panels = [(name, [f for f in comparison.figures if f.name == name]) for name in SHOWN]
    panels = [(name, figures) for name, figures in panels if figures]
    heights = [max(1.0, 0.28 * len(figures) + 0.7) for _, figures in panels]
    picture = Figure(figsize=(8, sum(heights) + 0.8), layout="constrained")
    picture.suptitle("Changed less present, with 95 % intervals")  # pyright: ignore[reportUnknownMemberType]
    axes: Any = picture.subplots(len(panels), 1, height_ratios=heights, squeeze=False)
    for axis, (name, figures) in zip(axes[:, 0], panels, strict=True):
        _panel(axis, TITLES[name], figures)
    picture.savefig(file)  # pyright: ignore[reportUnknownMemberType]


def require_picture(file: Path) -> None:
    """Pass where this file can be drawn; else raise `Invalid`."""
    if file.suffix not in (".png", ".svg"):
        raise Invalid("A picture's file ends in .png or .svg.")
    if find_spec("matplotlib") is None:
        raise Invalid("Pictures need matplotlib; install the extra `dev`.")


_HEAD = ("figure", "of", "present", "changed", "difference", "95 % interval", "")


def _panel(axis: Any, title: str, figures: Sequence[ComparedFigure]) -> None:
    places = range(len(figures))
    means = [figure.difference.mean for figure in figures]
    errors = [
        [figure.difference.mean - figure.difference.low for figure in figures],
        [figure.difference.high - figure.difference.mean for figure in figures],
    ]
    axis.axvline(0.0, color="0.7", linewidth=1)
    axis.errorbar(means, places, xerr=errors, fmt="o", capsize=3)
    axis.set_yticks(places, [figure.resource or "all" for figure in figures])
    axis.set_ylim(len(figures) - 0.5, -0.5)
    axis.set_title(title, loc="left", fontsize=10)


def _changes(comparison: Comparison) -> Iterator[str]:
    scenario = comparison.scenario
    if scenario.empty:
        yield "Nothing is changed."
    yield from (f"  {path} = {value}" for path, value in scenario.figures.items())
    yield from (f"  vendor {vendor.vendor_id} added" for vendor in scenario.add_vendors)
    yield from (f"  vendor {vendor} removed" for vendor in scenario.remove_vendors)
    yield from (f"  vendor {old} replaced by {new}" for old, new in scenario.replace_vendors.items())


def _row(figure: ComparedFigure) -> tuple[str, ...]:
    decimals = _decimals(figure)
    difference = figure.difference
    clear = difference.low > 0 or difference.high < 0
    return (
        TITLES[figure.name],
        figure.resource or "all",
        f"{figure.present.mean:,.{decimals}f}",
        f"{figure.changed.mean:,.{decimals}f}",
        f"{difference.mean:+,.{decimals}f}" if difference.mean else "0",
        _span(difference, decimals),
        "*" if clear else "",
    )


def _span(interval: Interval, decimals: int) -> str:
    return f"{interval.low:+,.{decimals}f} to {interval.high:+,.{decimals}f}"


def _decimals(figure: ComparedFigure) -> int:
    return {"share": 4, "-1 to 1": 3, "hours": 2, "requests": 1}.get(figure.unit, 2)
