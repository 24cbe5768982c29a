"""A profile: how long each stage takes for the same 32 messages, one at a time and all together."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapters import build
from bench.load import sample_messages
from core.labels import Status
from core.messages import AssessItem, Assessment, ResolveItem
from core.record import RequestRecord
from core.request import BuildingId, Request, RequestId, ResidentId
from core.settings import load_settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management import lifecycle

ROUNDS = 11


async def table() -> str:
    """A Markdown table of milliseconds for each request."""
    settings = load_settings()
    ai, decision = AIProcessing(settings), DecisionSimulation(settings)
    now = datetime.now(UTC)
    items = [AssessItem(message_text=text, at=now) for text in sample_messages(32, seed=5)]
    assessed = [one for one in await ai.assess(items) if isinstance(one, Assessment)]
    questions = [
        ResolveItem(
            request_id=RequestId(f"REQ_{number}"),
            message_text=item.message_text,
            at=now,
            building_id="A",
            classification=one.classification,
            risk=one.risk,
        )
        for number, (item, one) in enumerate(zip(items, assessed, strict=True))
    ]
    texts, embedder = [item.message_text for item in items], build.embedder(settings)

    async def embed(places: Sequence[int]) -> None:
        embedder.embed([texts[place] for place in places])

    async def assess(places: Sequence[int]) -> None:
        await ai.assess([items[place] for place in places])

    async def resolve(places: Sequence[int]) -> None:
        await decision.resolve([questions[place] for place in places])

    with tempfile.TemporaryDirectory(prefix="aam-bench-") as folder:
        store = build.request_store(settings.model_copy(update={"state_dir": Path(folder)}))

        async def create(places: Sequence[int]) -> None:
            changes = [lifecycle.open_record(_record(texts[place]), "bench", now) for place in places]
            await asyncio.gather(*(store.create(change.record, change.events) for change in changes))

        stages = {"assess": assess, "embed (part of resolve)": embed, "resolve": resolve, "store, durably": create}
        lines = ["| stage | one at a time, ms | all 32 together, ms each |", "| --- | --- | --- |"]
        every = range(len(items))
        for name, stage in stages.items():
            alone, together = await _timed(stage, [[place] for place in every]), await _timed(stage, [every])
            lines.append(f"| {name} | {alone / len(items):.2f} | {together / len(items):.2f} |")
        await store.close()
    return "\n".join(lines)


async def _timed(stage: Callable[[Sequence[int]], Awaitable[None]], calls: Sequence[Sequence[int]]) -> float:
    """Milliseconds for all the calls, the median of some rounds."""
    took: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for places in calls:
            await stage(places)
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


_numbers = iter(range(10**9))


def _record(text: str) -> RequestRecord:
    now = datetime.now(UTC)
    return RequestRecord(
        request=Request(
            request_id=RequestId(f"REQ_{next(_numbers)}"),
            resident_id=ResidentId("RES_A_101"),
            building_id=BuildingId("A"),
            message_text=text,
            status=Status.SUBMITTED,
            version=1,
            created_at=now,
            updated_at=now,
        ),
        correlation_id="bench",
    )
