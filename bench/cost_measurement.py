"""Measures what one request takes, for the page on cost: `python -m bench.cost_measurement` writes a table of results.

Processor time: all four services in one process on the embedded store, under a closed loop of 32 clients, from submit
to decision. Calls: the same process on DynamoDB and SQS as moto plays them within this process, one request after the
other, each carried to its end where it can be (chosen, approved, resolved, confirmed), then left alone.
"""

import asyncio
import json
import os
import platform
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

from bench.billed_calls import BilledCalls
from bench.load import measure, sample_messages
from bench.one_process import one_process
from bench.topologies import in_one_process
from core.errors import AppError
from core.identity import Principal
from core.labels import Role
from core.settings import Settings, load_settings
from deployments.request_management.intake import new_request_id
from deployments.request_management.schemas import ResolutionReport, Submission
from deployments.request_management.service import RequestManagementService

OUTPUT = Path(__file__).resolve().parent / "results" / "cost-measurement.json"
WARM_UP_S, LOAD_S, CLIENTS = 4.0, 20.0, 32
REQUESTS, IDLE_S, PAUSE_S = 40, 65.0, 1.0
MANAGER = Principal("bench", Role.MANAGER)


async def processor_ms() -> dict[str, float]:
    """Milliseconds of processor time of a request, all threads together, and how many were answered in a second."""
    async with in_one_process() as send:
        await measure(send, sample_messages(2000, seed=3), clients=CLIENTS, seconds=WARM_UP_S)
        began = process_time()
        figures = await measure(send, sample_messages(20000), clients=CLIENTS, seconds=LOAD_S)
        spent_s = process_time() - began
    return {
        "requests": figures.sent,
        "requests_per_s": round(figures.requests_per_s, 1),
        "processor_ms_per_request": round(1000 * spent_s / figures.sent, 2),
    }


async def calls_on_aws() -> dict[str, Any]:
    """Units and calls of a request's whole life, and of a second in which nothing happens."""
    from moto import mock_aws

    credentials = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with tempfile.TemporaryDirectory(prefix="aam-bench-") as folder, patch.dict(os.environ, credentials), mock_aws():
        changes = {"state_dir": Path(folder), "store": "dynamodb", "queue": "sqs"}
        settings = load_settings().model_copy(update=changes)
        billed = BilledCalls(settings.dynamodb_table)
        billed.watch()
        _create(settings)
        async with one_process(settings) as service:
            billed.reset()
            ends: dict[str, int] = {}
            began = asyncio.get_running_loop().time()
            for number, message in enumerate(sample_messages(REQUESTS)):
                status = await _live(service, message, f"RES_{'ABCD'[number % 4]}_{100 + number}")
                ends[status] = ends.get(status, 0) + 1
            busy_s = asyncio.get_running_loop().time() - began
            busy = _figures(billed)
            stored_kib = billed.stored_bytes() / 1024 / REQUESTS
            billed.reset()
            await asyncio.sleep(IDLE_S)
            idle = {name: value / IDLE_S for name, value in _figures(billed).items()}
    per_request = {name: (value - idle[name] * busy_s) / REQUESTS for name, value in busy.items()}
    return {
        "requests": REQUESTS,
        "ended_as": ends,
        "per_request": {name: round(value, 2) for name, value in per_request.items()}
        | {"stored_kib": round(stored_kib, 1)},
        "idle_per_second": {name: round(value, 3) for name, value in idle.items()},
    }


def _create(settings: Settings) -> None:
    from adapters.dynamo import open_dynamo
    from adapters.dynamo_tables import create_tables
    from adapters.queue_sqs_connection import open_sqs
    from adapters.queue_sqs_setup import create_queues

    create_tables(open_dynamo(settings).client, settings.dynamodb_table, recoverable=False)
    create_queues(open_sqs(settings).client, settings.sqs_queue_prefix)


def _figures(billed: BilledCalls) -> dict[str, float]:
    return {
        "write_units": billed.write_units,
        "read_units": billed.read_units,
        "sqs_requests": float(billed.sqs_requests),
    }


async def _live(service: RequestManagementService, message: str, resident: str) -> str:
    """Submit, choose what is recommended, approve, wait for its execution, resolve and confirm, as far as it goes."""
    submission = Submission(message_text=message, resident_id=resident)
    record = await service.intake.submit(MANAGER, submission, new_request_id(service.clock()), "bench", 30.0)
    request_id, decided, requests = record.request.request_id, record.request, service.requests
    report = ResolutionReport(resolution_notes="Done.", actual_cost_usd=80.0, actual_hours=1.0)
    steps: list[Callable[[], Awaitable[Any]]] = [
        lambda: requests.approve(MANAGER, request_id, None),
        lambda: requests.resolve(MANAGER, request_id, report),
        lambda: requests.confirm(MANAGER, request_id, None),
    ]
    if decided.options and decided.selected_option_id is None:
        recommended = decided.decision.recommended_option_id if decided.decision else None
        chosen = recommended or decided.options[0].option_id
        steps.insert(0, lambda: requests.select_option(MANAGER, request_id, chosen))
    for step in steps:
        try:
            await step()
        except AppError:
            # Not every request comes by every step: an answer needs no approval, an emergency no choice.
            continue
        await asyncio.sleep(PAUSE_S)
    return str((await requests.get(MANAGER, request_id)).status.value)


def main() -> None:
    """Measure both and write them down."""
    measured = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "processor": asyncio.run(processor_ms()),
        "calls": asyncio.run(calls_on_aws()),
    }
    OUTPUT.write_text(json.dumps(measured, indent=2) + "\n")
    print(OUTPUT.read_text())


if __name__ == "__main__":
    main()
