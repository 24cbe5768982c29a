"""What the linear model and the calibration see of a record: few columns, on scales where a straight line fits."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from models.operator.features import Columns, Floats
from models.operator.linear import Block, Design
from models.operator.text import TERMS

SURE = 0.01
"""No rate counts as nearer to 0 or 1: log-odds have no ends."""
SOON_DAYS = 45.0
RATE_PENALTY = 1.0
RECORD_PENALTY = 10.0
CATEGORY_PENALTY = 5.0
TERMS_PENALTY = 6.0
SENTENCE_PENALTY = 12.0
RATES = ("rate_category", "rate_category_lately", "rate_place_matter")
ODDS = ("category_closing_odds_14d", "category_closing_odds_60d")
COUNTS = (
    "characters",
    "category_open",
    "place_count",
    "place_open",
    "place_matter_count",
    "place_matter_count_90d",
    "place_matter_open",
)
AGES = ("place_days_since_report", "place_matter_days_since_report", "place_matter_days_since_closing")
LEVELS = ("rate_lately", "all_closed_within_7d_lately")
LEVEL_ODDS = ("all_closing_odds_14d",)


def design_of(record: Columns, category: Columns, texts: Mapping[str, Columns]) -> Design:
    """The linear model's rows: rates, the record, the category and what the text says."""
    words = [
        Block(columns, TERMS_PENALTY if kind == TERMS else SENTENCE_PENALTY, together=True)
        for kind, columns in texts.items()
    ]
    return Design.of(
        [
            Block(_named({**_log_odds(record, RATES), **_same(record, ODDS)}), RATE_PENALTY, together=False),
            Block(_record(record), RECORD_PENALTY, together=False),
            Block(category, CATEGORY_PENALTY, together=True),
            *words,
        ]
    )


def levels_of(record: Columns) -> Columns:
    """Log-odds that tell how things stand: the target's rate lately, and how fast reports are being closed."""
    return _named({**_log_odds(record, LEVELS), **_same(record, LEVEL_ODDS)})


def _record(record: Columns) -> Columns:
    hour = record.of("hour") * math.pi / 12.0
    found = {
        "hour_sine": np.sin(hour),
        "hour_cosine": np.cos(hour),
        "weekend": (record.of("weekday") >= 5.0).astype(np.float64),
        "category_clearing": record.of("category_clearing"),
    }
    found |= {f"log_{name}": np.log1p(np.maximum(record.of(name), 0.0)) for name in COUNTS}
    found |= {f"soon_{name}": np.exp(-record.of(name) / SOON_DAYS) for name in AGES}
    if "urgency" in record.names:
        found["urgency"] = record.of("urgency")
    return _named(found)


def _log_odds(record: Columns, names: tuple[str, ...]) -> dict[str, Floats]:
    rates = {name: np.clip(record.of(name), SURE, 1.0 - SURE) for name in names}
    return {f"odds_{name}": np.log(rate / (1.0 - rate)) for name, rate in rates.items()}


def _same(record: Columns, names: tuple[str, ...]) -> dict[str, Floats]:
    return {name: record.of(name) for name in names}


def _named(columns: dict[str, Floats]) -> Columns:
    return Columns(tuple(columns), np.stack(list(columns.values()), axis=1).astype(np.float32))
