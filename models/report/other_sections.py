"""The sections on risk and on the knowledge base."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from models.report import pictures
from models.report.document import Block, Heading, Paragraph, Picture, Table
from models.report.knowledge import KnowledgeEvaluation

Figures = Mapping[str, Any]


def risk(figures: Figures, folder: Path) -> list[Block]:
    """How well the risk model predicts; figures as `models.risk.evaluate.evaluate` gives them."""
    targets = cast(dict[str, dict[str, Any]], figures["targets"])
    pictures.draw_risk(targets, folder / "risk.png")
    rows = [
        (name, f"{each['rate']:.3f}", _with(each, "auc"), _with(each, "baseline_auc"), _with(each, "ece"),
         f"{each['ece_noise_floor']:.3f}")
        for name, each in targets.items()
    ]  # fmt: skip
    return [
        Heading(2, "Risk"),
        Paragraph(
            f"{figures['requests']} requests of {figures['sites']} sites that the model never saw, later than all "
            f"training. Trained on {figures['trained_on']}. The baseline is the rate of the category; intervals hold "
            "95 % of bootstrap draws of whole sites."
        ),
        Table(["target", "rate", "AUC", "baseline AUC", "calibration error", "by chance alone"], rows),
        Picture("risk.png", "Risk: stated and observed probability, in tenths of the requests"),
        *_ceilings(figures.get("ceilings")),
    ]


def knowledge(found: KnowledgeEvaluation) -> list[Block]:
    """Answers without a language model."""
    return [
        Heading(2, "Answers to questions"),
        Table(
            [
                "answers without a language model",
                "answerable",
                "right",
                "wrong",
                "unanswerable",
                "answered all the same",
            ],
            [
                (e.way, str(e.answerable), str(e.right), str(e.wrong), str(e.unanswerable), str(e.false))
                for e in found.answers
            ],
        ),
        Paragraph("Measured on questions of writers on whom nothing was fitted. The first row is the baseline."),
    ]


def _with(figures: Figures, name: str) -> str:
    low, high = figures[f"{name}_interval"]
    return f"{figures[name]:.3f} [{low:.3f}, {high:.3f}]"


def _ceilings(ceilings: Figures | None) -> list[Block]:
    if ceilings is None:
        return [Paragraph("The best possible was never measured: `python -m models.risk.ceilings`.")]
    rows = [
        (name, f"{each['observable']:.3f}", f"{each['gap']:+.3f}", _full(each["full_state"]), f"{each['oracle']:.3f}")
        for name, each in cast(dict[str, dict[str, Any]], ceilings["targets"]).items()
    ]
    state = "" if ceilings["is_current"] else " **They were measured of other code.**"
    return [
        Paragraph(f"The best that could be reached, by AUC.{state}"),
        Table(["target", "best from the features", "model below it", "from the full state", "oracle"], rows),
    ]


def _full(figures: Figures) -> str:
    low, high = figures["interval"]
    return f"{figures['auc']:.3f} [{low:.3f}, {high:.3f}]"
