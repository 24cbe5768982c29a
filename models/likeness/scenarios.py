"""The hand-written scenarios: messages of one building over hours or days, and which of them are about the same."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from core.labels import Category, Trade, Urgency
from core.ports.intelligence import Embedder
from deployments.request_management.likeness import Matter, unpack
from deployments.request_management.matters import mentions_of

FOLDER = Path(__file__).parent / "scenarios"
BEGIN = datetime(2026, 1, 12, 7, tzinfo=UTC)
Part = Literal["fit", "tuning", "check", "test"]
"""Weights come from `fit` and `tuning`; the rules were mended in view of `check`; `test` was read once, at the end."""
Pair = tuple[int, int]
"""Two messages by their places in the scenario, the earlier first."""


@dataclass(frozen=True)
class Scenario:
    """One story with its gold answers."""

    name: str
    about: str
    matters: tuple[Matter, ...]
    """In the order of their writing; labels are a person's."""
    texts: tuple[str, ...]
    ended: frozenset[int]
    """Those that were ended before the next message came; they are no longer open."""
    same_fault: frozenset[Pair]
    """Pairs of different residents that belong in one incident."""
    repeats: frozenset[Pair]
    """Pairs of one resident that say the same."""

    def pairs(self, *, of_one_resident: bool) -> list[Pair]:
        """All pairs whose earlier message is still open when the later one comes."""
        return [
            (old, new)
            for new in range(len(self.matters))
            for old in range(new)
            if old not in self.ended
            and (self.matters[old].resident_id == self.matters[new].resident_id) is of_one_resident
        ]


def read(part: Part, embedder: Embedder) -> list[Scenario]:
    """The scenarios of a part, with the vectors of their messages."""
    lines = (FOLDER / f"{part}.jsonl").read_text().splitlines()
    return [_scenario(json.loads(line), embedder) for line in lines]


def _scenario(written: dict[str, Any], embedder: Embedder) -> Scenario:
    messages: list[dict[str, Any]] = written["messages"]
    texts = tuple(message["message_text"] for message in messages)
    vectors = embedder.embed(texts)
    matters = tuple(
        Matter(
            request_id=str(place),
            resident_id=str(message["resident_id"]),
            unit=message["unit"],
            at=BEGIN + timedelta(minutes=message["minutes"]),
            category=Category(message["category"]),
            trade=Trade(message["trade"]) if message["trade"] else None,
            urgency=Urgency(message["urgency"]),
            vector=unpack(vector),
            mentions=mentions_of(message["message_text"]),
        )
        for place, (message, vector) in enumerate(zip(messages, vectors, strict=True))
    )
    ended = frozenset(place for place, message in enumerate(messages) if message["ended"])
    groups: list[list[int]] = written["incidents"]
    together = [(old, new) for group in groups for old in group for new in group if old < new]
    return Scenario(
        name=written["scenario"],
        about=written["about"],
        matters=matters,
        texts=texts,
        ended=ended,
        same_fault=frozenset(
            (old, new)
            for old, new in together
            if matters[old].resident_id != matters[new].resident_id and old not in ended
        ),
        repeats=_closed(written["duplicates"]),
    )


def _closed(duplicates: list[list[int]]) -> frozenset[Pair]:
    """All pairs that follow from the written ones: what repeats the same thing repeats each other."""
    groups = list[set[int]]()
    for pair in duplicates:
        touching = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touching] + [set(pair).union(*touching)]
    return frozenset((old, new) for group in groups for old in group for new in group if old < new)
