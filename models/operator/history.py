"""The normalised record of one report, and a whole history of them as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from adapters.artefacts import content_hash
from core.contract import Contract, UtcTime
from core.errors import Invalid, NotFound
from core.labels import Category, Intent, Trade, Urgency

SUFFIX = ".jsonl"
HEADER_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Report:
    """What one row of an export says, in this project's words. Times are in UTC."""

    source_id: str
    created_at: datetime
    closed: bool
    """True without `closed_at` where it was closed nobody knows when."""
    own_category: str
    """As the operator calls it."""
    text: str
    closed_at: datetime | None = None
    category: Category | None = None
    trade: Trade | None = None
    urgency: Urgency | None = None
    intent: Intent | None = None
    place: str | None = None
    """Where it was, as a digest: only whether two places are the same matters."""
    resident: str | None = None
    building: str | None = None
    escalated: bool | None = None
    """None where the export does not tell."""
    escalated_at: datetime | None = None
    target_hours: float | None = None
    """Promised time to close."""
    cost_usd: float | None = None
    work_hours: float | None = None
    undecided: bool | None = None
    """True where it has no closing time and its status does not tell whether it was dealt with; else None."""

    @property
    def matter(self) -> str:
        """What makes two reports similar: the mapped category and trade, or else the operator's own category."""
        if self.category is None:
            return self.own_category
        return f"{self.category}/{self.trade}" if self.trade else str(self.category)


class Header(Contract):
    """What is known of a history as a whole."""

    name: str
    time_zone: str
    reports_until: UtcTime
    """Up to here every new report is in the export."""
    closures_until: UtcTime
    """Up to here every closure is in the export."""
    rows: int
    content: str
    """Hash over all reports."""


@dataclass(frozen=True)
class History:
    """Reports in the order of their creation, and the limits of what they tell."""

    header: Header
    reports: list[Report]


_REPORT = TypeAdapter(Report)


def dump(report: Report) -> bytes:
    """One line, without its end."""
    return _REPORT.dump_json(report, exclude_none=True)


def parse(line: bytes) -> Report:
    """The report of a line. Raises pydantic's `ValidationError`."""
    return _REPORT.validate_json(line)


def reports_file(folder: Path, name: str) -> Path:
    """Where the reports of a history lie."""
    return folder / f"{name}{SUFFIX}"


def header_file(folder: Path, name: str) -> Path:
    """Where what is known of a history as a whole lies."""
    return folder / f"{name}{HEADER_SUFFIX}"


def read_reports(file: Path) -> Iterator[Report]:
    """One by one. Raises `Invalid` with the number of a line that can't be read."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield parse(line)
            except ValidationError:
                raise Invalid(f"Line {number} of {file} can't be read; import the export anew.") from None


def read_history(folder: Path, name: str) -> History:
    """The history of this name. Raises `NotFound`, or `Invalid` where header and reports are not of one import."""
    try:
        header = Header.model_validate_json(header_file(folder, name).read_bytes())
        reports = list(read_reports(reports_file(folder, name)))
    except FileNotFoundError:
        raise NotFound(f"There is no history {name!r}; run `python -m aam history import`.") from None
    except ValidationError:
        raise Invalid(f"The header of the history {name!r} can't be read; import the export anew.") from None
    if content_of(reports) != header.content:
        raise Invalid(f"The reports of the history {name!r} are not those of its header; import the export anew.")
    return History(header, reports)


def write_history(folder: Path, header: Header, reports: Iterable[Report]) -> None:
    """Reports first, the header last, each moved into place whole and for the owner's eyes only."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(reports_file(folder, header.name), (dump(report) + b"\n" for report in reports))
    body = json.dumps(header.model_dump(mode="json"), indent=1).encode()
    _write(header_file(folder, header.name), [body, b"\n"])


def content_of(reports: Iterable[Report]) -> str:
    """Hash over the reports in their order."""
    return content_hash(dump(report) for report in reports)


def names(folder: Path) -> list[str]:
    """The histories that were imported."""
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def _write(file: Path, parts: Iterable[bytes]) -> None:
    scratch = file.with_name(file.name + ".making")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.writelines(parts)
    scratch.replace(file)
