"""`aam labels export`: the labels that staff corrected, with their messages, to learn from."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters import build
from core.contract import rfc3339
from core.erasure import ERASED
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.settings import load_settings

NAME = "labels"
HELP = "export the labels that staff corrected"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    exporting = actions.add_parser("export", help="print JSON lines: each message with its corrected labels")
    exporting.add_argument("--since", type=_date, required=True, metavar="DATE", help="requests made from this day on")
    exporting.add_argument("--out", type=Path, metavar="FILE", help="a file to write instead; it must not exist")


def run(options: argparse.Namespace) -> int:
    """Write the lines, and tell how many."""
    count = asyncio.run(_export(options.since, options.out))
    print(f"{count} corrected requests", file=sys.stderr)
    return 0


async def _export(since: datetime, out: Path | None) -> int:
    store, count = build.request_store(load_settings()), 0
    target = sys.stdout if out is None else out.open("x", encoding="utf-8")
    try:
        async with aclosing(corrected_lines(store, since, datetime.now(UTC))) as lines:
            async for line in lines:
                target.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
    finally:
        if out is not None:
            target.close()
        await store.close()
    return count


async def corrected_lines(store: RequestStore, since: datetime, before: datetime) -> AsyncGenerator[dict[str, Any]]:
    """One line for each request made in `[since, before)` whose labels a person changed; it names no person."""
    async for facts in store.outcomes(None, since=since, before=before):
        record = await store.get(facts.request_id) if facts.corrected else None
        if record is not None and record.corrections and record.request.message_text != ERASED:
            yield _line(record)


def _line(record: RequestRecord) -> dict[str, Any]:
    """The last correction counts; what the model had said is what the first one found."""
    request, first, last = record.request, record.corrections[0], record.corrections[-1]
    labels = request.classification
    return {
        "request_id": request.request_id,
        "message_text": request.message_text,
        "category": last.category_after,
        "urgency": last.urgency_after,
        "trade": labels.trade if labels else None,
        "category_before": first.category_before,
        "urgency_before": first.urgency_before,
        "model_version": first.model_version,
        "confidence": first.confidence,
        "corrected_at": rfc3339(last.at),
        "category_by_resident": record.objections[-1].category if record.objections else None,
    }


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a day such as 2026-03-31") from None
