"""A server that speaks Prometheus' HTTP API for range and instant queries, from answers that a test gives."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Series = tuple[dict[str, str], Callable[[float], float | None]]
"""A series' labels, and its value at a time; None where nothing was measured."""


@dataclass
class PrometheusServer:
    """What it answers, and what it was asked."""

    url: str = ""
    answers: dict[str, list[Series]] = field(default_factory=dict)
    """By a part of the expression; an empty answer where none fits."""
    refused: str | None = None
    """A part of the expressions that are answered as Prometheus answers what it can't read."""
    alerts: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, given: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path == "/api/v1/alerts":
            return 200, _success({"alerts": self.alerts})
        self.asked.append(given["query"])
        if self.refused and self.refused in given["query"]:
            text = 'invalid parameter "query": 1:5: parse error: unexpected end of input'
            return 400, {"status": "error", "errorType": "bad_data", "error": text}
        found = next((series for part, series in self.answers.items() if part in given["query"]), [])
        if path == "/api/v1/query":
            at = float(given["time"])
            vector = [
                {"metric": labels, "value": _point(at, value)} for labels, value in found if value(at) is not None
            ]
            return 200, _success({"resultType": "vector", "result": vector})
        times = _times(float(given["start"]), float(given["end"]), float(given["step"]))
        matrix = [
            {"metric": labels, "values": [_point(at, value) for at in times if value(at) is not None]}
            for labels, value in found
        ]
        return 200, _success({"resultType": "matrix", "result": [each for each in matrix if each["values"]]})


def _success(data: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": data}


def _point(at: float, value: Callable[[float], float | None]) -> list[float | str]:
    number = value(at)
    return [at, {float("inf"): "+Inf"}.get(number, "NaN" if number != number else str(number))]  # type: ignore[arg-type]


def _times(start: float, end: float, step: float) -> list[float]:
    return [start + number * step for number in range(int((end - start) / step) + 1)]


@contextmanager
def prometheus_server() -> Iterator[PrometheusServer]:
    """One of these on the loopback interface."""
    state = PrometheusServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            status, body = state.answer(address.path, {key: each[0] for key, each in parse_qs(address.query).items()})
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
