"""How the SQLite store's time for one call depends on how many requests it holds.

Both stores have the same present: so many open requests, so many that need attention, so many that are due, and
residents who wrote equally often. They differ in their past: all else has ended, spread over the same two years. The
documents of a request take about 3 KB here, a seventh of a real one's, so that the large store fits; index entries are
as many. `history` and `spent` add up what lies within half a year, of which the large store has 200 times as much.
"""

import asyncio
import base64
import random
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from adapters.sqlite import Database
from adapters.store_sqlite import SqliteRequestStore
from adapters.store_sqlite_items import creation
from adapters.store_sqlite_schema import SCHEMA
from core.errors import StoreUnavailable
from core.execution_labels import ActionKind
from core.labels import ApprovalTier, Category, Crew, Intent, RiskLevel, Status, Trade, Urgency
from core.messages import DecisionTrace
from core.ports.store import RequestFilter
from core.record import NextAction, RequestRecord
from core.request import (
    BuildingId,
    Classification,
    Estimate,
    Event,
    OptionId,
    Request,
    RequestId,
    ResidentId,
    ResolutionNote,
    ResolutionOption,
    Risk,
    Sla,
)

SIZES = (1_000, 200_000)
BUILDINGS = 50
RESIDENTS = 10_000
OPEN = 600
"""Of which each third needs attention."""
DUE = 50
WATCHED = 20
"""Residents whose lists are read; they live in the first building and wrote `EACH` requests each."""
EACH = 20
PAGE = 20
CALLS = 200
CLAIMS = 30
AT_ONCE = 2_000
"""Requests in one commit while a store is filled."""
DIMENSIONS = 384
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PAST = timedelta(days=730)
RECENT = timedelta(days=14)
HALF_YEAR = timedelta(days=180)

OPEN_STATUSES = (Status.AWAITING_SELECTION, Status.ESCALATED, Status.NEEDS_REVIEW, Status.IN_PROGRESS)
TOPICS = (
    (Category.MAINTENANCE, Trade.PLUMBING),
    (Category.MAINTENANCE, Trade.HVAC),
    (Category.MAINTENANCE, Trade.ELECTRICAL),
    (Category.BILLING, None),
    (Category.LEASING, None),
)
EVENTS = tuple(
    Event(sequence=number, at=NOW, kind=kind, actor="system", message="What happened to the request, in one sentence.")
    for number, kind in enumerate(("submitted", "decided", "status_changed"), 1)
)
OPTIONS = tuple(
    ResolutionOption(
        option_id=OptionId(f"option-{number}"),
        title="A plumber comes within two working days",
        action=ActionKind.DISPATCH_WORK_ORDER,
        crew=Crew.PLUMBING,
        steps=("Ring the resident first.", "Replace what is worn, and test it.", "Clean up."),
        estimated_cost_usd=Estimate(mean=120.1, p50=110.0, p90=210.5),
        estimated_time_hours=Estimate(mean=5.3, p50=4.0, p90=11.25),
        sla_breach_probability=0.05,
        resident_satisfaction_impact=0.4,
        approval=ApprovalTier.NONE,
        reasoning="It is the usual way for a fault of this kind, and the crew is free in time. " * 3,
        source="catalog",
        citations=(),
    )
    for number in range(2)
)
TEXT = "The tap in the kitchen has been dripping since Monday, and the sink is slowly filling up over night."

Call = Callable[[int], Awaitable[object]]


def build_record(number: int, chance: random.Random) -> RequestRecord:
    """A request: the first `OPEN` are open, the next belong to the watched residents, the rest is past."""
    is_open = number < OPEN
    made = NOW - (RECENT if is_open else PAST) * chance.random()
    category, trade = TOPICS[chance.randrange(len(TOPICS))]
    is_watched = OPEN <= number < OPEN + WATCHED * EACH
    resident = number % WATCHED if is_watched else WATCHED + chance.randrange(RESIDENTS - WATCHED)
    status = OPEN_STATUSES[number % len(OPEN_STATUSES)] if is_open else Status.CLOSED
    target = made + timedelta(days=3)
    ended = made + timedelta(hours=40 * chance.random())
    request = Request(
        request_id=RequestId(f"REQ_{chance.randbytes(12).hex()}"),
        resident_id=ResidentId(f"RES_{resident}"),
        building_id=BuildingId(f"B{0 if is_watched else resident % BUILDINGS}"),
        message_text=TEXT,
        status=status,
        version=1,
        created_at=made,
        updated_at=made,
        classification=Classification(
            category=category, trade=trade, urgency=list(Urgency)[number % 4], intent=Intent.SOLVE_PROBLEM,
            confidence=0.8, source="model", emergency=False, model_version="bench",
        ),
        risk=Risk(
            score=round(chance.random(), 3), level=RiskLevel.MEDIUM, recurrence_probability=0.1,
            sla_breach_probability=0.1, escalation_probability=0.1, model_version="bench",
        ),
        options=OPTIONS,
        selected_option_id=OPTIONS[0].option_id,
        sla=Sla(response_due_at=target, resolution_due_at=target, basis="bench#targets"),
        needs_attention=is_open and number % 3 == 0,
        resolution=None if is_open else ResolutionNote(
            resolution_notes="Done.", resolved_by="bench", resolved_at=ended,
            actual_cost_usd=round(300 * chance.random(), 2),
        ),
    )  # fmt: skip
    due = {"next_action": NextAction.REMIND, "next_action_at": NOW - timedelta(seconds=number)} if number < DUE else {}
    return RequestRecord.model_validate(
        {"request": request, "correlation_id": "bench", "trace": _trace(chance) if is_open else None} | due
    )


def _trace(chance: random.Random) -> DecisionTrace:
    vector = struct.pack(f"<{DIMENSIONS}f", *(chance.gauss(0, DIMENSIONS**-0.5) for _ in range(DIMENSIONS)))
    return DecisionTrace(
        inputs={"embedding": base64.b64encode(vector).decode()},
        seed=1,
        replications=1,
        method="tables",
        model_versions={},
        kb_version="bench",
        policy_version="bench",
        workforce_version="bench",
    )


async def fill(path: Path, size: int) -> list[RequestId]:
    """A store of `size` requests; some of their ids."""
    chance = random.Random(size)
    database = Database(path, SCHEMA, unavailable=StoreUnavailable)
    records = (build_record(number, chance) for number in range(size))
    known: list[RequestId] = []
    while group := list(islice(records, AT_ONCE)):
        writes = [creation(record, EVENTS) for record in group]
        await database.write(lambda connection, writes=writes: [write(connection) for write in writes])
        known += [record.request.request_id for record in chance.sample(group, min(CALLS, len(group)))]
    await database.close()
    return known


async def measure(paths: Sequence[Path], sizes: Sequence[int]) -> dict[str, list[float]]:
    """Milliseconds (P50) of each call on a store of each size; calls take turns, so that all see the same machine."""
    known = [await fill(path, size) for path, size in zip(paths, sizes, strict=True)]
    stores = [SqliteRequestStore(path) for path in paths]
    reads = [await _reads(store, ids) for store, ids in zip(stores, known, strict=True)]
    figures = {name: await _p50_ms([calls[name] for calls in reads], CALLS) for name in reads[0]}
    claims: list[Call] = [partial(_claim, store) for store in stores]
    figures[f"claim_due with {DUE} due"] = await _p50_ms(claims, CLAIMS)
    figures["outcomes, for each 1,000"] = [await _outcomes_ms(store) for store in stores]
    for store in stores:
        await store.close()
    return figures


async def _reads(store: SqliteRequestStore, known: Sequence[RequestId]) -> dict[str, Call]:
    everything, building = RequestFilter(), RequestFilter(building_id="B0")
    attention = RequestFilter(needs_attention=True)
    cursor = None
    for _ in range(5):
        cursor = (await store.list_requests(everything, limit=PAGE, cursor=cursor)).next_cursor
    beginning = NOW - HALF_YEAR
    return {
        "get": lambda n: store.get(known[n % len(known)]),
        "events": lambda n: store.events(known[n % len(known)]),
        "list, first page": lambda _: store.list_requests(everything, limit=PAGE, cursor=None),
        "list, next page": lambda _: store.list_requests(everything, limit=PAGE, cursor=cursor),
        "list of a building, first page": lambda _: store.list_requests(building, limit=PAGE, cursor=None),
        "list of a resident": lambda n: store.list_by_resident(
            ResidentId(f"RES_{n % WATCHED}"), limit=PAGE, cursor=None
        ),
        "attention list, first page": lambda _: store.list_requests(attention, limit=PAGE, cursor=None),
        "open_requests of a building": lambda n: store.open_requests(
            BuildingId(f"B{n % BUILDINGS}"), since=NOW - RECENT, limit=50
        ),
        "history": lambda n: store.history(
            ResidentId(f"RES_{n % WATCHED}"), BuildingId("B0"), since=beginning, before=NOW
        ),
        "workload": lambda _: store.workload(),
        "backlog": lambda _: store.backlog(),
        "spent by a building": lambda n: store.spent(BuildingId(f"B{n % BUILDINGS}"), since=beginning, before=NOW),
        "oldest_due": lambda _: store.oldest_due(NOW),
    }


async def _claim(store: SqliteRequestStore, number: int) -> None:
    # Each claim leases for one second, and the next comes two seconds later.
    claimed = await store.claim_due(now=NOW + timedelta(seconds=2 * number), lease_s=1, limit=DUE)
    assert len(claimed) == DUE


async def _outcomes_ms(store: SqliteRequestStore) -> float:
    began = perf_counter()
    count = len([each async for each in store.outcomes(None, since=NOW - PAST, before=NOW)])
    return (perf_counter() - began) / count * 1e6


async def _p50_ms(calls: Sequence[Call], times: int) -> list[float]:
    taken: list[list[float]] = [[] for _ in calls]
    for number in range(times):
        for call, each in zip(calls, taken, strict=True):
            began = perf_counter()
            await call(number)
            each.append(perf_counter() - began)
    return [median(each) * 1e3 for each in taken]


async def main(sizes: tuple[int, int]) -> None:
    """Fill two stores and print the times of both with their ratio."""
    began = perf_counter()
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{size}.sqlite3" for size in sizes]
        figures = await measure(paths, sizes)
        megabytes = [path.stat().st_size / 1e6 for path in paths]
    print(f"| P50 of a call, ms | {sizes[0]:,} | {sizes[1]:,} | ratio |\n|---|---:|---:|---:|")
    for name, (small, big) in figures.items():
        print(f"| {name} | {small:.3f} | {big:.3f} | {big / small:.2f} |")
    print(f"\n{megabytes[0]:,.0f} and {megabytes[1]:,.0f} MB; {perf_counter() - began:.0f} s in all.")


if __name__ == "__main__":
    asyncio.run(main((int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) == 3 else SIZES))
