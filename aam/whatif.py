"""`aam whatif`: what a change of staff, shifts, vendors, weights or policy would do, replayed on real or usual work."""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from aam.whatif_report import draw, require_picture, table, write_csv
from core.errors import Invalid
from core.request import Request
from core.settings import Settings, load_settings
from core.what_if import LEAST_REPLICATIONS, MOST_REPLICATIONS, Comparison, FigureValue, Scenario, WhatIfOrder, Work

if TYPE_CHECKING:
    from deployments.decision_simulation.what_if.replay import Pair, Replay

NAME = "whatif"
HELP = "replay the backlog or a past period under a changed staff, shift, vendor, weight or policy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE[,PATH=VALUE]",
        help="crews.plumbing.technicians=3, weights.standard.cost=0.3, response_targets.High.resolution_hours=48",
    )  # fmt: skip
    parser.add_argument("--add-vendor", action="append", default=[], type=Path, metavar="FILE.json")
    parser.add_argument("--remove-vendor", action="append", default=[], metavar="ID")
    parser.add_argument("--replace-vendor", action="append", default=[], metavar="ID=ID")
    parser.add_argument("--from", dest="begin", metavar="DATE", help="a past period: its first day")
    parser.add_argument("--to", dest="end", metavar="DATE", help="the day after its last")
    parser.add_argument("--backlog", action="store_true", help="what is open now (the default)")
    parser.add_argument("--synthetic", type=int, metavar="DAYS", help="requests drawn from the crews' usual arrivals")
    parser.add_argument("--requests", type=Path, metavar="FILE.jsonl", help="as the API shows them, not the store's")
    parser.add_argument("--replications", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--csv", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE.png|.svg")


def run(options: argparse.Namespace) -> int:
    """Replay, and show the difference; 130 where Ctrl-C left a part of it."""
    # The other commands start faster without the simulation and the documents.
    from deployments.decision_simulation.what_if.replay import Replay
    from kb.compile import compile_documents

    settings = load_settings()
    _check(options)
    zone = ZoneInfo(settings.time_zone)
    order = WhatIfOrder(
        scenario=scenario_of(options),
        work=asyncio.run(_work(options, settings, zone)),
        replications=options.replications,
        seed=options.seed,
        requested_by="command line",
    )
    with _interruptible() as stopped:
        print("Choosing options", file=sys.stderr)
        prepared = Replay(compile_documents(), order, zone)
        with _replications(prepared, options.processes) as pairs:
            comparison = prepared.compare(pairs, _progress_of(order.replications), stopped.is_set)
    print(file=sys.stderr)
    _give(comparison, options)
    return 0 if comparison.complete else 130


def scenario_of(options: argparse.Namespace) -> Scenario:
    """The change that the options describe. Raises `Invalid`."""
    figures = dict(_assignment(part) for text in options.set for part in text.split(","))
    try:
        return Scenario.model_validate(
            {
                "figures": {path: _value(text) for path, text in figures.items()},
                "add_vendors": [json.loads(path.read_text()) for path in options.add_vendor],
                "remove_vendors": options.remove_vendor,
                "replace_vendors": dict(_assignment(text) for text in options.replace_vendor),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    except (OSError, ValueError) as error:
        raise Invalid(f"A vendor's file can't be read: {error}.") from None


def _check(options: argparse.Namespace) -> None:
    """Raises `Invalid` for options that do not go together or are out of range."""
    if (options.begin is None) != (options.end is None):
        raise Invalid("Give both --from and --to.")
    if [options.begin is not None, options.backlog, options.synthetic is not None].count(True) > 1:
        raise Invalid("Give one of --from/--to, --backlog and --synthetic.")
    if options.synthetic is not None and options.requests is not None:
        raise Invalid("--synthetic draws its own requests; leave out --requests.")
    if options.synthetic is not None and not 1 <= options.synthetic <= 92:
        raise Invalid("--synthetic takes 1 to 92 days.")
    if not LEAST_REPLICATIONS <= options.replications <= MOST_REPLICATIONS:
        raise Invalid(f"--replications must be {LEAST_REPLICATIONS} to {MOST_REPLICATIONS}.")
    if options.picture is not None:
        require_picture(options.picture)
    if options.processes < 1:
        raise Invalid("--processes must be at least 1.")
    if not 0 <= options.seed < 2**63:
        raise Invalid("--seed must be from 0 to 2^63 - 1.")


def _assignment(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise Invalid(f"{text!r} is not NAME=VALUE.")
    return name.strip(), value.strip()


def _value(text: str) -> FigureValue:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


async def _work(options: argparse.Namespace, settings: Settings, zone: ZoneInfo) -> Work:
    from adapters import build
    from deployments.request_management import replayed_work

    now = datetime.now(UTC)
    if options.synthetic is not None:
        # From a Monday's midnight on, so that the same seed gives the same result on every day.
        local = now.astimezone(zone)
        monday = datetime(local.year, local.month, local.day, tzinfo=zone) - timedelta(days=local.weekday())
        return replayed_work.synthetic(monday.astimezone(UTC), options.synthetic)
    begin, end = (_moment(text, zone) for text in (options.begin, options.end))
    if options.requests is not None:
        return replayed_work.work_of(_read(options.requests), begin, end, now)
    store = build.request_store(settings)
    try:
        if begin is not None and end is not None:
            return await replayed_work.past_period(store, begin, end, lambda _: True)
        return await replayed_work.backlog(store, now, lambda _: True)
    except Invalid as error:
        raise Invalid(error.detail.replace("synthetic_days", "--synthetic DAYS")) from None
    finally:
        await store.close()


def _moment(text: str | None, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is no date; write 2026-11-01 or 2026-11-01T08:00.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _read(file: Path) -> list[Request]:
    requests: list[Request] = []
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise Invalid(f"{file} can't be read: {error.strerror}.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            requests.append(Request.model_validate_json(line))
        except ValidationError as error:
            raise Invalid(f"{file}, line {number}: {error.errors()[0]['msg']}.") from None
    return requests


@contextmanager
def _interruptible() -> Generator[threading.Event]:
    """The first Ctrl-C asks the replay to end with what it has; the second one breaks it off."""
    stopped = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        print("\nStopping after this replication ...", file=sys.stderr)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


_PREPARED: list[Replay] = []
"""What the forked processes work on: it holds functions, which can't be sent to them."""


@contextmanager
def _replications(prepared: Replay, processes: int) -> Generator[Iterator[Pair]]:
    """The replications in their order, made by so many processes."""
    numbers = range(prepared.order.replications)
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield map(prepared.replicate, numbers)
        return
    _PREPARED[:] = [prepared]
    with multiprocessing.get_context("fork").Pool(processes, _ignore_interrupts) as pool:
        yield pool.imap(_replicate, numbers)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _replicate(number: int) -> Pair:
    return _PREPARED[0].replicate(number)


def _progress_of(replications: int) -> Callable[[float], None]:
    def show(share: float) -> None:
        print(f"\rReplications {round(share * replications)}/{replications}", end="", file=sys.stderr, flush=True)

    return show


def _give(comparison: Comparison, options: argparse.Namespace) -> None:
    print("\n".join(table(comparison)))
    if options.json is not None:
        options.json.write_text(comparison.model_dump_json(indent=2) + "\n")
    if options.csv is not None:
        write_csv(comparison, options.csv)
    if options.picture is not None:
        draw(comparison, options.picture)
