"""Pictures of the figures, as PNG files."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from deployments.ai_processing.text import HEADS, HeadName
from models.text.baselines import BASELINE, SERVED, Result
from models.text.evaluate import ConfidenceFigures, HeadFigures
from models.text.figures import CoveragePoint, Interval, share
from models.text.slices import Slice

# matplotlib is typed in part only; figures are drawn without pyplot, which would look for a screen.
_figure: Any = import_module("matplotlib.figure")
_agg: Any = import_module("matplotlib.backends.backend_agg")

BLUE, GREY, RED = "#1f5fa8", "#8a94a3", "#b3392f"
DPI = 130
SHADES = {"category": "#1f5fa8", "urgency": "#b3392f", "intent": "#2f8a57", "trade": "#8a5bb0", "client": "#222222"}


def draw_comparison(results: Sequence[Result], file: Path) -> None:
    """Macro-F1 of each candidate with its interval, one panel a head; filled for the test, hollow for validation."""
    names = list(dict.fromkeys(result.candidate for result in results))
    figure, panels = _panels(1, len(HEADS), (15, 0.42 * len(names) + 1.4))
    for panel, head in zip(panels, HEADS, strict=True):
        for result in (each for each in results if each.head == head):
            place = len(names) - names.index(result.candidate) + (0.14 if result.part == "test" else -0.14)
            colour = {SERVED: BLUE, BASELINE: RED}.get(result.candidate, GREY)
            _interval(panel, result.macro_f1, place, colour, hollow=result.part != "test")
        panel.set_title(head)
        panel.set_xlim(0, 1)
        panel.set_yticks([len(names) - place for place in range(len(names))], names if head == "category" else [])
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_xlabel("macro-F1; filled: test, hollow: validation; red: baseline")
    _save(figure, file)


def draw_confusion(heads: Mapping[HeadName, HeadFigures], file: Path) -> None:
    """Shares of each true label's messages by the label found; counts in the cells."""
    figure, panels = _panels(2, 2, (14, 13))
    for panel, (head, found) in zip(panels, heads.items(), strict=True):
        names = [*HEADS[head], *(["none"] if head == "trade" else [])]
        counts = np.array(found.confusion)[: len(names), : len(names)]
        shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            if counts[row, column]:
                ink = "white" if shares[row, column] > 0.5 else "black"
                panel.text(column, row, str(counts[row, column]), ha="center", va="center", color=ink, fontsize=9)
        panel.set_xticks(range(len(names)), names, rotation=40, ha="right")
        panel.set_yticks(range(len(names)), names)
        panel.set_title(f"{head}: rows are true, columns as a client sees them")
    _save(figure, file)


def draw_reliability(heads: Mapping[HeadName, HeadFigures], file: Path) -> None:
    """How often answers of a confidence are right, with how many there are; on the diagonal where it is honest."""
    figure, panels = _panels(1, len(heads), (15, 4.4))
    for panel, (name, figures) in zip(panels, heads.items(), strict=True):
        found = figures.calibration
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=1)
        most = max(each.count for each in found.bins)
        for each in found.bins:
            panel.bar(each.low + 0.05, 0.25 * each.count / most, 0.09, color=GREY, alpha=0.35)
        spread = [_wilson(each.accuracy, each.count) for each in found.bins]
        panel.errorbar(
            [each.confidence for each in found.bins],
            [each.accuracy for each in found.bins],
            yerr=np.array([[each.value - each.low, each.high - each.value] for each in spread]).T,
            fmt="o-", color=BLUE, capsize=3, markersize=4,
        )  # fmt: skip
        panel.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=f"{name}\nerror {found.error.value:.3f}")
        panel.set_xlabel("stated")
    panels[0].set_ylabel("right (grey: how many)")
    _save(figure, file)


def draw_coverage(heads: Mapping[HeadName, HeadFigures], client: ConfidenceFigures, floor: float, file: Path) -> None:
    """What accuracy abstaining buys; a dot marks the floor that is set."""
    curves: dict[str, tuple[CoveragePoint, ...]] = {**{head: each.coverage for head, each in heads.items()}}
    curves["client"] = client.coverage
    figure, (panel,) = _panels(1, 1, (8.5, 5.2))
    for name, curve in curves.items():
        label = "client: every label" if name == "client" else name
        panel.plot([p.coverage for p in curve], [p.accuracy for p in curve], color=SHADES[name], label=label)
        at = min(curve, key=lambda point: abs(point.floor - floor))
        panel.plot(at.coverage, at.accuracy, "o", color=SHADES[name])
    panel.set(xlabel="share answered", ylabel="share of these that is right", xlim=(0, 1.01))
    panel.set_title(f"Coverage and accuracy; dots: floor {floor:.2f}")
    panel.grid(alpha=0.3)
    panel.legend(loc="lower left")
    _save(figure, file)


def draw_slices(slices: Sequence[Slice], overall: float, file: Path) -> None:
    """The share of messages with every label right, slice by slice."""
    figure, (panel,) = _panels(1, 1, (9, 0.27 * len(slices) + 1.2))
    for place, each in enumerate(slices):
        _interval(panel, each.all_right, len(slices) - place, BLUE)
    names = [f"{each.by}: {each.name} ({each.messages})" for each in slices]
    panel.set_yticks(range(len(slices), 0, -1), names, fontsize=9)
    panel.set_ylim(0.3, len(slices) + 0.7)
    panel.axvline(overall, color=RED, linewidth=1)
    panel.set(xlabel="share of messages with every label right; red: all messages", xlim=(0, 1))
    panel.grid(axis="x", alpha=0.3)
    _save(figure, file)


def draw_risk(targets: Mapping[str, Any], file: Path) -> None:
    """How often what was predicted comes true, by what was predicted."""
    figure, panels = _panels(1, len(targets), (4.4 * len(targets), 4.6))
    for panel, (name, found) in zip(panels, targets.items(), strict=True):
        bins = cast(list[dict[str, float]], found["reliability"])
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=1)
        spread = [_wilson(each["observed"], round(each["requests"])) for each in bins]
        panel.errorbar(
            [each["stated"] for each in bins],
            [each["observed"] for each in bins],
            yerr=np.array([[each.value - each.low, each.high - each.value] for each in spread]).T,
            fmt="o-", color=BLUE, capsize=3, markersize=4,
        )  # fmt: skip
        panel.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=f"{name}, error {found['ece']:.3f}")
        panel.set_xlabel("stated")
    panels[0].set_ylabel("observed")
    _save(figure, file)


def _interval(panel: Any, found: Interval, place: float, colour: str, hollow: bool = False) -> None:
    panel.plot([found.low, found.high], [place, place], color=colour, linewidth=1.6)
    panel.plot(found.value, place, "o", color=colour, markersize=5, markerfacecolor="white" if hollow else colour)


def _wilson(value: float, count: int) -> Interval:
    return share(round(value * count), count)


def _panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    figure = _figure.Figure(figsize=size, layout="constrained")
    _agg.FigureCanvasAgg(figure)
    return figure, list(np.asarray(figure.subplots(rows, columns, squeeze=False)).flat)


def _save(figure: Any, file: Path) -> None:
    cast(Callable[..., None], figure.savefig)(file, dpi=DPI)
