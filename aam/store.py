"""`aam store`: the tables of the store, its backups, and what an upgrade leaves to do in it."""

import argparse
import asyncio
from datetime import UTC, datetime
from pathlib import Path

from core.errors import ArtefactRefused, BrokenInvariant, Invalid, StoreUnavailable
from core.settings import load_settings

NAME = "store"
HELP = "make the store's tables, back it up, restore it, or bring its requests up to date after an upgrade"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    creating = actions.add_parser("create", help="make the tables that are not there yet")
    creating.add_argument("--no-backups", action="store_true", help="without continuous backups")
    revising = actions.add_parser(
        "revise", help="once all replicas are new: have open requests of an earlier version get their clocks"
    )
    revising.add_argument("--per-minute", type=_rate, default=600, help="so many are due in a minute (600)")
    backing = actions.add_parser("backup", help="write the state directory into one archive, while it is in use")
    backing.add_argument("file", type=Path, metavar="FILE")
    restoring = actions.add_parser(
        "restore", help="bring a backup back into an empty state directory, or the tables of DynamoDB back to a time"
    )
    what = restoring.add_mutually_exclusive_group(required=True)
    what.add_argument("file", nargs="?", type=Path, metavar="FILE", help="what `backup` wrote")
    what.add_argument("--to", metavar="TIME", help="such as 2026-11-24T09:30:00Z, of the last 35 days; needs --table")
    restoring.add_argument(
        "--despite-audit", action="store_true", help="also a FILE whose audit log was broken when it was made"
    )
    restoring.add_argument("--table", metavar="NAME", help="with which the names of the restored tables begin")


def run(options: argparse.Namespace) -> int:
    """Make the tables, back up, restore, or schedule revisions."""
    if options.action == "backup":
        from aam.store_recovery import back_up

        return back_up(options.file)
    if options.action == "restore":
        return _restore(options)
    return _create(recoverable=not options.no_backups) if options.action == "create" else _revise(options.per_minute)


def _restore(options: argparse.Namespace) -> int:
    from aam.store_recovery import restore, restore_tables

    if options.to is None:
        return restore(options.file, despite_audit=options.despite_audit)
    if options.table is None:
        raise Invalid("--to needs --table, a new name: DynamoDB restores beside what is there.")
    return restore_tables(options.to, options.table)


def _rate(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return int(text)


def _revise(per_minute: int) -> int:
    """Say how many requests were looked at and how many will be revised, and until when."""
    from adapters import build
    from deployments.request_management.renewal import Renewal, schedule_revisions

    async def work() -> Renewal:
        store = build.request_store(load_settings())
        try:
            return await schedule_revisions(store, lambda: datetime.now(UTC), per_minute)
        finally:
            await store.close()

    done = asyncio.run(work())
    until = f", the last at {done.last_due_at:%Y-%m-%d %H:%M:%S} UTC" if done.last_due_at else ""
    print(f"{done.looked_at} open requests were looked at; {done.scheduled} will be revised{until}.")
    return 0


def _create(*, recoverable: bool) -> int:
    """Make the tables and say which. A SQLite file needs no command: it is made when it is first opened."""
    settings = load_settings()
    if settings.store != "dynamodb":
        raise ArtefactRefused("AAM_STORE is sqlite, whose files are made by themselves; set it to dynamodb.")
    from botocore.exceptions import BotoCoreError, ClientError

    from adapters.dynamo import open_dynamo
    from adapters.dynamo_tables import create_tables

    try:
        made = create_tables(open_dynamo(settings).client, settings.dynamodb_table, recoverable=recoverable)
    except BotoCoreError as error:
        raise StoreUnavailable(f"DynamoDB does not answer: {error}") from error
    except ClientError as error:
        raise BrokenInvariant(f"DynamoDB refused: {error}") from error
    print("\n".join(f"made {name}" for name in made) or "All tables are there.")
    return 0
