"""Checks on questions that a crowd wrote for another purpose whether `Other` is told apart."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.labels import Category
from deployments.ai_processing.assessor import Assessor
from models.text.figures import Interval, label_figures, share
from models.text.judgements import classify

SHARED_DATA = "AAM_SHARED_DATA"
FILE = Path("assistant_utterances") / "utterances.csv"
_BESIDE = Path(__file__).parents[3] / "shared" / "data"
_CATEGORIES = {
    "out_of_scope": Category.OTHER,
    "billing": Category.BILLING,
    "parcel_delivery": Category.DELIVERIES,
}


@dataclass(frozen=True)
class Utterance:
    """A question and what it should be taken for."""

    text: str
    category: Category


@dataclass(frozen=True)
class OutsideFigures:
    """How the questions were sorted; each share with its interval and the count that it is of."""

    questions: int
    other_found: Interval
    """Of the questions that have nothing to do with a building, those that were called `Other`."""
    other_precision: Interval
    """Of the questions that were called `Other`, those that have nothing to do with a building."""
    other_f1: Interval
    in_scope_kept: Interval
    """Of the questions on parcels and bills, those that were not called `Other`."""
    in_scope_right: Interval
    """Of them, those that got the very category."""
    taken_for: dict[str, int]
    """The questions that have nothing to do with a building, by category found."""


def utterances_file() -> Path | None:
    """Where the questions lie, if they do: below `AAM_SHARED_DATA`, or in the shared folder beside the checkout."""
    file = Path(os.environ.get(SHARED_DATA, _BESIDE)) / FILE
    return file if file.is_file() else None


def read_utterances(file: Path) -> list[Utterance]:
    """The questions whose category has a counterpart here. Raises `KeyError` for a proxy that is not known."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [Utterance(row["text"], _CATEGORIES[row["proxy_category"]]) for row in csv.DictReader(lines)]


def score_outside(utterances: Sequence[Utterance], assessor: Assessor) -> OutsideFigures:
    """How they are sorted, as a client sees it."""
    found = [label.category for label in classify(assessor, [each.text for each in utterances])]
    pairs = [(each.category, category) for each, category in zip(utterances, found, strict=True)]
    outside = [category for true, category in pairs if true is Category.OTHER]
    inside = [(true, category) for true, category in pairs if true is not Category.OTHER]
    hits = sum(category is Category.OTHER for category in outside)
    called = sum(category is Category.OTHER for category in found)
    return OutsideFigures(
        questions=len(utterances),
        other_found=share(hits, len(outside)),
        other_precision=share(hits, called),
        other_f1=_other_f1(pairs),
        in_scope_kept=share(sum(category is not Category.OTHER for _, category in inside), len(inside)),
        in_scope_right=share(sum(true is category for true, category in inside), len(inside)),
        taken_for={str(category): outside.count(category) for category in Category if category in outside},
    )


def _other_f1(pairs: Sequence[tuple[Category, Category]]) -> Interval:
    """Of (true, found) categories, of which some are `Other`."""
    true, found = (np.array([pair[side] is not Category.OTHER for pair in pairs]).astype(np.intp) for side in (0, 1))
    return label_figures(true, found, [Category.OTHER])[0].f1
