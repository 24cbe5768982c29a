"""`aam kb`: check the knowledge base, list its documents, show what one decides, and rebuild its index."""

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from core.errors import NotFound
from core.settings import load_settings

if TYPE_CHECKING:
    from kb.check import Finding
    from kb.reader import Document

NAME = "kb"
HELP = "check the knowledge base, list its documents, show what one decides, or rebuild its index"
_NEEDED_BY_INDEX = frozenset({"embedder", "kb"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    checking = actions.add_parser("check", help="say what is wrong with the documents; exits 1 on an error")
    listing = actions.add_parser("list", help="list the documents")
    showing = actions.add_parser("show", help="show the rules that a document decides")
    showing.add_argument("id", help="of the document")
    for each in (checking, listing, showing):
        each.add_argument("--folder", type=Path, help="default: kb/documents")
        each.add_argument("--on", type=date.fromisoformat, help="the day, as 2026-07-01; default: today")
    checking.add_argument("--json", action="store_true", help="print the findings as JSON")
    actions.add_parser("build", help="make the index again where a document changed")


def run(options: argparse.Namespace) -> int:
    """Do one of the four; returns the exit status."""
    if options.action == "build":
        from aam.artefacts import build_all

        build_all(load_settings().artefacts_dir, names=_NEEDED_BY_INDEX)
        return 0
    # The schema and the reader take a while to load; `aam --help` must not wait for them.
    from kb.reader import DOCUMENTS

    folder: Path = options.folder or DOCUMENTS
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.")
    day: date = options.on or date.today()
    if options.action == "check":
        return _check(folder, day, options.json)
    print("\n".join(_table(folder, day) if options.action == "list" else _rules(folder, day, options.id)))
    return 0


def _check(folder: Path, day: date, as_json: bool) -> int:
    from kb.check import check

    findings = check(folder, day)
    if as_json:
        print(json.dumps([finding.model_dump() for finding in findings], indent=1, ensure_ascii=False))
    else:
        print("\n".join(_report(findings)))
    return int(any(finding.severity == "error" for finding in findings))


def _report(findings: "Sequence[Finding]") -> Iterator[str]:
    for finding in findings:
        place = f"{finding.document}:{finding.line}" if finding.line else finding.document
        yield f"{finding.severity}: {place}: {finding.message} [{finding.code}]"
    errors = sum(finding.severity == "error" for finding in findings)
    yield f"{errors} errors, {len(findings) - errors} warnings"


def _table(folder: Path, day: date) -> Iterator[str]:
    """A line for each document, sorted by id; the last column says whether it is in force."""
    from kb.compile import in_force
    from kb.reader import read_documents

    documents = sorted(read_documents(folder), key=lambda each: (each.front.id, each.front.version))
    held = {id(each) for each in in_force(documents, day)}
    rows = [("ID", "KIND", "VERSION", "BUILDING", "FROM", "TO", "IN FORCE", "TITLE")]
    rows += [(*_row(each), "yes" if id(each) in held else "no", each.front.title) for each in documents]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(document: "Document") -> tuple[str, str, str, str, str, str]:
    front = document.front
    return (
        front.id,
        front.kind,
        str(front.version),
        front.building,
        front.effective_from.isoformat(),
        front.effective_to.isoformat() if front.effective_to else "-",
    )


def _rules(folder: Path, day: date, doc_id: str) -> Iterator[str]:
    """The front matter and rules of every version with this id, as YAML. Raises `NotFound`."""
    from kb.compile import in_force
    from kb.reader import read_documents

    documents = read_documents(folder)
    held = {id(each) for each in in_force(documents, day)}
    found = [each for each in documents if each.front.id == doc_id]
    if not found:
        raise NotFound(f"No document has the id {doc_id}; `python -m aam kb list` shows them.")
    for each in found:
        stated = each.front.model_dump(mode="json", exclude_defaults=True)
        yield f"# {each.path.name}, {'in force' if id(each) in held else 'not in force'} on {day}"
        yield yaml.safe_dump(stated, sort_keys=False, allow_unicode=True, width=110).rstrip()
        if not stated.get("rules"):
            yield "# It decides nothing by rule; its text answers questions."
