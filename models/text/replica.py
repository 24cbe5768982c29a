"""Loads what a replica of AIProcessing loads, into a process of its own, and says how fast and how large it is."""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from statistics import median

from adapters import build
from core.messages import AssessItem, Assessment
from core.settings import load_settings
from deployments.ai_processing.assessor import Assessor
from deployments.ai_processing.risk import RiskModel
from models.corpus_reader import read_corpus, split
from models.text.served import ARTEFACT, open_screen, open_text_model

BATCH = 32
ROUNDS = 5
MESSAGES = 320


async def measure() -> dict[str, float]:
    """Milliseconds of the p50 for one message, messages a second in batches, and mebibytes at the peak.

    Times are CPU times of this process, which does its work in one thread: what else the machine does counts little.
    Of some rounds, the best one counts. `wall_` are the same by the clock.
    """
    # A replica has Serve in memory, which is much of what it holds.
    import_module("ray.serve")
    assessor = _open_assessor()
    messages = split(read_corpus()).test
    texts = [message.text for message in messages[:: max(1, len(messages) // MESSAGES)][:MESSAGES]]
    items = [AssessItem(message_text=text, at=datetime.now(UTC)) for text in texts]
    batches = [items[first : first + BATCH] for first in range(0, len(items) - BATCH + 1, BATCH)]
    await _assess(assessor, items[:BATCH])
    alone = await _best(lambda: _timed(assessor, [[item] for item in items]))
    together = await _best(lambda: _timed(assessor, batches))
    batched = BATCH * len(batches)
    return {
        "messages": float(len(items)),
        "p50_ms": 1000 * alone[0],
        "wall_p50_ms": 1000 * alone[1],
        "per_second": batched / together[2],
        "wall_per_second": batched / together[3],
        "peak_mib": _peak_mib(),
        "load": os.getloadavg()[0],
        "cores": float(os.cpu_count() or 1),
    }


def main() -> int:
    """Print the figures as one JSON object."""
    sys.stdout.write(json.dumps(asyncio.run(measure())) + "\n")
    return 0


Times = tuple[float, float, float, float]
"""Seconds: median CPU and clock of a call, sums of both."""


def _open_assessor() -> Assessor:
    settings = load_settings()
    folder = settings.artefacts_dir
    return Assessor(
        open_screen(),
        open_text_model(folder / ARTEFACT),
        RiskModel(build.risk_artefact(folder / "risk")),
        build.language_model(settings.model_copy(update={"gemini_api_key": None})),
        settings.llm_confidence_floor,
        advice=build.safety_advice(settings),
    )


def _peak_mib() -> float:
    status = Path("/proc/self/status")
    if not status.is_file():
        # In bytes there, and in kibibytes on Linux, where it would also count the process that started this one.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak) / 1024


async def _best(rounds: Callable[[], Awaitable[Times]]) -> Times:
    found = [await rounds() for _ in range(ROUNDS)]
    cpu, wall, cpu_sum, wall_sum = (min(each[place] for each in found) for place in range(4))
    return cpu, wall, cpu_sum, wall_sum


async def _timed(assessor: Assessor, calls: Sequence[Sequence[AssessItem]]) -> Times:
    cpu: list[float] = []
    wall: list[float] = []
    for items in calls:
        began_cpu, began = time.process_time(), time.perf_counter()
        await _assess(assessor, items)
        cpu.append(time.process_time() - began_cpu)
        wall.append(time.perf_counter() - began)
    return median(cpu), median(wall), sum(cpu), sum(wall)


async def _assess(assessor: Assessor, items: Sequence[AssessItem]) -> None:
    if not all(isinstance(each, Assessment) for each in await assessor.assess(items)):
        raise RuntimeError("A message could not be assessed.")


if __name__ == "__main__":
    raise SystemExit(main())
