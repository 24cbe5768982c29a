"""What was measured, for the page on cost: read from bench/results."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
FILE = RESULTS / "cost-measurement.json"
GRAPH_PROCESSORS = 2
"""Of the machine on which the reports of `make bench` in the folder were made."""
_GRAPH = re.compile(r"^\| b \| [^|]+\| 32 \| ([\d.]+) \|", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """The results of `python -m bench.cost_measurement`."""

    date: str
    machine: str
    processor_ms: float
    """Processor time of one request, from submit to decision."""
    per_request: Mapping[str, float]
    """`write_units` and `read_units` of DynamoDB, `sqs_requests`, and `stored_kib`, of a request's whole life."""
    idle_per_second: Mapping[str, float]
    """The same of a second without requests, except for what is stored."""


def read_measured(path: Path = FILE) -> Measured:
    """The newest results."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Measured(
        date=found["date"],
        machine=found["machine"],
        processor_ms=found["processor"]["processor_ms_per_request"],
        per_request=found["calls"]["per_request"],
        idle_per_second=found["calls"]["idle_per_second"],
    )


def graph_requests_per_s(folder: Path = RESULTS) -> tuple[int, float, str]:
    """Processors, requests in a second with 32 clients, and the date, of the newest report on the graph.

    Raises `FileNotFoundError` where there is no such report.
    """
    for path in sorted(folder.glob("20*.md"), reverse=True):
        if found := _GRAPH.search(path.read_text(encoding="utf-8")):
            return GRAPH_PROCESSORS, float(found[1]), path.stem[:10]
    raise FileNotFoundError(f"{folder} holds no report on the graph; `make bench` writes one")
