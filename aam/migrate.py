"""`aam migrate`: bring the old system's requests over, and compare its labels with this one's."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from aam.migration.items import Item, read_file, read_table
from core.settings import load_settings

NAME = "migrate"
HELP = "bring the old system's requests over"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    importing = actions.add_parser("import", help="read old items into this store; may be repeated")
    comparing = actions.add_parser("compare", help="replay old messages through a running graph")
    for action in (importing, comparing):
        source = action.add_mutually_exclusive_group(required=True)
        source.add_argument("--file", type=Path, help="one item a line: plain JSON, or as DynamoDB exports it")
        source.add_argument("--table", help="the old DynamoDB table")
        action.add_argument("--endpoint-url", help="where DynamoDB's protocol is spoken, if not at AWS")
    importing.add_argument("--dry-run", action="store_true", help="map and report, store nothing")
    comparing.add_argument("--url", default="http://127.0.0.1:8000", help="where the graph answers")
    comparing.add_argument("--token-file", type=Path, help="a staff or service token; standard input by default")
    comparing.add_argument("--limit", type=int, default=500, help="messages at most")


def run(options: argparse.Namespace) -> int:
    """Import or compare, and tell what came of it."""
    return _import(options) if options.action == "import" else _compare(options)


def _items(options: argparse.Namespace) -> Iterator[Item]:
    if options.file is not None:
        return read_file(options.file)
    return read_table(options.table, region=load_settings().aws_region, endpoint_url=options.endpoint_url)


def _import(options: argparse.Namespace) -> int:
    # Only this command needs the store and the rules; the others start faster without.
    from aam.migration.importer import ImportReport, import_items
    from adapters import build
    from adapters.knowledge_files import read_rules

    settings = load_settings()
    rules = read_rules(settings.artefacts_dir / "kb")

    async def work() -> ImportReport:
        store = build.request_store(settings)
        try:
            return await import_items(_items(options), store, rules, datetime.now(UTC), dry_run=options.dry_run)
        finally:
            await store.close()

    report = asyncio.run(work())
    print("\n".join(report.lines()))
    return 1 if report.refused else 0


def _compare(options: argparse.Namespace) -> int:
    from aam.migration.comparison import compare

    token = (options.token_file.read_text() if options.token_file else sys.stdin.read()).strip()
    items = list(islice(_items(options), options.limit))
    print("\n".join(asyncio.run(compare(items, options.url, token)).lines()))
    return 0
