"""Puts a folder of documents through every part of the check."""

from datetime import date
from pathlib import Path

from kb.check import (
    asked,
    calendars,
    conflicts,
    coverage,
    emergencies,
    on_call,
    prose,
    references,
    structure,
    versions,
    workforce,
)
from kb.check.finding import Finding
from kb.check.library import read_library
from kb.reader import DOCUMENTS

SAFETY_RULES = Path(__file__).parents[2] / "deployments" / "ai_processing" / "safety_rules.yaml"
_PARTS = (
    *(versions, structure, prose, calendars, references, conflicts),
    *(coverage, workforce, emergencies, on_call, asked),
)


def check(folder: Path = DOCUMENTS, on: date | None = None, safety_rules: Path = SAFETY_RULES) -> list[Finding]:
    """Everything that is wrong with the folder's documents on this day (today by default), errors first."""
    library, findings = read_library(folder, on or date.today(), safety_rules)
    for part in _PARTS:
        findings += part.find(library)
    return sorted(findings, key=_order)


def _order(finding: Finding) -> tuple[bool, str, str, int]:
    return (finding.severity != "error", finding.document, finding.code, finding.line or 0)
