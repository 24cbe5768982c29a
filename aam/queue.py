"""`aam queue`: the queues between the services, how full they are, and what was set aside."""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from core.errors import BrokenInvariant, NotFound, QueueUnavailable
from core.ports.queue import Queue, QueueDepth
from core.settings import Settings, load_settings

NAME = "queue"
HELP = "make the queues, tell how full they are, put dead letters back"
QUEUES = ("executions", "outcomes", "webhooks")
LISTED = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("create", help="make the queues in SQS that are not there yet")
    actions.add_parser("depth", help="how many messages wait, are worked on, and were set aside")
    dead = actions.add_parser("dead", help="what was set aside and why, the latest first, without its text")
    dead.add_argument("queue", nargs="?", choices=QUEUES, help="all of them where it is left out")
    dead.add_argument("--limit", type=int, default=LISTED, help=f"of each queue at most so many; {LISTED}")
    redrive = actions.add_parser("redrive", help="put what was set aside back into its queue, to be tried again")
    redrive.add_argument("queue", choices=QUEUES)
    which = redrive.add_mutually_exclusive_group(required=True)
    which.add_argument("message_id", nargs="?", help="as `dead` tells it")
    which.add_argument("--all", action="store_true", help="everything of this queue")


def run(options: argparse.Namespace) -> int:
    """Do it and say so. Raises `QueueUnavailable`, and `NotFound` for a dead letter that is not there."""
    settings = load_settings()
    if options.action == "create":
        return _create(settings)
    if options.action == "depth":
        return asyncio.run(_tell_depth(settings))
    if options.action == "dead":
        return asyncio.run(_list_dead(settings, options.queue, options.limit))
    return asyncio.run(_redrive(settings, options.queue, None if options.all else options.message_id))


def _create(settings: Settings) -> int:
    if settings.queue != "sqs":
        print("Nothing to make: AAM_QUEUE is sqlite, whose file is made when it is first opened.")
        return 0
    from botocore.exceptions import BotoCoreError, ClientError

    from adapters.queue_sqs_connection import open_sqs
    from adapters.queue_sqs_setup import create_queues

    try:
        made = create_queues(open_sqs(settings).client, settings.sqs_queue_prefix, QUEUES)
    except BotoCoreError as error:
        raise QueueUnavailable(f"SQS does not answer: {error}") from error
    except ClientError as error:
        raise BrokenInvariant(f"SQS refused: {error}") from error
    print("\n".join(f"made {name}" for name in made) or "All queues are there.")
    return 0


async def _tell_depth(settings: Settings) -> int:
    rows: list[tuple[str, ...]] = [("queue", "visible", "in flight", "dead", "oldest")]
    for name, queue in _open(settings, QUEUES):
        try:
            rows.append((name, *_cells(await queue.depth(now=datetime.now(UTC)), settings)))
        finally:
            await queue.close()
    _print_table(rows)
    if settings.queue == "sqs":
        print("How old the oldest is, SQS tells in CloudWatch: ApproximateAgeOfOldestMessage.")
    return 0


def _cells(depth: QueueDepth, settings: Settings) -> tuple[str, ...]:
    # A process that has just started knows nothing of the age of what is in SQS.
    oldest = "-" if settings.queue == "sqs" else f"{depth.oldest_age_s:.0f} s"
    return str(depth.visible), str(depth.in_flight), str(depth.dead), oldest


async def _list_dead(settings: Settings, name: str | None, limit: int) -> int:
    rows: list[tuple[str, ...]] = [("queue", "id", "type", "attempts", "when", "reason")]
    for each, queue in _open(settings, [name] if name else QUEUES):
        try:
            letters = await queue.dead_letters(max(limit, 1))
        finally:
            await queue.close()
        rows += [
            (
                each,
                letter.message.message_id,
                letter.message.type,
                str(letter.attempts),
                letter.at.isoformat(timespec="seconds"),
                letter.reason,
            )
            for letter in letters
        ]
    if len(rows) == 1:
        print("Nothing was set aside.")
    else:
        _print_table(rows)
    return 0


async def _redrive(settings: Settings, name: str, message_id: str | None) -> int:
    ((_, queue),) = _open(settings, [name])
    try:
        if message_id is None:
            print(f"put back: {await queue.redrive_all()}")
        elif await queue.redrive(message_id):
            print(f"put back: {message_id}")
        else:
            raise NotFound(f"There is no dead letter {message_id} in {name}; `aam queue dead {name}` lists them.")
    finally:
        await queue.close()
    return 0


def _open(settings: Settings, names: Sequence[str]) -> list[tuple[str, Queue]]:
    from adapters import build

    openers: dict[str, Callable[[Settings], Queue]] = {
        "executions": build.execution_queue,
        "outcomes": build.outcome_queue,
        "webhooks": build.webhook_queue,
    }
    return [(name, openers[name](settings)) for name in names]


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    # What came through a queue may hold anything, and is shown on one line of a terminal.
    clean = [tuple("".join(c if c.isprintable() else " " for c in cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
