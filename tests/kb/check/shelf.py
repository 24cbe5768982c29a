"""Writes small documents, to try one part of the check at a time."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from kb.check.finding import Finding
from kb.check.library import Library
from kb.reader import Document, read_document

DAY = date(2026, 7, 1)
CREW: dict[str, Any] = {
    "crew": "plumbing",
    "technicians": 2,
    "shift_start_hour": 8,
    "shift_end_hour": 18,
    "weekdays_only": False,
    "on_call_outside_shift": True,
    "travel_hours": {"low": 0.1, "mode": 0.3, "high": 0.8},
    "jobs_per_week": {"High": 10},
    "job_hours": {"low": 1, "mode": 1, "high": 1},
}
VENDOR: dict[str, Any] = {key: value for key, value in CREW.items() if key not in ("crew", "technicians")} | {
    "vendor_id": "drains",
    "name": "Drains and more",
    "teams": 1,
    "call_out_usd": 90,
}
OPTION: dict[str, Any] = {
    "option_id": "visit",
    "title": "A visit",
    "action": "dispatch_work_order",
    "crew": "plumbing",
    "categories": ["Maintenance"],
    "steps": ["Go there"],
    "reasoning": "It leaks.",
    "cost_usd": {"low": 50, "mode": 80, "high": 120},
    "work_hours": {"low": 1, "mode": 2, "high": 3},
    "effectiveness": 0.8,
    "satisfaction_impact": 0.1,
    "section": "The visit",
}
ENTRY = {"notice_hours": 24, "quiet_start": "22:00", "quiet_end": "07:00"} | {
    "weekend_start": "09:00",
    "weekend_end": "19:00",
}


class Shelf:
    """A folder of documents that grows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents: list[Document] = []

    def put(self, doc_id: str, text: str = "Nothing.", file: str = "", **front: Any) -> Document:
        """Write and read one document; its text begins with the title's section."""
        head = {
            "id": doc_id,
            "title": doc_id,
            "kind": "policy",
            "version": 1,
            "effective_from": date(2026, 1, 1),
            "owner": "Somebody",
        } | front
        path = self._folder / f"{file or doc_id}.md"
        path.write_text(f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n# {head['title']}\n\n{text}\n")
        self._documents.append(read_document(path))
        return self._documents[-1]

    def library(self, **fields: Any) -> Library:
        """What was put onto it, on a day in July 2026."""
        return Library(tuple(self._documents), DAY, **fields)

    def found(self, find: Callable[[Library], Iterator[Finding]]) -> list[tuple[str, str]]:
        """Code and document of each finding of one part of the check."""
        return [(finding.code, finding.document) for finding in find(self.library())]
