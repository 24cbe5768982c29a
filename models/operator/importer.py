"""Import of an export: every row checked, the good ones merged into the history by their source id."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Row
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import Invalid
from models.operator.history import Header, Report, content_of, read_reports, reports_file, write_history
from models.operator.mapping import Mapping
from models.operator.rows import BadField, RowReader

MAX_BAD_SHARE = 0.02
SHOWN = 20

csv.field_size_limit(1_000_000)


@dataclass(frozen=True)
class BadRow:
    """Where a row went wrong, without what it holds."""

    row: int
    """1 for the first one after the header."""
    column: str
    why: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: {self.why}"


@dataclass
class ImportReport:
    """What became of an export's rows."""

    rows: int = 0
    added: int = 0
    updated: int = 0
    """Known by their source id, with other content."""
    unchanged: int = 0
    repeated: int = 0
    """More than once in this file; the last one counts."""
    bad: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """How many rows by column and reason."""
    first_bad: list[BadRow] = field(default_factory=list[BadRow])
    header: Header | None = None

    def refuse(self, bad: BadRow) -> None:
        """Count a row that can't be used."""
        self.bad += 1
        self.reasons[bad.column, bad.why] += 1
        if len(self.first_bad) < SHOWN:
            self.first_bad.append(bad)

    def lines(self) -> list[str]:
        """For people."""
        told = [
            f"{self.rows} rows: {self.added} added, {self.updated} updated, {self.unchanged} unchanged, "
            f"{self.repeated} repeated, {self.bad} left out"
        ]
        told += [f"  left out {count}: {column} {why}" for (column, why), count in self.reasons.most_common()]
        told += [f"  {bad}" for bad in self.first_bad]
        if self.header:
            told.append(f"history {self.header.name}: {self.header.rows} reports, content {self.header.content[:12]}")
        return told


def import_csv(file: Path, mapping: Mapping, folder: Path, max_bad_share: float = MAX_BAD_SHARE) -> ImportReport:
    """Merge `file` into the history below `folder`; importing the same file again changes nothing.

    Raises `Invalid`, and writes nothing, where a column is missing, no row is good or too many are bad.
    """
    report = ImportReport()
    known = reports_file(folder, mapping.name)
    reports = {each.source_id: each for each in read_reports(known)} if known.exists() else {}
    seen: set[str] = set()
    for each in _good_rows(file, mapping, report):
        _merge(reports, seen, each, report)
    _refuse_if_hopeless(report, max_bad_share)
    ordered = sorted(reports.values(), key=lambda each: (each.created_at, each.source_id))
    report.header = _header(mapping, ordered)
    write_history(folder, report.header, ordered)
    return report


def _good_rows(file: Path, mapping: Mapping, report: ImportReport) -> Iterator[Report]:
    reader = RowReader(mapping)
    try:
        with file.open(newline="", encoding=mapping.encoding) as lines:
            rows = csv.DictReader(lines, delimiter=mapping.delimiter, strict=True)
            _require_columns(mapping, rows.fieldnames or [])
            for number, row in enumerate(rows, start=1):
                report.rows += 1
                try:
                    _require_whole(row)
                    yield reader.read(row)
                except BadField as bad:
                    report.refuse(BadRow(number, bad.column, bad.why))
    except OSError as error:
        raise Invalid(f"{file} can't be opened: {error.strerror}.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        what = "is not text of the mapping's encoding" if isinstance(error, UnicodeDecodeError) else str(error)
        raise Invalid(f"{file} can't be read after row {report.rows}: {what}.") from None


def _require_columns(mapping: Mapping, header: Sequence[str]) -> None:
    missing = sorted(set(mapping.columns.used().values()) - set(header))
    if missing:
        raise Invalid("The export has no column " + ", ".join(missing) + "; its header and the mapping must agree.")


def _require_whole(row: Row[str | None, object]) -> None:
    # The reader puts fields beyond the header under None, and None in place of missing ones.
    if None in row or None in row.values():
        raise BadField("(all)", "has more or fewer fields than the header")


def _merge(reports: dict[str, Report], seen: set[str], new: Report, report: ImportReport) -> None:
    old = reports.get(new.source_id)
    if new.source_id in seen:
        report.repeated += 1
    elif old is None:
        report.added += 1
    elif old == new:
        report.unchanged += 1
    else:
        report.updated += 1
    seen.add(new.source_id)
    reports[new.source_id] = new


def _refuse_if_hopeless(report: ImportReport, max_bad_share: float) -> None:
    told = "\n".join(report.lines())
    if report.bad == report.rows:
        raise Invalid(f"No row could be used; nothing was imported.\n{told}")
    if report.bad > max_bad_share * report.rows:
        share = report.bad / report.rows
        raise Invalid(f"{share:.1%} of the rows are bad, over {max_bad_share:.1%}; nothing was imported.\n{told}")


def _header(mapping: Mapping, reports: list[Report]) -> Header:
    last = reports[-1].created_at
    latest = max(last, max((each.closed_at for each in reports if each.closed_at), default=last))
    reports_until = mapping.end_of(mapping.reports_until) if mapping.reports_until else last
    closures_until = mapping.end_of(mapping.closures_until) if mapping.closures_until else latest
    if last > reports_until or latest > closures_until:
        raise Invalid("The export goes on after the mapping's reports_until or closures_until; correct the mapping.")
    return Header(
        name=mapping.name,
        time_zone=mapping.time_zone,
        reports_until=reports_until,
        closures_until=closures_until,
        rows=len(reports),
        content=content_of(reports),
    )
